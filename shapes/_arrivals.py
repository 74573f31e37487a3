"""When requests are due in open loop, whatever the service does. Pure: one seed, one schedule.

A schedule is computed once, by the master, in seconds from the step's start; worker k of n sends the requests k, k + n,
k + 2n ... of it, so that all workers together send exactly the schedule of one process. It knows block, cell and rate,
not the arm: both arms get the same one, and each block another.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Iterator
from itertools import accumulate, islice, takewhile

import msgspec

from exporters.fleet import Share
from scenarios.scenario import Ladder, Scenario
from scenarios.trace import Trace, nearest

SETTLE_LIVES, SETTLE_SHARE = 3.0, 0.2
LONGEST_SCHEDULE = 20_000_000  # requests: 160 MB of due times


class Schedule(msgspec.Struct, frozen=True):
    """Due times in seconds from the step's start, ascending; `sizes` are input and output tokens, of a trace only."""

    due: array[float]
    sizes: array[int]  # two for each request, or empty

    def within(self, low_s: float, high_s: float) -> int:
        """How many are due in [low, high)."""
        return sum(low_s <= due < high_s for due in self.due)

    def followed_by(self, other: Schedule, at_s: float) -> Schedule:
        """This one up to `at_s`, and from there on the other one, which begins there."""
        here = sum(due < at_s for due in self.due)
        due = self.due[:here] + array("d", (at_s + due for due in other.due))
        return Schedule(due, self.sizes[: 2 * here] + other.sizes)

    def share(self, index: int, count: int) -> Share:
        """What worker `index` of `count` sends: every count-th request."""
        sizes = self.sizes
        if sizes:
            sizes = array("i", [size for i in range(index, len(self.due), count) for size in sizes[2 * i : 2 * i + 2]])
        return Share(due=self.due[index::count].tobytes(), sizes=sizes.tobytes(), first=index, every=count)


def schedule(ladder: Ladder, rate: float, horizon_s: float, key: str, trace: Trace | None = None) -> Schedule:
    """The schedule of a step up to its horizon; `key` is the seed with whatever tells one step from another."""
    draws = random.Random(key)
    if ladder.arrival == "trace":
        assert trace is not None, "a trace ladder brings its trace"
        return replayed(trace, rate, horizon_s, draws)
    due = islice(takewhile(lambda at: at < horizon_s, _times(ladder, rate, draws)), LONGEST_SCHEDULE)
    return Schedule(array("d", due), array("i"))


def spans(scenario: Scenario, rate: float, e2e_s: float) -> tuple[float, float]:
    """Seconds of settle and window: both are known before the step begins.

    Settle: three lives of a request, so that the queue is as it will stay, a fifth of `duration` at least, `max` at
    most. Window: `duration`, longer for `min_requests`, `max` at most. `turns` are the closed loop's.
    """
    window = scenario.window
    settle_s = min(max(SETTLE_LIVES * e2e_s, SETTLE_SHARE * window.duration), window.max)
    return settle_s, min(max(window.duration, window.min_requests / rate), window.max)


def key_of(scenario: Scenario, block: int, cell: str, rate: float, part: float | None = None) -> str:
    """What a schedule is drawn from; each part of a search or a soak has one of its own, also at one rate."""
    return f"{scenario.seed}/arrivals/{block}/{cell}/{rate:g}{'' if part is None else f'/{part:g}'}"


def _times(ladder: Ladder, rate: float, draws: random.Random) -> Iterator[float]:
    """Due times for ever."""
    if ladder.arrival == "constant":  # i / rate, not a sum: no error adds up
        phase = draws.random()
        return ((i + phase) / rate for i in range(1 << 62))
    return accumulate(_for_ever(gap(ladder, rate, draws)))


def gap(ladder: Ladder, rate: float, draws: random.Random) -> Callable[[], float]:
    """Draws the time between two requests: mean 1 / rate, coefficient of variation 1 / sqrt(burstiness) for gamma."""
    if ladder.arrival == "gamma":
        shape = ladder.burstiness
        return lambda: draws.gammavariate(shape, 1 / (shape * rate))
    return lambda: draws.expovariate(rate)


def _for_ever(draw: Callable[[], float]) -> Iterator[float]:
    while True:
        yield draw()


def replayed(trace: Trace, rate: float, horizon_s: float, draws: random.Random) -> Schedule:
    """The trace from a seeded place in it, at `rate` on average: its gaps are stretched alike. It goes round."""
    stretch = trace.rate / rate
    start = draws.random() * trace.cycle_s
    sizes = trace.sizes()
    due, tokens = array("d"), array("i")
    for at, given, made in _round(trace, start):
        if at * stretch >= horizon_s or len(due) >= LONGEST_SCHEDULE:
            break
        due.append(at * stretch)
        tokens.extend((nearest(given, sizes), made))
    return Schedule(due, tokens)


def _round(trace: Trace, start: float) -> Iterator[tuple[float, int, int]]:
    """The trace's requests from `start` on, round and round; seconds from there and both sizes."""
    cycle = 0
    while True:
        for one in trace.arrivals:
            at = cycle * trace.cycle_s + one.at_s - start
            if at >= 0:
                yield at, one.input_tokens, one.output_tokens
        cycle += 1
