"""Open loop: requests come by a schedule, whatever the service does. What is its own in the life of a step.

The schedule begins with the settle order, goes on unmeasured until the queue is as it will stay, has its window at
times that are known beforehand, and does not end before every request that was due in it has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from exporters.fleet import Answer, Lane, Share
from exporters.sample import Step
from exporters.validity import off_schedule
from scenarios.scenario import Scenario
from scenarios.trace import Trace, read_trace
from shapes._arrivals import key_of, schedule, spans
from shapes._closed import GRACE_S, Wait
from shapes._crew import Crew
from shapes._plan import Pass, Rung
from shapes._soak import SoakTime
from shapes._steering import Steering

WARM_UP_USERS = 64  # at most; one for each request a second of the top rung


class OpenLoop:
    """Deals each worker its share of a step's schedule and watches its phases go by."""

    open_loop = True

    def __init__(self, scenario: Scenario, crew: Crew, wait: Wait, steering: Steering) -> None:
        self._scenario, self._crew, self._wait, self._steering = scenario, crew, wait, steering
        self._settle_s = self._window_s = 0.0
        self._time = SoakTime()
        self._trace: Trace | None = None

    def warm_up_users(self, pass_: Pass) -> int:
        """The first senders of each arm; the workers have more of them born as they are needed."""
        rate = max(step.load for step in pass_.steps)
        return max(min(math.ceil(rate), WARM_UP_USERS, self._scenario.ladder.senders), len(self._crew.workers()))

    def begins_alone(self, _pass: Pass) -> bool:
        """The warm-up ends by itself."""
        return False

    def fill(self, rung: Rung, e2e_s: float) -> list[str]:
        """Compute the schedule and deal it; arrivals of the rung before end here."""
        step, request, ladder = rung[0], self._scenario.request, self._scenario.ladder
        rate = step.load
        self._settle_s, self._window_s = self._spans(step, e2e_s)
        closes_s, tail_s = self._settle_s + self._window_s, request.timeout + GRACE_S
        cell = step.cell.name if step.cell else step.workload
        key = key_of(self._scenario, step.block, cell, rate, step.part)
        whole = schedule(ladder, rate, closes_s + tail_s, key, self._replayed())
        if step.stretch is not None and step.stretch.then is not None:
            then = schedule(ladder, step.stretch.then, tail_s, f"{key}/then", self._replayed())
            whole = whole.followed_by(then, closes_s)

        def share(index: int, count: int) -> Share:
            senders = math.ceil(ladder.senders / count)
            extra = {"settle_s": self._settle_s, "window_s": self._window_s, "senders": senders}
            return msgspec.structs.replace(whole.share(index, count), **extra)

        self._crew.deal("fill", share, lanes=tuple(Lane(arm=one.arm, step=one) for one in rung), users=0)
        return (
            [] if self._wait(self._crew.answered, GRACE_S) else ["not every worker has got its share of the schedule"]
        )

    def _spans(self, step: Step, e2e_s: float) -> tuple[float, float]:
        """Seconds of settle and window; in a soak time goes on between its stretches."""
        settle_s, window_s = spans(self._scenario, step.load, e2e_s)
        if step.stretch is None:
            return settle_s, window_s
        return settle_s if step.stretch.begin == 0 else 0.0, self._time.left_s(step.stretch)

    def _replayed(self) -> Trace | None:
        ladder = self._scenario.ladder
        if ladder.trace is not None and self._trace is None:
            self._trace = read_trace(ladder.trace, ladder.on_bad == "skip")
        return self._trace

    def settle(self, step: Step, _e2e_s: float) -> list[str]:
        """Start the schedule; wait until its window opens."""
        self._crew.command("settle")
        opened = self._wait(self._steering.unless_cut(self._crew.answered), self._settle_s + GRACE_S)
        if step.stretch is not None:
            self._time.begin(step.stretch)
        if opened:
            return []
        return ["not every worker has opened its window in time: look at the workers' logs"]

    def window(self, step: Step) -> tuple[str, ...]:
        """Wait until the window is over; `few` when `max` made it too short for `min_requests`."""
        self._crew.command("window")
        self._wait(self._steering.unless_cut(self._crew.answered), self._window_s + GRACE_S)
        if step.stretch is not None:
            return ()
        return ("few",) if step.load * self._window_s < self._scenario.window.min_requests * 0.999 else ()

    def held(self, _rung: Rung) -> list[str]:
        """Whether a person has ended it; senders come and go as they are needed."""
        return self._steering.faults(self._crew.answered())

    def tail(self, _rung: Rung) -> None:
        """The window has closed by itself, or by hand."""
        self._crew.command("tail")

    def judged(self, answers: Sequence[Answer]) -> list[str]:
        """Whether the schedule was kept, by the workers' own counts."""
        names = ("scheduled", "achieved", "late", "lags", "users")
        counts = {name: int(sum(answer.facts.get(name, 0) for answer in answers)) for name in names}
        full = counts.pop("users") >= self._scenario.ladder.senders
        return off_schedule(**counts, full=full)
