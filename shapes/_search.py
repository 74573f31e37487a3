"""Which load to probe next, given what the probes so far have shown. Pure: evidence in, a load or a pass out.

Up from `start` by doubling until one load is missed; then the middle of where the knee may be; near it the two ends of
what is still open in turn, until each has been seen often enough to be believed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from exporters.files import StepRecord
from exporters.knee import OFTEN, SURE, Bounds, Knee, Probe, find
from exporters.probes import bounds_of, probes_of
from scenarios.scenario import Scenario
from shapes._plan import Pass, Plan, probe_pass, tasks_pass, visits

WIDE_STEPS = 4  # of the tolerance: an interval wider than that is halved
OUTER = 0.8 * (1 - SURE)  # an end is probed a little outside of where it would just be believed
Rounding = Callable[[float], int]
PARTS = 8  # of a step of the tolerance: how finely rates are told apart


def searching(scenario: Scenario, kept: Sequence[StepRecord]) -> Iterator[Pass]:
    """The passes of a run with a search, each decided when it is asked for, by the steps that are kept by then.

    A run that is resumed keeps what it had: the search goes on where it was.
    """
    bounds = bounds_of(scenario)
    for visit in visits(scenario):
        if visit.cell is None:
            assert scenario.tasks is not None, "a visit without a cell is the tasks'"
            tasks = tasks_pass(scenario, scenario.tasks, visit.block, visit.arms)
            if not {step.id for step in tasks.steps} <= {record.step.id.split("-try")[0] for record in kept}:
                yield tasks
            continue
        place = (visit.block, visit.cell, visit.arms[0])
        while (load := next_load(done := probes_of(kept, scenario, place), bounds)) is not None:
            yield probe_pass(scenario, visit, len(done) + 1, load)


def steady(scenario: Scenario) -> Plan:
    """The plan that a search becomes when nothing varies and the knee is in the middle of what is searched."""
    bounds = bounds_of(scenario)
    knee = math.sqrt(bounds.start * bounds.max)
    probes: list[Probe] = []
    while (load := next_load(probes, bounds)) is not None:
        probes.append(Probe(load=load, met=float(load <= knee)))
    return Plan(
        passes=tuple(
            probe_pass(scenario, visit, number, probe.load)
            for visit in visits(scenario)
            if visit.cell is not None
            for number, probe in enumerate(probes, start=1)
        )
    )


def next_load(probes: Sequence[Probe], bounds: Bounds) -> float | None:
    """The load of the next probe; None when the search is over."""
    if not probes:
        return bounds.start
    if find(probes, bounds).state != "open":
        return None
    met = [probe.load for probe in probes if probe.met >= 0.5]
    missed = [probe.load for probe in probes if probe.met < 0.5]
    if not missed:
        return min(max(met) * 2, bounds.max)
    if not met:
        return bounds.start
    return _within(probes, bounds)


def _within(probes: Sequence[Probe], bounds: Bounds) -> float:
    """Between a load that was met and one that was missed: the middle, or the end that was probed less often."""
    knee = Knee(probes, bounds)
    low, high = knee.quantile(OUTER), knee.quantile(1 - OUTER)
    if math.log(high / low) > WIDE_STEPS * math.log1p(bounds.tolerance):
        return _placed(knee.quantile(0.5), bounds, round)
    ends = [_placed(low, bounds, math.ceil), _placed(high, bounds, math.floor)]
    if ends[0] > ends[1]:  # nothing between is open
        ends = [_placed(low, bounds, math.floor), _placed(high, bounds, math.ceil)]
    elif bounds.whole and ends[0] == ends[1] and _count(probes, ends[0]) >= OFTEN * bounds.repeats:
        ends = [max(ends[0] - 1, bounds.start), min(ends[0] + 1, bounds.max)]  # it stays open: it is the knee itself
    return min(ends, key=lambda end: _count(probes, end))


def _count(probes: Sequence[Probe], load: float) -> int:
    return sum(probe.load == load for probe in probes)


def _placed(load: float, bounds: Bounds, rounded: Rounding) -> float:
    """The load on a grid, between `start` and `max`: whole users; rates an eighth of a tolerance apart."""
    step = math.log1p(bounds.tolerance) / PARTS
    on_grid = float(f"{math.exp(rounded(math.log(load) / step) * step):.4g}")
    if bounds.whole:
        on_grid = rounded(load) if load * math.expm1(step) < 1 else rounded(on_grid)
    return min(max(on_grid, bounds.start), bounds.max)
