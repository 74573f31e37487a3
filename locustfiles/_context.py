"""Whether the prompts of a run fit into the model's context, as far as its server tells how long that is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from locustfiles._prompts import Prompt
from locustfiles._services import Service, read_key
from locustfiles._wire import get
from scenarios.extent import most_tokens
from scenarios.scenario import Scenario
from scenarios.spread import DATA


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


def least_context(asked: Iterable[Service]) -> int | None:
    """The shortest of the contexts that any of the services tells."""
    return min((known for service in asked if (known := context_of(service)) is not None), default=None)


def too_long(scenario: Scenario, pools: Iterable[str], context: int) -> tuple[int, int]:
    """Of the sizes that prompts are made for, how many exceed a context with their answer; and how many there are."""
    sizes = list(_sizes(scenario, pools))
    return sum(given + made > context for given, made in sizes), len(sizes)


def _sizes(scenario: Scenario, pools: Iterable[str]) -> Iterator[tuple[int, int]]:
    if scenario.conversation is not None:
        yield from (most_tokens(scenario, cell) for cell in scenario.matrix.cells)
        return
    longest = max(cell.output_tokens for cell in scenario.matrix.cells)
    yield from ((int(tokens), longest) for tokens in pools)


def fitting(scenario: Scenario, prompts: Iterable[Prompt], context: int | None) -> list[Prompt]:
    """Those prompts of the data set that fit into a context with their answers; one that nobody counted is taken."""
    cells = [cell for cell in scenario.matrix.cells if scenario.matrix.input.get(cell.input) == DATA]

    def answer(prompt: Prompt) -> int:
        own = [prompt.output if scenario.matrix.output.get(cell.output) == DATA else None for cell in cells]
        return max((made or cell.output_tokens for made, cell in zip(own, cells, strict=True)), default=0)

    known = list(prompts)
    if context is None or not cells:
        return known
    return [prompt for prompt in known if prompt.tokens is None or prompt.tokens + answer(prompt) <= context]
