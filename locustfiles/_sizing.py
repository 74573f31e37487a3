"""Whose token counts size the prompts: the baseline's own /tokenize where it offers one, else a tiktoken vocabulary."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import msgspec

from locustfiles._services import Service, read_key
from locustfiles._tokens import ServerTokenizer, Tokenizer, load_tokenizer
from locustfiles._wire import post
from scenarios.scenario import Scenario

FALLBACK = "o200k_base"

log = logging.getLogger(__name__)


class Tokenized(msgspec.Struct):
    """What vLLM and SGLang (`count`) or llama.cpp (`tokens` only) answer to POST /tokenize."""

    count: int | None = None
    tokens: list[object] | None = None


def choose_tokenizer(scenario: Scenario, services: Mapping[str, Service]) -> Tokenizer:
    """The scenario's tokenizer; "auto" asks the baseline's server first."""
    if scenario.prompts.tokenizer != "auto":
        return load_tokenizer(scenario.prompts.tokenizer)
    baseline = services[scenario.compare.baseline or next(iter(services))]
    try:
        return ServerTokenizer(server_count(baseline))
    except (LookupError, OSError, msgspec.MsgspecError) as error:
        log.info("no /tokenize at %s (%s): prompts are sized with %s", baseline.name, error, FALLBACK)
        return load_tokenizer(FALLBACK)


def output_tokenizer(scenario: Scenario) -> Tokenizer:
    """What counts replies here: never the server, which is busy being measured."""
    name = scenario.prompts.tokenizer
    return load_tokenizer(FALLBACK if name == "auto" else name)


def server_count(service: Service) -> Callable[[str], int]:
    """A counting function over the service's /tokenize; LookupError or OSError where it has none."""

    def count(text: str) -> int:
        asked = {"model": service.arm.model, "prompt": text, "content": text, "add_special_tokens": False}
        headers = {"content-type": "application/json", **service.dialect.headers(read_key(service.arm))}
        status, _, body = post(service.target, "/tokenize", headers, msgspec.json.encode(asked), 10.0)
        if status != 200:
            raise LookupError(f"/tokenize answered {status}")
        answer = msgspec.json.decode(body, type=Tokenized)
        if answer.count is None and answer.tokens is None:
            raise LookupError("/tokenize answered without a count")
        return answer.count if answer.count is not None else len(answer.tokens or [])

    return count
