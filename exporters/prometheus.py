"""The swarm's own metrics, of a master or of one worker: what the orders and reports that pass there add up to.

They are the messages that the run on disk is made of, so nothing is measured for a scraper, and nothing is done per
chunk or per request here: a report comes once a second at most. There are at most MOST_POINTS points in any run.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from exporters.counts import TASKS, Counted
from exporters.exposition import Distribution, Field, Reading, labels, page
from exporters.fleet import RELEASE, Delta, Order
from exporters.inbox import Account
from exporters.own_process import own_process
from exporters.sample import Step
from exporters.sketch import Sketch
from exporters.swarm_fields import BOUNDS, MASTER, ROWS_RECEIVED, WORKER, WORKERS, WORKERS_EXPECTED, swarm_fields

MOST_POINTS = 110  # the full matrix and the tasks on two arms; a search that goes on is counted at OTHER
OTHER = "other"
FRESH_S = 5.0  # a lag in a report older than this is no longer the present one
STEPPING = ("fill", "settle", "window", "tail")
TOKENS = {
    "input": "input_tokens",
    "cached": "cached_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
}


class Point(NamedTuple):
    """Where a request was counted: the labels of counters and gauges."""

    arm: str
    cell: str
    rung: str

    @property
    def labels(self) -> str:
        """As they stand on the page."""
        return labels(arm=self.arm, cell=self.cell, rung=self.rung)


class Lag(NamedTuple):
    """The lags in a worker's last report."""

    heard_s: float
    by_point: dict[Point, tuple[float | None, float | None]]  # read, schedule


class SwarmMetrics:
    """The metrics of one process.

    `side` is MASTER or WORKER, `users` tells how many there are now, `fleet` what else is known of the workers.
    """

    def __init__(self, side: str, users: Callable[[], int], fleet: Callable[[], Iterable[Reading]]) -> None:
        self._fields, self._users, self._fleet = swarm_fields(side), users, fleet
        self._started_s = time.time()
        self._order = Order(seq=0, phase="idle")
        self._begin(None)

    def _begin(self, run: dict[str, Any] | None) -> None:
        """A run begins: nothing of an earlier one counts."""
        self._run = run or {}
        self._steps: dict[str, Step] = {}
        self._outcomes: dict[Point, Counter[str]] = {}
        self._tokens: dict[Point, Counter[str]] = {}
        self._sketches: dict[str, dict[str, Sketch]] = {}  # by arm, by name
        self._lags: dict[str, Lag] = {}  # by worker

    # -- what passes

    def ordered(self, order: Order) -> None:
        """An order was given: where the swarm is."""
        if order.run is not None and order.run["id"] != self._run.get("id"):
            self._begin(order.run)
        if order.phase != "ping":
            self._order = order
        self._steps |= {lane.step.id: lane.step for lane in order.lanes if lane.step is not None}

    def reported(self, delta: Delta) -> None:
        """A report was sent or has come: what its requests add up to."""
        lags: dict[Point, tuple[float | None, float | None]] = {}
        for part in delta.counts:
            point = self._counted_at(part)
            self._outcomes.setdefault(point, Counter()).update(part.outcomes)
            used = {kind: told for kind, name in TOKENS.items() if (told := getattr(part, name)) is not None}
            self._tokens.setdefault(point, Counter()).update(used)
            lags[point] = part.read_lag_s, part.schedule_lag_s
        self._lags[delta.worker] = Lag(time.monotonic(), lags)
        for step_id, tally in delta.tally.items():
            if step_id in self._steps:
                self._merge(self._steps[step_id].arm, tally)

    def _counted_at(self, part: Counted) -> Point:
        step = self._steps.get(part.step or "")
        load = part.users if step is None else step.load
        point = Point(part.arm, part.cell, _rung(load))
        if point in self._outcomes or len(self._outcomes) < MOST_POINTS:
            return point
        return Point(part.arm, OTHER, OTHER)

    def _merge(self, arm: str, tally: Mapping[str, Any]) -> None:
        ours = self._sketches.setdefault(arm, {name: Sketch() for name in BOUNDS})
        for name, sketch in ours.items():
            sketch.merge_packed(tally[name])

    # -- the page

    def page(self) -> bytes:
        """What is known now."""
        return page(
            chain(
                self._counts(), self._latencies(), self._present(), self._lagging(), self._infos(), self._fleet(),
                own_process(self._started_s),
            )
        )  # fmt: skip

    def _counts(self) -> Iterator[Reading]:
        for point, outcomes in self._outcomes.items():
            named = point.labels
            for outcome, count in outcomes.items():
                yield self._fields.requests, f'{named},outcome="{outcome}"', count
            for kind, count in self._tokens[point].items():
                yield self._fields.tokens, f'{named},type="{kind}"', count

    def _latencies(self) -> Iterator[tuple[Field, str, Distribution]]:
        for arm, sketches in self._sketches.items():
            for name, sketch in sketches.items():
                found = Distribution(BOUNDS[name], sketch.at_most(BOUNDS[name]), sketch.count, sketch.sum)
                yield getattr(self._fields, name), labels(arm=arm), found

    def _present(self) -> Iterator[Reading]:
        """Users and steps of the lanes; users take the lanes in turn."""
        order, users = self._order, self._users()
        yield self._fields.phase, labels(phase=order.phase), 1
        for index, lane in enumerate(order.lanes):
            point = Point(lane.arm, _cell(order), _rung(lane.step.load if lane.step else order.users or None))
            share, more = divmod(users, len(order.lanes))
            yield self._fields.users, point.labels, share + (index < more)
            if not order.open_loop:
                yield self._fields.users_target, point.labels, 0 if order.phase == "drain" else order.users
            if lane.step is not None and order.phase in STEPPING:
                yield self._fields.step, f"{point.labels},{labels(step=lane.step.id, block=str(order.block))}", 1

    def _lagging(self) -> Iterator[Reading]:
        """The worst of the workers' last reports."""
        worst: dict[tuple[Field, Point], float] = {}
        for lag in self._lags.values():
            for point, both in lag.by_point.items() if time.monotonic() - lag.heard_s <= FRESH_S else ():
                for field, value in zip((self._fields.read_lag, self._fields.schedule_lag), both, strict=True):
                    if value is not None:
                        worst[field, point] = max(worst.get((field, point), 0.0), value)
        for (field, point), value in worst.items():
            yield field, point.labels, value

    def _infos(self) -> Iterator[Reading]:
        if not self._run:
            return
        scenario = self._run.get("scenario", {})
        told = {"run": self._run["id"], "scenario": scenario.get("name", ""), "version": RELEASE}
        yield self._fields.run, labels(**told), 1
        for name, arm in scenario.get("arms", {}).items():
            yield self._fields.arm, labels(arm=name, api=arm["api"], model=_model(arm["model"])), 1


def _rung(load: float | None) -> str:
    """A load as a label: users at once, or requests per second; nothing for a warm-up in open loop."""
    return "" if load is None else f"{load:.12g}"


def _cell(order: Order) -> str:
    return TASKS if order.cell is None else order.cell.name


def _model(model: str | list[dict[str, Any]]) -> str:
    return model if isinstance(model, str) else " ".join(one["model"] for one in model)


def of_workers(accounts: Mapping[str, Account], present: int, expected: int) -> Iterator[Reading]:
    """What a master knows of its workers: who is there, whose rows have come, when each was last heard."""
    fields, epoch_s = swarm_fields(MASTER), time.time() - time.monotonic()
    yield WORKERS, "", present
    yield WORKERS_EXPECTED, "", expected
    for worker, account in accounts.items():
        named = labels(worker=worker)
        yield fields.rows_sent, named, account.rows_sent
        yield ROWS_RECEIVED, named, account.rows_received
        yield fields.last_report, named, epoch_s + account.heard_s


def of_itself(rows_sent: int, reported_s: float | None) -> Iterator[Reading]:
    """What a worker knows of itself: rows that it has sent, and when it last did."""
    fields = swarm_fields(WORKER)
    yield fields.rows_sent, "", rows_sent
    if reported_s is not None:
        yield fields.last_report, "", reported_s
