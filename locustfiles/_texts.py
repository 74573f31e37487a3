"""The texts of a run: made once by the master where a server must count them, else by each worker, always the same."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import gevent
import msgspec

from locustfiles._context import fitting, least_context
from locustfiles._datasets import read_data
from locustfiles._entries import matrix_prompts, task_prompts
from locustfiles._prompts import FITTED, NONCE_TOKENS, Prompt, build_pool, choose_words
from locustfiles._services import Service, services
from locustfiles._sizing import choose_tokenizer, output_tokenizer
from locustfiles._tasks import load_tasks
from locustfiles._tokens import Tokenizer, load_tokenizer
from scenarios.scenario import Cell, Scenario
from scenarios.spread import DATA, spread_of
from scenarios.trace import read_trace

POOL_SIZE = 1000  # prompts per input size; each request's nonce makes its text new
FEWEST = 16  # per size, where an input has many: those of a trace or of a distribution


class Texts(msgspec.Struct, frozen=True, kw_only=True):
    """Prompts by input size, the words of their nonces, the tasks; `tokenizer` is who counted."""

    tokenizer: str
    words: tuple[bytes, ...] = ()
    pools: dict[str, list[Prompt]] = {}  # by tokens, as text: a message's keys are strings
    tasks: list[Prompt] = []
    data: list[Prompt] = []  # of the data set, for the matrix


def make_texts(scenario: Scenario, tokenizer: Tokenizer, count: int = POOL_SIZE) -> Texts:
    """All texts of a scenario."""
    pools, share = {}, scenario.prompts.shared_prefix
    for tokens, part in sorted(prompt_sizes(scenario).items()):
        pools[str(tokens)] = build_pool(tokens, max(count // part, FEWEST), scenario.seed, tokenizer, share)
    words, data = choose_words(tokenizer), _data(scenario, tokenizer)
    return Texts(tokenizer=tokenizer.name, words=words, pools=pools, tasks=_tasks(scenario), data=data)


def texts_for_workers(scenario: Scenario) -> dict[str, Any]:
    """What each worker is sent: the tasks, and the prompts when the baseline's server had to count them.

    A thousand workers that each ask /tokenize nine hundred times would load the service before it is measured. What a
    vocabulary counts each worker makes for itself in half a second.
    """
    asked = services(scenario)
    tokenizer = choose_tokenizer(scenario, asked)
    if tokenizer.additive:
        texts = Texts(tokenizer=tokenizer.name, tasks=_tasks(scenario), data=_data(scenario, tokenizer))
    else:
        texts = make_texts(scenario, tokenizer, FITTED)
    if texts.data:
        texts = msgspec.structs.replace(texts, data=_taken(scenario, texts.data, asked.values()))
    sent: dict[str, Any] = msgspec.to_builtins(texts, builtin_types=(bytes,))
    return sent


def texts_beside(sent: dict[str, Any], scenario: Scenario) -> tuple[Texts, Tokenizer]:
    """The texts of `texts_for_workers`, complete, and what counts replies; made in a thread, while the hub goes on.

    In the hub they would take a second without a heartbeat, on a busy machine more than the three after which a master
    takes its worker for lost.
    """
    made: tuple[Texts, Tokenizer] = gevent.get_hub().threadpool.apply(
        lambda: (texts_of_master(sent, scenario), output_tokenizer(scenario))
    )
    return made


def _taken(scenario: Scenario, data: list[Prompt], asked: Iterable[Service]) -> list[Prompt]:
    """The data set's prompts without those that are too long for a model, where the scenario leaves such rows out."""
    if scenario.data is None or scenario.data.on_bad == "stop":
        return data
    context = least_context(asked)
    taken = fitting(scenario, data, context)
    if not taken:
        raise ValueError(f"data set {scenario.data.file}: no prompt fits into the context of {context:,} tokens")
    return taken


def left_out(scenario: Scenario) -> list[str]:
    """What the scenario's files hold that cannot be used and is left out, as it asks: a line for each file."""
    data, ladder = scenario.data, scenario.ladder
    said = [read_data(data, scenario.seed).left_out] if data is not None and data.on_bad == "skip" else []
    if ladder.trace is not None and ladder.on_bad == "skip":
        said.append(read_trace(ladder.trace, skip=True).left_out)
    return [text for text in said if text]


def texts_of_master(sent: dict[str, Any], scenario: Scenario) -> Texts:
    """The texts of `texts_for_workers`, complete."""
    texts = msgspec.convert(sent, Texts, builtin_types=(bytes,))
    if texts.words:  # complete already: a server's count, perhaps of a data set's prompts alone
        return texts
    own = msgspec.structs.replace(scenario, tasks=None, data=None)
    made = make_texts(own, load_tokenizer(texts.tokenizer))
    return msgspec.structs.replace(made, tasks=texts.tasks, data=texts.data)


def prompt_sizes(scenario: Scenario) -> dict[int, int]:
    """The sizes that prompts are made for, and how many sizes share the pool of one input: as many prompts in all."""
    if scenario.ladder.trace:
        sizes = {size for size in scenario.matrix.input.values() if isinstance(size, int)}
        return dict.fromkeys(sizes, len(sizes))
    found: dict[int, int] = {}
    for cell in scenario.matrix.cells:
        drawn = drawn_sizes(scenario, cell.input)
        sizes = set(drawn) if drawn else set() if scenario.matrix.input.get(cell.input) == DATA else {cell.input_tokens}
        if scenario.conversation is not None:
            sizes |= {answer_size(cell)} | ({scenario.conversation.system} - {0})
        found |= {size: min(found.get(size, len(sizes)), len(sizes)) for size in sizes}
    return found


def answer_size(cell: Cell) -> int:
    """Tokens of the texts that stand for a conversation's replies: no fewer than a nonce needs."""
    return max(cell.output_tokens, NONCE_TOKENS + 1)


def drawn_sizes(scenario: Scenario, name: str) -> tuple[int, ...]:
    """The sizes of an input that is drawn, each as likely; empty for one that is not."""
    size = scenario.matrix.input.get(name)
    if not isinstance(size, str) or size == DATA:
        return ()
    room = 1 - scenario.prompts.shared_prefix
    return spread_of(size).sizes(math.ceil((NONCE_TOKENS + 1) / room) + 1)


def _tasks(scenario: Scenario) -> list[Prompt]:
    tasks, data = scenario.tasks, scenario.data
    if tasks is None:
        return []
    return load_tasks(tasks.file) if tasks.file or data is None else task_prompts(data, scenario.seed)


def _data(scenario: Scenario, tokenizer: Tokenizer) -> list[Prompt]:
    matrix = scenario.matrix
    if scenario.data is None or DATA not in (*matrix.input.values(), *matrix.output.values()):
        return []
    return matrix_prompts(scenario.data, scenario.seed, tokenizer, output_tokenizer(scenario))
