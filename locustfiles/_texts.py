"""The texts of a run: made once by the master where a server must count them, else by each worker, always the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from locustfiles._prompts import FITTED, Prompt, build_pool, choose_words
from locustfiles._services import services
from locustfiles._sizing import choose_tokenizer
from locustfiles._tasks import load_tasks
from locustfiles._tokens import Tokenizer, load_tokenizer
from scenarios.scenario import Scenario

POOL_SIZE = 1000  # prompts per input size; each request's nonce makes its text new
FEWEST = 16  # per size of a trace, which has up to 64 sizes


class Texts(msgspec.Struct, frozen=True, kw_only=True):
    """Prompts by input size, the words of their nonces, the tasks; `tokenizer` is who counted."""

    tokenizer: str
    words: tuple[bytes, ...] = ()
    pools: dict[str, list[Prompt]] = {}  # by tokens, as text: a message's keys are strings
    tasks: list[Prompt] = []


def make_texts(
    scenario: Scenario, tokenizer: Tokenizer, count: int = POOL_SIZE, breathe: Callable[[], None] = lambda: None
) -> Texts:
    """All texts of a scenario; `breathe` is called after each input size, so that others may run."""
    pools = {}
    cells = {cell.input_tokens for cell in scenario.matrix.cells}
    sizes = set(scenario.matrix.input.values()) if scenario.ladder.trace else cells
    count = max(count // len(sizes), FEWEST) if scenario.ladder.trace else count
    for tokens in sorted(sizes):
        pools[str(tokens)] = build_pool(tokens, count, scenario.seed, tokenizer, scenario.prompts.shared_prefix)
        breathe()
    return Texts(tokenizer=tokenizer.name, words=choose_words(tokenizer), pools=pools, tasks=_tasks(scenario))


def texts_for_workers(scenario: Scenario) -> dict[str, Any]:
    """What each worker is sent: the tasks, and the prompts when the baseline's server had to count them.

    A thousand workers that each ask /tokenize nine hundred times would load the service before it is measured. What a
    vocabulary counts each worker makes for itself in half a second.
    """
    tokenizer = choose_tokenizer(scenario, services(scenario))
    if tokenizer.additive:
        texts = Texts(tokenizer=tokenizer.name, tasks=_tasks(scenario))
    else:
        texts = make_texts(scenario, tokenizer, FITTED)
    sent: dict[str, Any] = msgspec.to_builtins(texts, builtin_types=(bytes,))
    return sent


def texts_of_master(sent: dict[str, Any], scenario: Scenario, breathe: Callable[[], None]) -> Texts:
    """The texts of `texts_for_workers`, complete."""
    texts = msgspec.convert(sent, Texts, builtin_types=(bytes,))
    if texts.pools:
        return texts
    made = make_texts(msgspec.structs.replace(scenario, tasks=None), load_tokenizer(texts.tokenizer), breathe=breathe)
    return msgspec.structs.replace(made, tasks=texts.tasks)


def _tasks(scenario: Scenario) -> list[Prompt]:
    return load_tasks(scenario.tasks.file) if scenario.tasks else []
