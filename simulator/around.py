"""A service around the model: stages of its own before and after it, several calls, a longer prompt.

The known answer of tokenswarm's stages, isolation and fan-out: each stage really takes its time, on this process's
clock, and what it took is told in every way that services have, and written to a file for those who want the truth.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import os
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from simulator.alarm import Alarm
from simulator.engine import Emission, Job
from simulator.streams import Source, Take

HIDDEN_TOKENS = 8  # what a call makes whose text is not the reply: a search query, a route, a judgement
MODEL = "model"  # the stage of all calls

Done = Callable[[], None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a service does for a request, beside calling the model: stages in seconds, calls, tokens that it adds."""

    before: tuple[tuple[str, float], ...] = ()
    after: tuple[tuple[str, float], ...] = ()
    calls: int = 1
    more_input: int = 0
    lost: float = 0.0  # share of the replies that tell nothing of their stages
    truth: str | None = None  # a file for what each request took

    @property
    def wanted(self) -> bool:
        """Whether there is a service at all."""
        return bool(self.before or self.after or self.calls > 1 or self.more_input or self.truth)


def plan_of(stages: str, calls: int, more_input: int, lost: float = 0.0, truth: str | None = None) -> Plan:
    """The plan that options ask for; ValueError. Stages named post... come after the model, the others before it."""
    found: list[tuple[str, float]] = []
    for part in filter(None, (part.strip() for part in stages.split(","))):
        name, _, given = part.partition("=")
        if not name.isidentifier() or name == MODEL or not given.replace(".", "", 1).isdecimal():
            raise ValueError(f"--stages {part!r}: NAME=MILLISECONDS is accepted, such as retrieve=35")
        found.append((name, float(given) / 1000))
    if calls < 1 or more_input < 0:
        raise ValueError(f"--fan-out {calls}, --more-input {more_input}: at least 1 and 0 are accepted")
    if not 0 <= lost <= 1:
        raise ValueError(f"--stages-lost {lost}: 0 to 1 is accepted")
    after = tuple(stage for stage in found if stage[0].startswith("post"))
    before = tuple(stage for stage in found if stage not in after)
    return Plan(before=before, after=after, calls=calls, more_input=more_input, lost=lost, truth=truth)


class Clock:
    """Calls back at times of the monotonic clock, finer than the loop's millisecond; one alarm for all."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._heap: list[tuple[float, int, Done]] = []
        self._order = itertools.count()
        self._alarm = Alarm(loop, self._ring)

    def at(self, when_s: float, call: Done) -> None:
        """Call at this time."""
        heapq.heappush(self._heap, (when_s, next(self._order), call))
        self._alarm.set(self._heap[0][0])

    def _ring(self) -> None:
        while self._heap and self._heap[0][0] <= time.monotonic():
            heapq.heappop(self._heap)[2]()
        if self._heap:
            self._alarm.set(self._heap[0][0])


class Around:
    """The service: what all of its visits share. `noise`: sd of the log of a stage's time."""

    def __init__(self, plan: Plan, source: Source, loop: asyncio.AbstractEventLoop, noise: float, seed: int) -> None:
        self.plan, self.source, self.clock, self.noise = plan, source, Clock(loop), noise
        self.draw = random.Random(seed)
        self.ids = itertools.count(-1, -1)  # of the jobs of hidden calls
        self._truth = _opened(plan.truth) if plan.truth else None

    def wrote(self, visit: Visit) -> None:
        """Write what a request took, when that is wanted."""
        if self._truth is not None:
            os.write(self._truth, msgspec.json.encode(visit.truth()) + b"\n")


class Visit:
    """One request on its way through the service."""

    def __init__(self, around: Around, job: Job, arrived_s: float) -> None:
        self._around, self._job, self._arrived_s = around, job, arrived_s
        self._arrived_ns = time.time_ns()
        self._take: Take = lambda _: None
        self._call: Job | None = None  # the one under way
        self._model_s = self._ended_s = 0.0
        self._gone = False
        self._told: tuple[str, ...] = ()
        self._silent = around.plan.lost > 0 and around.draw.random() < around.plan.lost
        self.took: dict[str, float] = {}
        self.calls: list[dict[str, int]] = []

    def begin(self, take: Take) -> None:
        """The stages before the model, the calls whose text nobody sees, then the one that is the reply."""
        self._take = take
        self._stages(self._around.plan.before, lambda: self._next_call(self._around.plan.calls))

    def finish(self, done: Done) -> None:
        """The stages after the model; then `done`."""
        self._stages(self._around.plan.after, lambda: self._over(done))

    def cancel(self) -> None:
        """The client is gone: nothing more is done for it."""
        self._gone = True
        if self._call is not None:
            self._around.source.cancel(self._call)

    def truth(self) -> dict[str, Any]:
        """What it took, by this process's own clock."""
        return {
            "arrived_ns": self._arrived_ns, "total_s": self._ended_s - self._arrived_s, "stages": self.took,
            "calls": self.calls, "silent": self._silent,
        }  # fmt: skip

    def told(self) -> tuple[bytes, ...]:
        """Header lines of what is known when the head is written: Server-Timing, each stage by itself, the calls."""
        if self._silent:
            return ()
        known = {name: took for name, took in self.took.items() if name != MODEL or self._call is None}
        named = tuple(b"x-%s-ms: %.6f" % (name.encode(), 1000 * took) for name, took in known.items())
        self._told = tuple(known)
        return (*_timing(known), *named, b"x-model-calls: %d" % self._around.plan.calls)

    def told_late(self) -> tuple[bytes, ...]:
        """Trailer lines of what was not known then."""
        late = {name: took for name, took in self.took.items() if name not in self._told}
        return () if self._silent else _timing(late)

    def usage(self) -> dict[str, Any]:
        """Beside the reply's own usage: that of every call, and the stages so far."""
        return {"calls": self.calls, "timings": {f"{name}_ms": 1000 * took for name, took in self.took.items()}}

    def _stages(self, left: Sequence[tuple[str, float]], done: Done) -> None:
        """One stage after the other, each timed from its begin to the next thing that happens."""
        if self._gone:
            return
        if not left:
            done()
            return
        (name, seconds), *others = left
        began = time.monotonic()

        def over() -> None:
            self.took[name] = time.monotonic() - began
            self._stages(others, done)

        self._around.clock.at(began + seconds * self._around.draw.lognormvariate(0, self._around.noise), over)

    def _next_call(self, left: int) -> None:
        """The last call is the reply's own."""
        if self._gone:
            return
        began = time.monotonic()
        self._call = job = self._job if left == 1 else self._hidden()

        def take(emission: Emission) -> None:
            if emission.last:
                self.took[MODEL] = self.took.get(MODEL, 0.0) + time.monotonic() - began
                self.calls.append({"prompt_tokens": job.prompt_tokens, "completion_tokens": emission.number + 1})
                self._call = None
            if job is self._job:
                self._take(emission)
            elif emission.last and not self._gone:
                # not inside the engine's own hand-out: the next pass of the loop submits
                self._around.clock.at(time.monotonic(), lambda: self._next_call(left - 1))

        self._around.source.submit(job, began, take)

    def _hidden(self) -> Job:
        job = self._job
        return Job(id=next(self._around.ids), prompt_tokens=job.prompt_tokens, max_tokens=HIDDEN_TOKENS)

    def _over(self, done: Done) -> None:
        self._ended_s = time.monotonic()
        self._around.wrote(self)
        done()


def _timing(took: dict[str, float]) -> tuple[bytes, ...]:
    metrics = (b"%s;dur=%.6f" % (name.encode(), 1000 * seconds) for name, seconds in took.items())
    return (b"server-timing: " + b", ".join(metrics),) if took else ()


def _opened(path: str) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    except OSError as error:
        raise ValueError(f"--truth {path} cannot be written: {error.strerror}") from None
