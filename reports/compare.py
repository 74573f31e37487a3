"""Pairs judged: one family of Holm, a verdict each, and what all of them together cannot rule out (METRICS). Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from reports.pairs import METRICS, Pairs, over_points
from reports.stats import bounds, holm, mean_interval, p_greater, pairs_needed, smallest_effect, upper_bound
from scenarios.scenario import Scenario

ALPHA = 0.05
FEWEST_PAIRS = 4
THRESHOLD_KEYS = {"ttft_s": "ttft", "tpot_s": "tpot", "e2e_s": "e2e", "good_per_s": "good"}
DEFAULT_THRESHOLD = 0.05
LARGEST = math.log(1000)  # a factor beyond a thousand is printed as a thousand: it says "unknown" and still is a number


def comparisons(pairs: Sequence[Pairs], scenario: Scenario) -> list[dict[str, Any]]:
    """Every comparison of summary.json: those that can prove anything are one family, with a verdict each.

    `worse` and `better` are two one-sided questions, each with a family of its own: the chance of any false `worse` in
    a run is 5 % at most. `p_adjusted` is the one of the direction in which the estimate lies.
    """
    tested = [gates(pair) for pair in pairs]
    family = [pair for pair, gated in zip(pairs, tested, strict=True) if gated]
    worse = iter(holm([p_greater(pair.cost) for pair in family]).tolist())
    better = iter(holm([p_greater([-x for x in pair.cost]) for pair in family]).tolist())
    return [
        _gated(pair, next(worse), next(better), (threshold_of(scenario, pair.metric), len(family)))
        if gated
        else _ungated(pair, (threshold_of(scenario, pair.metric), len(family)))
        for pair, gated in zip(pairs, tested, strict=True)
    ]


def gates(pair: Pairs) -> bool:
    """Whether a comparison can prove anything."""
    return len(pair.values) >= FEWEST_PAIRS and pair.incomparable is None


def threshold_of(scenario: Scenario, metric: str) -> float:
    """The change that matters for a metric."""
    threshold = scenario.compare.threshold
    if isinstance(threshold, float | int):
        return float(threshold)
    return threshold.get(THRESHOLD_KEYS[metric], DEFAULT_THRESHOLD)


Scale = tuple[float, int]  # the threshold, and the number of comparisons in the family


def _gated(pair: Pairs, worse: float, better: float, scale: Scale) -> dict[str, Any]:
    p = worse if np.mean(pair.cost) > 0 else better
    said = str(verdicts(pair.cost, worse, better, scale[0]))
    return {**_known(pair), "gated": True, "verdict": said, **_estimate(pair, scale), "p_adjusted": p}


def _ungated(pair: Pairs, scale: Scale) -> dict[str, Any]:
    known = {**_known(pair), "gated": False, "verdict": "inconclusive"}
    if pair.incomparable is not None or not pair.values:
        why = pair.incomparable or "no block has its pair at every rung"
        return {**known, "ratio": None, "reason": f"not comparable: {why}"}
    return {**known, **_estimate(pair, scale)}


def _known(pair: Pairs) -> dict[str, Any]:
    return {
        "level": pair.level,
        "cell": msgspec.to_builtins(pair.cell),
        "concurrency": pair.concurrency,
        "metric": pair.metric,
        "arms": list(pair.arms),
        "baseline": pair.means[0],
        "candidate": pair.means[1],
        "n_pairs": len(pair.values),
    }


def _estimate(pair: Pairs, scale: Scale) -> dict[str, Any]:
    """The ratio with its interval, the smallest effect that these pairs could have shown, the pairs needed."""
    interval = mean_interval(pair.values)
    figures: dict[str, Any] = {"ratio": math.exp(interval.mean)}
    if interval.low is None or interval.high is None:
        return figures
    threshold, family = scale
    spread, alpha = float(np.std(pair.values, ddof=1)), ALPHA / max(family, 1)
    reach = max(LARGEST, abs(interval.mean))
    return {
        **figures,
        "ci": [math.exp(max(interval.low, -reach)), math.exp(min(interval.high, reach))],
        "mde": math.expm1(min(smallest_effect(spread, len(pair.values), alpha), LARGEST)),
        "pairs_needed": pairs_needed(spread, math.log1p(threshold), alpha),
    }


def verdicts(cost: npt.ArrayLike, worse: npt.ArrayLike, better: npt.ArrayLike, threshold: float) -> npt.NDArray[Any]:
    """Words for log ratios `cost` (last axis: pairs) and their adjusted p-values.

    `worse`: proven and beyond the threshold; `better` mirrored; `same`: the 90 % interval inside the band.
    """
    band = math.log1p(threshold)
    mean = np.asarray(cost, dtype=np.float64).mean(axis=-1)
    low, high = bounds(cost, 0.90)
    said = np.where((-band < low) & (high < band), "same", "inconclusive")
    said = np.where((np.asarray(better) < ALPHA) & (-mean > band), "better", said)
    return np.where((np.asarray(worse) < ALPHA) & (mean > band), "worse", said)


def not_ruled_out(pairs: Sequence[Pairs], scenario: Scenario) -> list[tuple[str, float | None]]:
    """Gated metrics whose mean over all points (cell x rung, and the tasks) cannot rule out the threshold.

    With the upper bound of the change; None when fewer than four blocks hold every point.
    """
    found: list[tuple[str, float | None]] = []
    for arms in dict.fromkeys(pair.arms for pair in pairs):
        for metric in METRICS:
            points = [pair for pair in pairs if _is_point(pair) and (pair.arms, pair.metric) == (arms, metric)]
            if not points:
                continue
            values = over_points(points)[1]
            sign = -1.0 if metric == "good_per_s" else 1.0
            bound = float(upper_bound(sign * np.asarray(values))) if len(values) >= FEWEST_PAIRS else None
            if bound is None or bound > math.log1p(threshold_of(scenario, metric)):
                found.append((metric, None if bound is None else math.expm1(min(bound, LARGEST))))
    return found


def _is_point(pair: Pairs) -> bool:
    """Whether it is one point: the mean over a cell's rungs is not."""
    return gates(pair) and pair.concurrency is not None
