"""The conclusive score of a change (METRICS cost 5): one number from 0 to 100 for what it costs against the baseline.

Each part is 50 - 50 ln(candidate / baseline) / ln 1.2, clipped to 0..100: 50 is unchanged, 100 a fifth cheaper. The
score is their weighted mean; parts that were not measured are left out and named. It never outranks a gate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from reports.cost import Costs, candidates
from reports.cost_missing import Missing
from reports.measured import Measured
from reports.score_parts import Arm, Part, parts
from reports.stats import bounds
from reports.waste import Wasted
from scenarios.prices import Cost
from scenarios.scenario import Scenario

WEIGHTS = {"tokens": 1.0, "waste": 1.0, "gpu": 2.0, "energy": 1.0, "people": 1.0}  # where the scenario names none
NEEDED = 0.6  # of the weight, for a score
STEP = math.log(1.2)  # of a ratio, for 50 points


class Weighed(msgspec.Struct, frozen=True):
    """One part of one change: measured, or missing with the way to it."""

    name: str
    weight: float
    found: Part | Missing


def scores(steps: Sequence[Measured], cost: Costs, waste: Wasted, scenario: Scenario) -> list[dict[str, Any]]:
    """Each arm that could be adopted against the baseline; empty without prices, and where nothing can be adopted."""
    if not cost.figures.get("prices"):
        return []
    known = {
        arm: Arm(priced, steps, waste.blocks.get(arm), waste.per_request(arm)) for arm, priced in cost.arms.items()
    }
    baseline, weights = scenario.compare.baseline, (scenario.cost or Cost()).weights
    return [
        score((baseline, arm), parts(known[baseline], known[arm], scenario), weights) for arm in candidates(scenario)
    ]


def score(arms: tuple[str, str], parts: Mapping[str, Part | Missing], weights: Mapping[str, float]) -> dict[str, Any]:
    """One entry of `verdict.scores`; without a score where less than 60 % of the weight was measured."""
    asked = {**WEIGHTS, **weights}
    weighed = [Weighed(name, asked[name], found) for name, found in parts.items() if asked[name] > 0]
    known = [one for one in weighed if isinstance(one.found, Part)]
    whole = sum(one.weight for one in weighed)
    share = sum(one.weight for one in known) / whole if whole else 0.0
    figure = {
        "arms": list(arms),
        "measured_weight": share,
        "parts": [_part(one.name, one.weight, one.found) for one in known if isinstance(one.found, Part)],
        "left_out": [_left_out(one.name, one.weight, one.found) for one in weighed if isinstance(one.found, Missing)],
    }
    if share < NEEDED:
        return figure
    mean = sum(one.weight * points(_ratio(one)) for one in known) / sum(one.weight for one in known)
    interval = _interval(known, mean)
    return {**figure, "score": mean, **({"interval": interval} if interval else {})}


def points(ratio: float) -> float:
    """Points of one part: 50 at 1, 100 at 1 / 1.2, 0 at 1.2; nothing above or below counts."""
    if ratio <= 0:
        return 100.0
    return float(np.clip(50 - 50 * math.log(ratio) / STEP, 0.0, 100.0))


def _ratio(one: Weighed) -> float:
    return one.found.ratio if isinstance(one.found, Part) else math.nan


def _part(name: str, weight: float, part: Part) -> dict[str, Any]:
    figure = {"name": name, "weight": weight, "of": part.of, "baseline": part.baseline, "candidate": part.candidate}
    logs = list(part.logs.values())
    if len(logs) > 1:
        figure["ratio_ci"] = [math.exp(float(end)) for end in bounds(logs)]
    ratio = part.ratio if math.isfinite(part.ratio) else None  # from nothing to something
    return {**figure, "ratio": ratio, "score": points(part.ratio)}


def _left_out(name: str, weight: float, missing: Missing) -> dict[str, Any]:
    return {"name": name, "weight": weight, "why": missing.why, "advice": missing.advice}


def _interval(known: Sequence[Weighed], mean: float) -> list[float] | None:
    """95 % interval over the blocks in which every part that varies was measured; a clipped part varies no more."""
    varying = [one for one in known if isinstance(one.found, Part) and one.found.varies]
    logs = [one.found.logs for one in varying if isinstance(one.found, Part)]
    blocks = set.intersection(*(set(found) for found in logs)) if logs else set()
    if len(blocks) < 2:
        return None
    whole = sum(one.weight for one in known)
    free = [one.weight if 0 < points(_ratio(one)) < 100 else 0.0 for one in varying]
    moved = [
        -50 / STEP * sum(weight * found[block] for weight, found in zip(free, logs, strict=True)) / whole
        for block in sorted(blocks)
    ]
    low, high = (float(end) - float(np.mean(moved)) for end in bounds(moved))
    return [max(mean + low, 0.0), min(mean + high, 100.0)]
