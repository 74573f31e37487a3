"""Steering: what a person wants of a run while it goes. Pure, but for being told; the conductor asks it as it waits.

A rung that was held, cut or visited again is marked `manual`, and is never gated. What was done is kept in the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from exporters.sample import Step
from scenarios.scenario import Scenario
from shapes._manifest import utc
from shapes._plan import Pass, Plan, Rung, visits

What = Literal["start", "stop", "skip", "hold", "release", "up", "down", "level", "mark"]
CLIMBING = ("fill", "settle", "window")
LONGEST_NOTE, MOST_ACTIONS = 200, 2_000
NOT_NOW = "not possible now"


class Action(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that a person did."""

    at: str  # RFC 3339, UTC
    what: What
    step: str = ""  # in which it was done
    note: str = ""


class Refused(Exception):  # noqa: N818 (an answer to a person, not an error)
    """What a person wanted cannot be done now; the text says why."""


class Steering:
    """A climb by plan, in which a person may hold a rung, skip it, or move one up or down.

    A window of users is held for as long as a person likes; one of a schedule ends when that does, and is repeated.
    """

    def __init__(self, scenario: Scenario, woken: Callable[[], object]) -> None:
        self._woken = woken
        self._steerable = not (scenario.search or scenario.soak)
        self._timed = bool(scenario.ladder.rate)
        self.actions: list[Action] = []
        self.on_action: Callable[[], None] = lambda: None
        self.held = self.finishing = False
        self._phase = self._step = ""
        self._rung: Rung | None = None
        self._index = self._last = 0
        self._renew()

    def _renew(self) -> None:
        self._move = 0
        self._by_hand = False  # this visit, whatever else happens in it
        self._skipped = False
        self.held = False

    # -- what the conductor asks

    def rungs(self, pass_: Pass) -> Iterator[Rung]:
        """The rungs of a pass in the order that a person makes of it; a second visit has an id of its own."""
        visited: Counter[int] = Counter()
        repeated = False
        self._index, self._last = 0, len(pass_.rungs) - 1
        while self._index <= self._last:
            self._renew()
            visited[self._index] += 1
            self._by_hand = visited[self._index] > 1
            self._rung = _again(pass_.rungs[self._index], visited[self._index])
            self.held = repeated
            yield self._rung
            repeated = self._timed and self.held and not self.cut()
            self._index = max(self._index + (self._move or (0 if repeated else 1)), 0)
        self._rung = None

    def phase(self, name: str, step: str = "") -> None:
        """A phase of the present rung begins, in this try of its step."""
        self._phase, self._step = name, step

    def cut(self) -> bool:
        """Whether the present rung is to end at once."""
        return self._skipped or self._move != 0

    def unless_cut(self, done: Callable[[], bool]) -> Callable[[], bool]:
        """Whether it is done, or a person wants no more of it."""
        return lambda: done() or self.cut()

    def marks(self) -> tuple[str, ...]:
        """Marks of the rung that ends now."""
        return ("manual",) if self._by_hand else ()

    def faults(self, full: bool) -> list[str]:
        """Why the rung does not count: it was ended before its window was `full`."""
        if not self.cut() or full:
            return []
        return ["ended by hand before its window was full: let it run, or hold it, to have its figures"]

    # -- what a person wants

    @property
    def stopped(self) -> bool:
        """Whether a person has stopped the run."""
        return any(action.what == "stop" for action in self.actions)

    def allowed(self) -> tuple[What, ...]:
        """What can be done now."""
        found: list[What] = ["stop", "mark"]
        if not self._steerable or self._rung is None or self._phase not in CLIMBING:
            return tuple(found)
        found.append("skip")
        if self._rung[0].cell is not None:
            found.append("release" if self.held else "hold")
            found += ["up"] if self._index < self._last else []
            found += ["down"] if self._index > 0 else []
        return tuple(found)

    def do(self, what: What, note: str = "") -> None:
        """Do what a person wants, and keep that it was done; Refused when it cannot be done."""
        if what not in self.allowed():
            raise Refused(NOT_NOW)
        self._take(what)
        self.note(what, note)
        self._woken()

    def _take(self, what: What) -> None:
        match what:
            case "skip":
                self._skipped = self._by_hand = True
            case "hold":
                self.held = self._by_hand = True
            case "release":
                self.held = False
            case "up" | "down":
                self._move, self._by_hand = (1 if what == "up" else -1), True

    @property
    def climbing(self) -> bool:
        """Whether a rung is being measured."""
        return self._rung is not None

    def note(self, what: What, note: str = "") -> None:
        """Keep that something was done."""
        if len(self.actions) < MOST_ACTIONS:
            clean = "".join(letter if letter.isprintable() else " " for letter in note)[:LONGEST_NOTE].strip()
            self.actions.append(Action(utc(), what, self._step if self._rung else "", clean))
            self.on_action()


class Levels(Steering):
    """A ramp by hand: every level that a person asks for is a rung with statistics of its own, for as long as it stays.

    The level is Locust's own number of users, so that its page and ours move the same thing.
    """

    def __init__(self, scenario: Scenario, woken: Callable[[], object], options: Any) -> None:
        super().__init__(scenario, woken)
        self._options, self._rungs = options, sorted(scenario.ladder.concurrency)
        self._level = self.wanted

    @property
    def wanted(self) -> int:
        """Users that are asked for."""
        return max(int(self._options.num_users or self._rungs[0]), 1)

    def rungs(self, pass_: Pass) -> Iterator[Rung]:
        """Level after level, until a person ends it."""
        number = 0
        while not self.finishing:
            number += 1
            self._renew()
            self._by_hand, self.held = True, True
            self._level = self.wanted
            self._rung = tuple(_at_level(step, self._level, number) for step in pass_.rungs[0])
            if number > 1:
                self.note("level", f"{self._level} users")
            yield self._rung
        self._rung = None

    def cut(self) -> bool:
        """Whether another level is wanted, or none any more."""
        return self.finishing or self.wanted != self._level

    def faults(self, full: bool) -> list[str]:  # noqa: ARG002 (a level is as long as its person wants)
        """None: levels end by hand."""
        return []

    def allowed(self) -> tuple[What, ...]:
        """What can be done now."""
        if self._rung is None or self._phase not in CLIMBING:
            return ("stop", "mark")
        return ("stop", "mark", "up", *(("down",) if self.wanted > 1 else ()))

    def _take(self, what: What) -> None:
        if what == "stop":
            self.finishing = True
        elif what in ("up", "down"):
            self._options.num_users = next_level(self.wanted, self._rungs, what == "up")


def next_level(level: int, rungs: list[int], up: bool) -> int:
    """The next rung of the ladder above or below a level; beyond the last one twice as many, below the first half."""
    if up:
        return next((rung for rung in rungs if rung > level), level * 2)
    return next((rung for rung in reversed(rungs) if rung < level), max(level // 2, 1))


def manual_plan(scenario: Scenario) -> Plan:
    """The plan of a ramp by hand: the plan's cell on its first arms; levels follow as they are asked for."""
    first = next(
        visit for visit in visits(scenario) if visit.cell is not None and visit.cell.name == scenario.plan.cell
    )
    name = f"b1-{first.cell.input}_{first.cell.output}" if first.cell else "b1"
    rung = tuple(
        Step(
            id=f"{name}-{arm}", workload="matrix", arm=arm, block=1, cell=first.cell,
            concurrency=int(scenario.ladder.concurrency[0]),
        )
        for arm in first.arms
    )  # fmt: skip
    one = Pass(block=1, arms=first.arms, cell=first.cell, workload="matrix", rungs=(rung,))
    return Plan(passes=(one,), by_hand=True)


def _at_level(step: Step, level: int, number: int) -> Step:
    name = step.id.removesuffix(f"-{step.arm}")
    return replace(step, id=f"{name}-m{number}-c{level}-{step.arm}", concurrency=level, visit=number)


def _again(rung: Rung, visit: int) -> Rung:
    return rung if visit == 1 else tuple(replace(step, id=f"{step.id}-again{visit}", visit=visit) for step in rung)
