"""What a turn asks: the prompt, its nonce and the output length, as functions of the seed and the user's turn.

The arm is no part of any key, so both arms get the same text; only when two arms share one server (a service calls
its model) is the nonce salted with the arm's name, or the second arm would hit the first one's prefix cache.
"""

from __future__ import annotations

import hashlib

import msgspec

from locustfiles._conversation import Said, Words, conversing, said
from locustfiles._dialects import Ask
from locustfiles._pace import Turn
from locustfiles._prompts import Prompt, nonce
from locustfiles._texts import Texts, answer_size, drawn_sizes
from scenarios.scenario import Arm, Cell, Scenario
from scenarios.spread import DATA, spread_of


class Asks:
    """The prompts of one run in one process."""

    def __init__(self, scenario: Scenario, key: str, texts: Texts) -> None:
        """`key` goes into every nonce: another one for each run, also for one of the same name, or resumed."""
        self._scenario, self._key, self.texts = scenario, key, texts
        self._pools = {int(tokens): pool for tokens, pool in texts.pools.items()}
        self._sizes = {cell.name: drawn_sizes(scenario, cell.input) for cell in scenario.matrix.cells}
        urls = [arm.url for arm in scenario.arms.values()]
        self._salt = len(set(urls)) < len(urls) or scenario.compare.isolate  # a service asks the other arm's server
        self._extra = {name: extra_members(arm) for name, arm in scenario.arms.items()}

    def make(self, turn: Turn) -> Ask:
        """The request of one turn."""
        return self._task(turn) if turn.order.workload == "task" else self._synthetic(turn)

    def _synthetic(self, turn: Turn) -> Ask:
        order, cell = turn.order, turn.order.cell
        assert cell is not None, "a matrix order names its cell"
        step = turn.lane.step
        rung = f"r{step.rate:g}" if step is not None and step.rate is not None else order.users
        place = f"{order.block}/{cell.name}/{rung}/{turn.user}/{turn.number}"
        draw = _hash(f"{self._scenario.seed}/{place}")
        prompt, made = self._drawn(turn, cell, place, draw)
        told = self._told(turn, cell)
        attempt = step.attempt if step else "0"
        salt = turn.lane.arm if self._salt else ""
        key = _hash(f"{self._key}/{place}/{attempt}/{salt}")
        jitter = 1 + self._scenario.matrix.output_jitter * (2 * (draw >> 32) / 2**32 - 1)
        return Ask(
            model=pick_model(self._scenario.arms[turn.lane.arm], draw),
            prompt=told.prompt if told else prompt,
            nonce=nonce(key, self.texts.words),
            max_tokens=max(1, round(made * jitter)),
            force_length=True,
            stream=self._scenario.request.stream,
            extra=self._extra[turn.lane.arm],
            conversation=(told.conversation, told.turn) if told else None,
            uncached=told.uncached if told else False,
        )

    def _told(self, turn: Turn, cell: Cell) -> Said | None:
        """The conversation up to this turn; None where every request stands alone."""
        asked, order, step = self._scenario.conversation, turn.order, turn.lane.step
        if asked is None:
            return None
        place = f"{self._scenario.seed}/{conversing(order, turn.user)}"
        attempt = step.attempt if step else "0"
        key = f"{self._key}/{place}/{attempt}/{turn.lane.arm if self._salt else ''}"
        answers = self._pools[answer_size(cell)]
        system = self._pools[asked.system][0] if asked.system else None
        words = Words(self._pools[cell.input_tokens], answers, system, self.texts.words)
        return said(asked, words, place, turn.number, key)

    def _drawn(self, turn: Turn, cell: Cell, place: str, draw: int) -> tuple[Prompt, int]:
        """The prompt and the tokens of its answer: as the trace says, of the data set, drawn, or the cell's."""
        seed, output = self._scenario.seed, self._scenario.matrix.output.get(cell.output)
        own = self.texts.data[draw % len(self.texts.data)] if self.texts.data else None
        if own is not None and self._scenario.matrix.input.get(cell.input) == DATA:
            prompt = own
        else:
            drawn = self._sizes[cell.name]
            given = drawn[_hash(f"{seed}/{place}/input") % len(drawn)] if drawn else cell.input_tokens
            pool = self._pools[turn.sizes[0] if turn.sizes else given]
            prompt = pool[draw % len(pool)]
        if turn.sizes:
            return prompt, turn.sizes[1]
        if output == DATA:
            return prompt, (own.output if own else None) or cell.output_tokens
        if isinstance(output, str):
            return prompt, spread_of(output).size(_hash(f"{seed}/{place}/output") / 2**64)
        return prompt, cell.output_tokens

    def _task(self, turn: Turn) -> Ask:
        tasks = self._scenario.tasks
        assert tasks is not None, "a task order comes from a scenario with [tasks]"
        order = turn.order
        first = order.block * tasks.requests // max(self._scenario.plan.blocks, 1)
        index = first + turn.number * order.users + turn.user
        return Ask(
            model=pick_model(self._scenario.arms[turn.lane.arm], _hash(f"task/{index}")),
            prompt=self.texts.tasks[index % len(self.texts.tasks)],
            nonce=b"",
            max_tokens=tasks.max_tokens,
            force_length=False,
            stream=self._scenario.request.stream,
            extra=self._extra[turn.lane.arm],
        )


def extra_members(arm: Arm) -> bytes:
    """`extra_body` as JSON members without the braces, encoded once per run."""
    return msgspec.json.encode(arm.extra_body)[1:-1]


def pick_model(arm: Arm, draw: int) -> str:
    """The model's name; of several, one by weight."""
    if isinstance(arm.model, str):
        return arm.model
    share = draw / 2**64 * sum(model.weight for model in arm.model)
    for model in arm.model:
        share -= model.weight
        if share < 0:
            return model.model
    return arm.model[-1].model


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")
