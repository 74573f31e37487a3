"""Who sends tokens when: the engine's streams in one pass per step, the scripted ones each at its own time."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from itertools import count

from simulator.engine import Engine, Job
from simulator.metrics import Metrics

SLACK_S = 0.0002  # what is due within this is sent now: the loop's timers are a millisecond coarse


class EngineTicker:
    """Drives an engine by the real clock: sleeps until the step on its way ends, hands its tokens out, begins anew."""

    def __init__(self, engine: Engine, metrics: Metrics, loop: asyncio.AbstractEventLoop) -> None:
        self._engine, self._metrics, self._loop = engine, metrics, loop
        self._takers: dict[int, Callable[[int, bool], None]] = {}  # job -> takes (token number, last)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._ids = count(1)

    def submit(
        self, prompt_tokens: int, max_tokens: int, prefix: tuple[int, ...], take: Callable[[int, bool], None]
    ) -> Job:
        """Queue a request; `take` gets each of its tokens."""
        job = Job(id=next(self._ids), prompt_tokens=prompt_tokens, max_tokens=max_tokens, prefix=prefix)
        self._takers[job.id] = take
        self._metrics.requests += 1
        self._engine.submit(job, self._loop.time())
        self._arm()
        return job

    def cancel(self, job: Job) -> None:
        """Its client is gone."""
        if self._takers.pop(job.id, None) is not None:
            self._engine.cancel(job)

    def _arm(self) -> None:
        due = self._engine.due_s
        if due is None or (self._timer is not None and self._timer_due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = due
        self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        for emission in self._engine.advance(self._loop.time() + SLACK_S):
            self._metrics.generation_tokens += 1
            if emission.last:
                self._metrics.finished(emission.job, emission.at_s)
                take = self._takers.pop(emission.job.id, None)
            else:
                take = self._takers.get(emission.job.id)
            if take is not None:
                take(emission.job.generated - 1, emission.last)
        self._arm()


class Script:
    """Streams of exact times: one heap, one timer. A token's text is the CLOCK_REALTIME at which it is written."""

    def __init__(self, ttft_s: float, gap_s: float, tokens: int, loop: asyncio.AbstractEventLoop) -> None:
        self._ttft_s, self._gap_s, self._tokens, self._loop = ttft_s, gap_s, tokens, loop
        self._heap: list[tuple[float, int, int, Callable[[str, bool], bool]]] = []
        self._order = count()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, say: Callable[[str, bool], bool]) -> None:
        """Schedule a stream from now; `say(text, last)` returns False when its client is gone."""
        heapq.heappush(self._heap, (self._loop.time() + self._ttft_s, next(self._order), 0, say))
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._heap[0][0], self._tick) if self._heap else None

    def _tick(self) -> None:
        heap, now = self._heap, self._loop.time() + SLACK_S
        while heap and heap[0][0] <= now:
            due, order, number, say = heap[0]
            last = number + 1 >= self._tokens
            if say(f" {time.time_ns()}", last) and not last:
                heapq.heapreplace(heap, (due + self._gap_s, order, number + 1, say))
            else:
                heapq.heappop(heap)
        self._arm()
