"""How a service scales over its replicas: what each replica of an arm carries against one of the smallest arm.

Efficiency = (capacity / replicas) of an arm / (capacity / replicas) of the arm with the fewest; without a search,
of the ok requests per second at the same load per replica. 1 is perfect; intervals are of the mean over blocks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reports.measured import Measured, counting
from reports.search import knee_ratio
from reports.stats import mean_interval
from scenarios.scenario import Cell, Scenario


def scaling(steps: Sequence[Measured], searched: Sequence[dict[str, Any]], scenario: Scenario) -> list[dict[str, Any]]:
    """One entry for each cell (and load per replica), arms by their replicas; empty when all have the same number."""
    arms = sorted(scenario.arms, key=lambda arm: scenario.arms[arm].replicas)
    counts = {arm: scenario.arms[arm].replicas for arm in arms}
    if len(set(counts.values())) < 2:
        return []
    if searched:
        return _of_searches(searched, counts)
    planned = [step for step in counting(steps) if step.record.step.cell is not None and step.requests_per_s]
    entries = []
    for cell in scenario.matrix.cells:
        here = [step for step in planned if step.record.step.cell == cell]
        loads = sorted({step.record.step.load / counts[step.record.step.arm] for step in here})
        entries += [_at_load(here, cell, load, counts) for load in loads]
    return [entry for entry in entries if len(entry["arms"]) > 1]


def _at_load(steps: Sequence[Measured], cell: Cell, load: float, counts: Mapping[str, int]) -> dict[str, Any]:
    """Ok requests per second and replica, by arm and block, at one load per replica."""
    by_arm: dict[str, dict[int, float]] = {}
    for step in steps:
        arm = step.record.step.arm
        if math.isclose(step.record.step.load / counts[arm], load):
            by_arm.setdefault(arm, {})[step.record.step.block] = (step.requests_per_s or 0.0) / counts[arm]
    entry = {"cell": msgspec.to_builtins(cell), "basis": "throughput", "load_per_replica": load}
    return {**entry, "arms": _efficiencies({arm: by_arm[arm] for arm in counts if arm in by_arm}, counts)}


def _of_searches(searched: Sequence[dict[str, Any]], counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Capacities per replica, of the searches that found one."""
    cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in searched:
        cells.setdefault((one["cell"]["input"], one["cell"]["output"]), []).append(one)
    return [entry for found in cells.values() if len((entry := _of_cell(found, counts))["arms"]) > 1]


def _of_cell(searched: Sequence[dict[str, Any]], counts: Mapping[str, int]) -> dict[str, Any]:
    found = {one["arm"]: one for one in searched if one["state"] == "found"}
    arms = [arm for arm in counts if arm in found]
    rows = [_searched(found[arm], found[arms[0]], counts[arm] / counts[arms[0]]) for arm in arms]
    whole = [{**row, "replicas": counts[row["arm"]]} for row in rows if row]
    return {"cell": searched[0]["cell"], "basis": "search", "arms": whole}


def _searched(entry: dict[str, Any], first: dict[str, Any], times: float) -> dict[str, Any]:
    """An arm of `times` as many replicas as the first one; nothing when no block has both."""
    known: dict[str, Any] = {"arm": entry["arm"], "value": entry["knee"]}
    if entry is first:
        return {**known, "efficiency": 1.0, "n_pairs": len(entry["blocks"])}
    ratio = knee_ratio(entry, first)
    if ratio is None:
        return {}
    ci = [end / times for end in ratio["ci"]]
    return {
        **known,
        "efficiency": ratio["ratio"] / times,
        "n_pairs": ratio["n_pairs"],
        "ci": ci,
        "ci_from": ratio["ci_from"],
    }


def _efficiencies(by_arm: Mapping[str, Mapping[int, float]], counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """What each arm carries in all, and per replica against the first, over the blocks that both have."""
    rows: list[dict[str, Any]] = []
    for arm, values in by_arm.items():
        mean = math.exp(sum(map(math.log, values.values())) / len(values))
        row: dict[str, Any] = {"arm": arm, "replicas": counts[arm], "value": mean * counts[arm]}
        first = by_arm[rows[0]["arm"]] if rows else values
        pairs = [math.log(values[block] / first[block]) for block in values if block in first]
        if pairs:
            interval = mean_interval(pairs)
            row |= {"efficiency": math.exp(interval.mean), "n_pairs": len(pairs)}
            if rows and interval.low is not None and interval.high is not None:
                row |= {"ci": [math.exp(interval.low), math.exp(interval.high)], "ci_from": "blocks"}
            rows.append(row)
    return rows
