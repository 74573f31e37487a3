"""Who makes tokens when: the engine, one pass over all streams per step, or a script of exact times."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Protocol

from simulator.alarm import Alarm
from simulator.engine import Emission, Engine, Job, Load
from simulator.metrics import Metrics
from simulator.slots import Slots

Take = Callable[[Emission], None]  # what a stream does with its next token


class Source(Protocol):
    """Makes the tokens of jobs."""

    @property
    def load(self) -> Load:
        """How busy it is."""

    def submit(self, job: Job, arrived_s: float, take: Take) -> None:
        """Queue a job; `take` gets each of its tokens when it is due."""

    def cancel(self, job: Job) -> None:
        """Its client is gone."""

    def close(self) -> None:
        """Make nothing any more."""


class EngineSource:
    """Drives an engine by the real clock: waits until the step on its way ends, hands its tokens out, begins anew."""

    def __init__(self, engine: Engine, metrics: Metrics, loop: asyncio.AbstractEventLoop) -> None:
        self._engine, self._metrics = engine, metrics
        self._takers: dict[int, Take] = {}
        self._alarm, self._alarm_s = Alarm(loop, self._ring), 0.0

    @property
    def load(self) -> Load:
        """How busy the engine is."""
        return self._engine.load

    def submit(self, job: Job, arrived_s: float, take: Take) -> None:  # noqa: ARG002 (an engine knows only now)
        """Queue a request for the next step."""
        now = time.monotonic()
        self._hand_out(now)  # what is due before the job arrived is not kept waiting, and not shared with it
        self._takers[job.id] = take
        self._engine.submit(job, now)
        self._arm()

    def cancel(self, job: Job) -> None:
        """Its client is gone."""
        if self._takers.pop(job.id, None) is not None:
            self._engine.cancel(job)
            self._metrics.aborted(job)

    def close(self) -> None:
        """Stop the clock."""
        self._alarm.close()

    def _ring(self) -> None:
        self._alarm_s = 0.0
        self._hand_out(time.monotonic())
        self._arm()

    def _arm(self) -> None:
        due = self._engine.due_s
        if due is not None and due != self._alarm_s:
            self._alarm_s = due
            self._alarm.set(due)

    def _hand_out(self, now: float) -> None:
        for emission in self._engine.advance(now):
            # A client that went away after the engine made its token takes none: late ticks make several at once.
            take = self._takers.pop(emission.job.id, None) if emission.last else self._takers.get(emission.job.id)
            if take is not None:
                self._metrics.token(emission)
                take(emission)


class Script:
    """Streams of exact times, each counted from its request's last byte: a late token does not delay the next.

    With limited slots a stream may have to wait, first come, first served; its times count from when it gets one.
    """

    def __init__(
        self, times: tuple[float, float, float], metrics: Metrics, loop: asyncio.AbstractEventLoop, slots: Slots
    ) -> None:
        # To the first token, from one to the next, and what the first one takes longer after another model's request.
        self._ttft_s, self._gap_s, self._switch_s = times
        self._loaded: str | None = None
        self._metrics, self._slots = metrics, slots
        self._waiting: deque[tuple[Job, Take]] = deque()
        self._heap: list[tuple[float, int, int, Job, Take]] = []  # (due, order, number, job, take)
        self._order = count()
        self._running: dict[int, Job] = {}
        self._alarm = Alarm(loop, self._ring)

    @property
    def load(self) -> Load:
        """Streams under way and waiting for a slot; a script has no memory."""
        return Load(running=len(self._running), waiting=len(self._waiting))

    def submit(self, job: Job, arrived_s: float, take: Take) -> None:
        """Schedule a stream."""
        job.arrived_s = arrived_s
        if self._slots.free(len(self._running), arrived_s):
            self._start(job, take, arrived_s)
        else:
            self._waiting.append((job, take))

    def _start(self, job: Job, take: Take, now: float) -> None:
        job.started_s = now
        self._running[job.id] = job
        switch_s = self._switch_s if self._loaded not in (None, job.model) else 0.0
        self._loaded = job.model
        heapq.heappush(self._heap, (now + self._ttft_s + switch_s, next(self._order), 0, job, take))
        self._arm()

    def _leave(self, now: float) -> None:
        """A stream has ended: its slot is the longest waiting one's."""
        self._slots.ended(now)
        while self._waiting and self._slots.free(len(self._running), now):
            self._start(*self._waiting.popleft(), now)

    def cancel(self, job: Job) -> None:
        """Its client is gone; its place in the heap goes when it is due."""
        if self._running.pop(job.id, None) is not None:
            self._metrics.aborted(job)
            self._leave(time.monotonic())
        elif any(one is job for one, _ in self._waiting):
            self._waiting = deque((one, take) for one, take in self._waiting if one is not job)
            self._metrics.aborted(job)

    def close(self) -> None:
        """Stop the clock."""
        self._alarm.close()

    def _arm(self) -> None:
        if self._heap:
            self._alarm.set(self._heap[0][0])

    def _ring(self) -> None:
        heap, now = self._heap, time.monotonic()
        while heap and heap[0][0] <= now:
            due, order, number, job, take = heap[0]
            last = number + 1 >= job.max_tokens
            if last or job.id not in self._running:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (due + self._gap_s, order, number + 1, job, take))
            if job.id in self._running:
                self._say(job, number, last, take)
        self._arm()

    def _say(self, job: Job, number: int, last: bool, take: Take) -> None:
        job.generated, job.latest_s = number + 1, time.monotonic()
        job.first_s = job.first_s or job.latest_s
        emission = Emission(job, number, job.latest_s, last)
        if last:
            del self._running[job.id]
            self._leave(job.latest_s)
        self._metrics.token(emission)
        take(emission)
