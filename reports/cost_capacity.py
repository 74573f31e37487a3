"""Good requests per second of one replica: the highest rung that meets the SLO, and how far up it may really lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports import figures
from reports.capacity import RungSlo
from reports.cost_missing import Missing, no_capacity
from reports.cost_model import Capacity, Served
from reports.measured import Measured
from reports.stats import bounds
from scenarios.arm_prices import TASKS

Entry = Mapping[str, Any]
Points = dict[float, list[Measured]]  # by load, the steps that count


def task_entries(rungs: Sequence[RungSlo]) -> list[dict[str, Any]]:
    """The tasks' one load as entries of `capacity`: a cell of null."""
    return [
        {
            "arm": rung.arm,
            "cell": None,
            "rung": rung.load if rung.state == "met" else None,
            "next": None,
            "undecided": [rung.load] if rung.state == "undecided" else [],
        }
        for rung in rungs
        if rung.cell is None
    ]


def served_places(
    steps: Sequence[Measured], entries: Sequence[Entry], traffic: Mapping[str, float], replicas: int
) -> tuple[list[Served], list[Missing]]:
    """What carries an arm's traffic, by place; and of which places there is no capacity, with the reason."""
    found, lacking = [], []
    for place, requests in traffic.items():
        points = points_of(steps, place)
        entry = next((one for one in entries if _place(one) == place), None)
        capacity = _capacity(points, entry, replicas) if entry is not None else None
        if capacity is None:
            lacking.append(no_capacity(place, entry))
        elif requests:
            found.append(_served(place, requests, capacity, points[_rung(points, entry or {})]))
    return found, lacking


def points_of(steps: Sequence[Measured], place: str) -> Points:
    """The steps of one place by their load."""
    found: Points = {}
    for step in steps:
        cell = step.record.step.cell
        if (cell.name if cell else TASKS) == place:
            found.setdefault(step.record.step.load, []).append(step)
    return found


def _place(entry: Entry) -> str:
    return f"{entry['cell']['input']}/{entry['cell']['output']}" if entry["cell"] else TASKS


def _rung(points: Points, entry: Entry) -> float:
    """The highest measured load up to the entry's: a search may put its end between two probes."""
    return max(load for load in points if load <= entry["rung"])


def _capacity(points: Points, entry: Entry, replicas: int) -> Capacity | None:
    if entry["rung"] is None or not any(load <= entry["rung"] for load in points):
        return None
    here = points[_rung(points, entry)]
    rate = figures.goodput(here).get("requests")
    if not rate:
        return None
    low, high = _bounds([step.good_per_s for step in here], rate)
    above = [load for load in points if entry["next"] is not None and load >= entry["next"]]
    top = None
    if above:
        beyond = points[min(above)]
        answered = figures.throughput(beyond).get("requests", 0.0)
        top = max(high, _bounds([step.requests_per_s for step in beyond], answered)[1]) / replicas
    return Capacity(rate / replicas, low / replicas, top)


def _bounds(values: Sequence[float | None], pooled: float) -> tuple[float, float]:
    """95 % interval of a rate over its blocks; of one block the rate itself."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return pooled, pooled
    low, high = bounds(known)
    return max(float(low), 0.0), float(high)


def _served(place: str, requests: float, capacity: Capacity, steps: Sequence[Measured]) -> Served:
    first, whole = (figures.latencies(steps).get(metric, {}).get("mean") for metric in ("ttft_s", "e2e_s"))
    return Served(place, requests, steps[0].record.step.load, capacity, first, whole)
