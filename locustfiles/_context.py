"""Whether the prompts of a run fit into the model's context, as far as its server tells how long that is."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from locustfiles._services import Service, read_key
from locustfiles._texts import Texts
from locustfiles._wire import get
from scenarios.extent import most_tokens
from scenarios.scenario import Scenario


class Meta(msgspec.Struct):
    """What llama.cpp tells of a model."""

    n_ctx: int | None = None


class Served(msgspec.Struct):
    """A model in /v1/models; `max_model_len` is vLLM's and SGLang's."""

    max_model_len: int | None = None
    meta: Meta | None = None


class Models(msgspec.Struct):
    """The answer of GET /v1/models."""

    data: list[Served] = []


def context_of(service: Service) -> int | None:
    """Tokens of the model's context; None when its server does not tell."""
    try:
        headers = service.dialect.headers(read_key(service.arm))
        status, _, body = get(service.target, "/v1/models", headers, 5.0)
        served = msgspec.json.decode(body, type=Models).data if status == 200 else []
    except (OSError, msgspec.MsgspecError):
        return None
    lengths = [one.max_model_len or (one.meta.n_ctx if one.meta else None) for one in served]
    return next((length for length in lengths if length), None)


def too_long(scenario: Scenario, texts: Texts, context: int) -> tuple[int, int]:
    """Of all known sizes of prompt and answer, how many exceed a context; and how many there are."""
    sizes = list(_sizes(scenario, texts))
    return sum(given + made > context for given, made in sizes), len(sizes)


def _sizes(scenario: Scenario, texts: Texts) -> Iterator[tuple[int, int]]:
    if texts.data:
        expected = scenario.data.expected_output if scenario.data else 0
        yield from ((prompt.tokens, prompt.output or expected) for prompt in texts.data if prompt.tokens is not None)
    if scenario.conversation is not None:
        yield from (most_tokens(scenario, cell) for cell in scenario.matrix.cells)
        return
    longest = max(cell.output_tokens for cell in scenario.matrix.cells)
    yield from ((int(tokens), longest) for tokens in texts.pools)
