"""Closed loop: so many users at once, each of which waits for its reply. What is its own in the life of a step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from exporters.fleet import Answer, Lane
from exporters.sample import Step
from scenarios.scenario import Scenario
from shapes._crew import Crew
from shapes._plan import Pass, Rung
from shapes._soak import SoakTime
from shapes._steering import Steering

Wait = Callable[[Callable[[], bool], float], bool]
GRACE_S = 35.0  # what a worker may need beyond a request's own deadline to answer


class ClosedLoop:
    """Fills a rung with users, staggers their first requests, and holds the window until each has had its turns."""

    open_loop = False

    def __init__(self, scenario: Scenario, crew: Crew, wait: Wait, steering: Steering) -> None:
        self._scenario, self._crew, self._wait, self._steering = scenario, crew, wait, steering
        self._full = True  # the last window
        self._spreads: dict[tuple[int, str, int], float] = {}
        self._time = SoakTime()

    def warm_up_users(self, pass_: Pass) -> int:
        """Users of each arm that the service is warmed up with: those of the top rung."""
        return pass_.steps[-1].concurrency

    def begins_alone(self, pass_: Pass) -> bool:
        """Whether the first rung has other users than the warm-up."""
        return self.warm_up_users(pass_) != pass_.steps[0].concurrency

    def fill(self, rung: Rung, _e2e_s: float) -> list[str]:
        """Have the rung's users; what went wrong."""
        lanes = tuple(Lane(arm=step.arm, step=step) for step in rung)
        self._crew.command("fill", lanes=lanes, users=rung[0].concurrency, firsts=self._crew.firsts())
        if self._crew.users(_users(rung)):
            return []
        return [f"only {self._crew.runner.user_count} of {_users(rung)} users came: look at locust.log"]

    def settle(self, step: Step, e2e_s: float) -> list[str]:
        """One whole request of each user, the first ones spread over the last known E2E."""
        if step.stretch is not None and step.stretch.begin > 0:  # the load is there already, and time goes on
            self._crew.command("settle", spread_s=0.0, firsts=self._crew.firsts())
            return []
        cell = step.cell.name if step.cell else step.workload
        spread = self._spreads.setdefault((step.block, cell, step.concurrency), e2e_s)
        self._crew.command("settle", spread_s=spread, firsts=self._crew.firsts())
        settled = self._steering.unless_cut(self._crew.answered)
        if self._wait(settled, self._scenario.request.timeout + GRACE_S + spread):
            return []
        return ["not every user finished a first request in time: raise [request] timeout or lower the rung"]

    def window(self, step: Step) -> tuple[str, ...]:
        """Open the window and hold it until duration, turns and requests are there; `few` when `max` cut it."""
        if step.stretch is not None:
            self._crew.command("window", turns=0, min_requests=0)
            self._time.begin(step.stretch)
            self._wait(lambda: False, self._time.left_s(step.stretch))
            return ()
        window = self._scenario.window
        self._crew.command("window", turns=window.turns, min_requests=window.min_requests)
        opened = time.monotonic()
        cut = self._steering.cut
        self._wait(self._steering.unless_cut(self._crew.answered), window.max)
        enough = self._crew.answered()
        left_s = min(window.duration, window.max) - (time.monotonic() - opened)
        self._full = not (step.requests is None and self._wait(cut, left_s)) and (enough or not cut())
        self._wait(lambda: cut() or not self._steering.held, self._scenario.limits.max_duration)
        return () if enough or self._crew.answered() else ("few",)

    def held(self, rung: Rung) -> list[str]:
        """What was wrong with the load when the window closed."""
        by_hand = self._steering.faults(self._full)
        if self._crew.runner.user_count == _users(rung):
            return by_hand
        return [*by_hand, f"{self._crew.runner.user_count} users instead of {_users(rung)} at the window's end"]

    def tail(self, rung: Rung) -> None:
        """Close the window; the load is held, or in a soak becomes at once what follows."""
        stretch = rung[0].stretch
        self._crew.command("tail", **({} if stretch is None else {"spread_s": 0.0}))
        if stretch is not None and stretch.then is not None:
            self._crew.users(int(stretch.then))

    def judged(self, _answers: Sequence[Answer]) -> list[str]:
        """What the workers' figures of the whole step say; the mean in flight is judged from the tally."""
        return []


def _users(rung: Rung) -> int:
    return sum(step.concurrency for step in rung)
