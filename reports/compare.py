"""Pairs judged: one family of Holm, a verdict each, and what all of them together cannot rule out (METRICS). Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from reports.definitions import name_of
from reports.moderated import Spread, p_greater, spreads
from reports.pairs import Pairs, over_points
from reports.stats import bounds, holm, mean_interval, pairs_needed, smallest_effect, upper_bound
from reports.tokenizers import PER_CHARACTER
from scenarios.scenario import Scenario

# A comparison is named worse at 5 %: 1 % of runs of identical arms name one. That keeps a run from passing; to fail it,
# a chance of one in a thousand is asked for: a red run says that something is wrong, not that a hundred runs were made.
ALPHA, FAILS = 0.05, 0.001
FEWEST_PAIRS = 4
THRESHOLD_KEYS = {"ttft_s": "ttft", "tpot_s": "tpot", "e2e_s": "e2e", "good_per_s": "good",
                  PER_CHARACTER: "tpot"}  # fmt: skip
DEFAULT_THRESHOLD = 0.05
MOST_BORROWED = 500.0  # degrees of freedom: more is a normal distribution
LARGEST = math.log(1000)  # a factor beyond a thousand is printed as a thousand: it says "unknown" and still is a number


Values = npt.NDArray[np.float64]


def comparisons(pairs: Sequence[Pairs], scenario: Scenario) -> list[dict[str, Any]]:
    """Every comparison of summary.json: those that can prove anything are one family, with a verdict each.

    `worse` and `better` are two one-sided questions, each with a family of its own: the chance of any false `worse` in
    a run is 5 % at most. `p_adjusted` is the one of the direction in which the estimate lies.
    """
    tested = [gates(pair) for pair in pairs]
    family = [pair for pair, gated in zip(pairs, tested, strict=True) if gated]
    spread = moderated(family)
    worse, better = (iter(p.tolist()) for p in adjusted(family, spread))
    known = iter(spread)
    return [
        _gated(pair, (next(worse), next(better)), Scale(threshold_of(scenario, pair.metric), len(family), next(known)))
        if gated
        else _ungated(pair, Scale(threshold_of(scenario, pair.metric), len(family)))
        for pair, gated in zip(pairs, tested, strict=True)
    ]


class Scale(NamedTuple):
    """What a comparison is held against: the threshold, the size of its family, how much its pairs vary."""

    threshold: float
    family: int
    spread: tuple[float, float] | None = None  # sd and degrees of freedom; None: the pairs' own


def moderated(family: Sequence[Pairs]) -> list[tuple[float, float]]:
    """Sd and degrees of freedom of each comparison, moderated by those of the same arms, metric and level."""
    found: list[tuple[float, float]] = [(0.0, 0.0)] * len(family)
    alike: dict[tuple[object, ...], list[int]] = {}
    for place, pair in enumerate(family):
        alike.setdefault((pair.arms, pair.metric, pair.level), []).append(place)
    for places in alike.values():
        counts = [len(family[place].values) for place in places]
        spread = spreads([np.var(family[place].values, ddof=1) for place in places], counts)
        for place, sd, freedom in zip(places, spread.sd.tolist(), spread.freedom.tolist(), strict=True):
            found[place] = (sd, freedom)
    return found


def adjusted(family: Sequence[Pairs], spread: Sequence[tuple[float, float]]) -> tuple[Values, Values]:
    """Holm's p-values of the family, for `worse` and for `better`."""
    means = np.array([np.mean(pair.cost) for pair in family])
    counts = np.array([len(pair.values) for pair in family])
    sds, freedom = np.array(spread).reshape(-1, 2).T
    known = Spread(sds, freedom)
    return holm(p_greater(means, known, counts)), holm(p_greater(-means, known, counts))


def gates(pair: Pairs) -> bool:
    """Whether a comparison can prove anything."""
    return len(pair.values) >= FEWEST_PAIRS and not (pair.incomparable or pair.held or pair.judged_by)


def threshold_of(scenario: Scenario, metric: str) -> float:
    """The change that matters for a metric."""
    threshold = scenario.compare.threshold
    if isinstance(threshold, float | int):
        return float(threshold)
    return threshold.get(THRESHOLD_KEYS[metric], DEFAULT_THRESHOLD)


def _gated(pair: Pairs, p_values: tuple[float, float], scale: Scale) -> dict[str, Any]:
    worse, better = p_values
    p = worse if np.mean(pair.cost) > 0 else better
    said = str(verdicts(pair.cost, worse, better, scale.threshold))
    seen = {"n_beyond": int(beyond(pair.cost, scale.threshold)), "p_adjusted": p}
    return {**_known(pair), "gated": True, "verdict": said, **_estimate(pair, scale), **seen}


def _ungated(pair: Pairs, scale: Scale) -> dict[str, Any]:
    known = {**_known(pair), "gated": False, "verdict": "inconclusive"}
    if pair.judged_by is not None:
        known["judged_by"] = pair.judged_by
    if pair.incomparable is not None or not pair.values:
        why = pair.incomparable or "no block has its pair at every rung"
        instead = f"; {name_of(pair.judged_by)} is gated in its place" if pair.judged_by else ""
        return {**known, "ratio": None, "reason": f"not comparable: {why}{instead}"}
    if pair.held is not None:
        known["reason"] = f"not proven: {pair.held}"
    if pair.judged_by is not None:
        known["reason"] = f"judged on {name_of(pair.judged_by)}: {pair.warning}"
    return {**known, **_estimate(pair, scale)}


def _known(pair: Pairs) -> dict[str, Any]:
    baseline, candidate = pair.means
    means = {"baseline": baseline, "candidate": candidate}
    return {
        "level": pair.level,
        "cell": msgspec.to_builtins(pair.cell),
        "concurrency": pair.concurrency,
        **({"rate": pair.concurrency} if pair.is_rate and pair.concurrency is not None else {}),
        "metric": pair.metric,
        "arms": list(pair.arms),
        **{side: mean for side, mean in means.items() if mean is not None},
        "n_pairs": len(pair.values),
        **({} if pair.warning is None else {"warning": pair.warning}),
    }


def _estimate(pair: Pairs, scale: Scale) -> dict[str, Any]:
    """The ratio with its interval, the smallest effect that these pairs could have shown, the pairs needed."""
    interval = mean_interval(pair.values)
    figures: dict[str, Any] = {"ratio": math.exp(interval.mean)}
    if interval.low is None or interval.high is None:
        return figures
    pairs, alpha = len(pair.values), ALPHA / max(scale.family, 1)
    sd, freedom = scale.spread or (float(np.std(pair.values, ddof=1)), pairs - 1)
    borrowed = round(min(freedom - (pairs - 1), MOST_BORROWED), 1)
    reach = max(LARGEST, abs(interval.mean))
    return {
        **figures,
        "ci": [math.exp(max(interval.low, -reach)), math.exp(min(interval.high, reach))],
        "mde": math.expm1(min(smallest_effect(sd, pairs, alpha, borrowed), LARGEST)),
        "pairs_needed": pairs_needed(sd, math.log1p(scale.threshold), alpha, borrowed),
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


def beyond(cost: npt.ArrayLike, threshold: float) -> npt.NDArray[Any]:
    """How many log ratios of `cost` (last axis: pairs) exceed the threshold, on the side on which their mean lies."""
    values = np.asarray(cost, dtype=np.float64)
    to_that_side = values * np.sign(values.mean(axis=-1, keepdims=True))
    return np.asarray(np.count_nonzero(to_that_side > math.log1p(threshold), axis=-1))


def proven(p: npt.ArrayLike, n_beyond: npt.ArrayLike, n_pairs: int) -> npt.NDArray[np.bool_]:
    """Whether comparisons named worse or better also fail a run: beyond chance, and pair by pair, one of ten aside.

    A t-test of six pairs trusts a spread that it hardly knows: where one pair is far off, p says too much. That nearly
    every pair is beyond the threshold asks nothing of the distribution.
    """
    return np.asarray((np.asarray(p) < FAILS) & (np.asarray(n_beyond) >= n_pairs - n_pairs // 10))


class Unproven(msgspec.Struct, frozen=True):
    """A gated metric whose mean over all points cannot rule out the threshold, and why."""

    arms: tuple[str, str]
    metric: str
    bound: float | None = None  # upper 95 % bound of the relative change for the worse; None: there is no such mean
    why: str | None = None  # what makes every point incomparable, or keeps it from proving anything


def not_ruled_out(pairs: Sequence[Pairs], scenario: Scenario) -> list[Unproven]:
    """Gated metrics whose mean over all points (cell x rung, and the tasks) cannot rule out the threshold.

    A metric that both arms should have and that is comparable nowhere rules out nothing: an arm that fails more, or
    stops streaming, must not pass because its means were taken out of the gate. What another comparison judges is left
    to that one, which must then rule it out itself.
    """
    points: dict[tuple[tuple[str, str], str], list[Pairs]] = {}
    for pair in pairs:
        if pair.concurrency is not None and pair.judged_by is None:  # the mean over a cell's rungs is no point
            points.setdefault((pair.arms, pair.metric), []).append(pair)
    found = (_unproven(of_metric, threshold_of(scenario, metric)) for (_, metric), of_metric in points.items())
    return [unproven for unproven in found if unproven is not None]


def _unproven(points: Sequence[Pairs], threshold: float) -> Unproven | None:
    arms, metric = points[0].arms, points[0].metric
    comparable = [pair for pair in points if gates(pair)]
    if not comparable:
        whys = (pair.incomparable or pair.held for pair in points)
        return Unproven(arms, metric, why=next((why for why in whys if why), None))
    sign = -1.0 if metric == "good_per_s" else 1.0
    values = sign * np.asarray(over_points(comparable)[1])
    if len(values) < FEWEST_PAIRS:
        return Unproven(arms, metric)
    bound = min(float(upper_bound(values)), LARGEST)
    if bound <= math.log1p(threshold):
        return None
    return Unproven(arms, metric, -math.expm1(-bound) if metric == "good_per_s" else math.expm1(bound))
