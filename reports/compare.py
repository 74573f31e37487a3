"""Arms of one run against each other: paired log ratios over blocks, one family of Holm, a verdict each (METRICS)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from reports.measured import Measured
from reports.stats import holm, mean_interval, p_greater, pairs_needed, smallest_effect, upper_bound
from scenarios.scenario import Cell, Scenario

ALPHA = 0.05
FEWEST_PAIRS = 4
FAILURE_POINTS, LENGTH_SHARE = 0.01, 0.02  # beyond these a mean of ok requests is not comparable
METRICS: dict[str, Callable[[Measured], float | None]] = {
    "ttft_s": lambda step: step.mean("ttft_s"),
    "tpot_s": lambda step: step.mean("tpot_s"),
    "e2e_s": lambda step: step.mean("e2e_s"),
    "good_per_s": lambda step: step.good_per_s,
}
THRESHOLD_KEYS = {"ttft_s": "ttft", "tpot_s": "tpot", "e2e_s": "e2e", "good_per_s": "good"}
DEFAULT_THRESHOLD = 0.05

Both = tuple[float, float]  # of the baseline, of the candidate
Key = tuple[str, int, int]  # cell or "tasks", concurrency, block


class Pairs(msgspec.Struct, frozen=True):
    """The log ratios of one comparison, by block."""

    level: str  # cell, rung or tasks
    cell: Cell | None
    concurrency: int | None
    metric: str
    arms: tuple[str, str]  # baseline, candidate
    means: tuple[float, float]  # of the metric, over the pairs
    values: tuple[float, ...]
    incomparable: str | None

    @property
    def cost(self) -> tuple[float, ...]:
        """Log ratios signed so that more is worse."""
        return tuple(-value for value in self.values) if self.metric == "good_per_s" else self.values


def comparisons(steps: Sequence[Measured], scenario: Scenario) -> list[dict[str, Any]]:
    """Every comparison of each other arm with the baseline: cells first, then rungs, then tasks."""
    pairs = list(all_pairs(steps, scenario))
    gated = [pair for pair in pairs if gates(pair)]
    adjusted = dict(zip(map(id, gated), holm([p_greater(pair.cost) for pair in gated]), strict=True))
    better = dict(zip(map(id, gated), holm([p_greater([-x for x in pair.cost]) for pair in gated]), strict=True))
    return [_comparison(pair, adjusted.get(id(pair)), better.get(id(pair)), len(gated), scenario) for pair in pairs]


def gates(pair: Pairs) -> bool:
    """Whether a comparison can prove anything."""
    return len(pair.values) >= FEWEST_PAIRS and pair.incomparable is None


def all_pairs(steps: Sequence[Measured], scenario: Scenario) -> Iterator[Pairs]:
    """Log ratios of every comparison that has at least one pair of valid steps."""
    if len(scenario.arms) < 2:
        return
    baseline = scenario.compare.baseline or next(iter(scenario.arms))
    by_arm = {arm: _valid(steps, arm) for arm in scenario.arms}
    for candidate in (arm for arm in scenario.arms if arm != baseline):
        found = [
            pair
            for metric in METRICS
            for pair in _metric_pairs(by_arm[baseline], by_arm[candidate], metric, (baseline, candidate))
        ]
        yield from sorted(found, key=lambda pair: ("cell", "rung", "tasks").index(pair.level))


def _valid(steps: Sequence[Measured], arm: str) -> dict[Key, Measured]:
    """The step that counts at each point and block: the valid one of its tries."""
    valid = [step for step in steps if step.record.valid and step.record.step.arm == arm]
    return {(_place(step), step.record.step.concurrency, step.record.step.block): step for step in valid}


def _place(step: Measured) -> str:
    return step.record.step.cell.name if step.record.step.cell else "tasks"


def _metric_pairs(
    base: dict[Key, Measured], other: dict[Key, Measured], metric: str, arms: tuple[str, str]
) -> Iterator[Pairs]:
    places: dict[str, dict[int, dict[int, Both]]] = {}
    cells: dict[str, Cell | None] = {}
    for key in sorted(base.keys() & other.keys()):
        before, after = METRICS[metric](base[key]), METRICS[metric](other[key])
        if before and after:
            place, rung, block = key
            places.setdefault(place, {}).setdefault(rung, {})[block] = (before, after)
            cells[place] = base[key].record.step.cell
    for place, rungs in places.items():
        reason = {rung: _incomparable(base, other, place, rung, metric) for rung in rungs}
        if cells[place] is None:
            (rung, blocks), *_ = rungs.items()
            yield Pairs("tasks", None, rung, metric, arms, _means(blocks.values()), _logs(blocks), reason[rung])
            continue
        everything = [both for blocks in rungs.values() for both in blocks.values()]
        worst = next((text for text in reason.values() if text), None)
        yield Pairs("cell", cells[place], None, metric, arms, _means(everything), _block_means(rungs), worst)
        if len(rungs) > 1:  # one rung is the cell: testing it twice would only dilute Holm's family
            for rung, blocks in rungs.items():
                yield Pairs(
                    "rung", cells[place], rung, metric, arms, _means(blocks.values()), _logs(blocks), reason[rung]
                )


def _logs(blocks: dict[int, Both]) -> tuple[float, ...]:
    return tuple(math.log(after / before) for before, after in blocks.values())


def _means(pairs: Iterable[Both]) -> Both:
    before, after = zip(*pairs, strict=True)
    return float(np.mean(before)), float(np.mean(after))


def _block_means(rungs: dict[int, dict[int, Both]]) -> tuple[float, ...]:
    """Per block the mean log ratio over the rungs, of blocks in which every rung has its pair."""
    blocks = sorted(set.intersection(*(set(pairs) for pairs in rungs.values())))
    return tuple(
        float(np.mean([math.log(pairs[block][1] / pairs[block][0]) for pairs in rungs.values()])) for block in blocks
    )


def _incomparable(
    base: dict[Key, Measured], other: dict[Key, Measured], place: str, rung: int, metric: str
) -> str | None:
    """Why means of ok requests may not be compared: more failures, or (E2E) other output lengths."""
    sides = [[step for key, step in arm.items() if key[:2] == (place, rung)] for arm in (base, other)]
    if metric == "good_per_s":
        return None
    failed = [1 - sum(int(step.ok.sum()) for step in side) / max(sum(step.sent for step in side), 1) for side in sides]
    if abs(failed[0] - failed[1]) > FAILURE_POINTS:
        return f"failure shares differ: {failed[0]:.1%} against {failed[1]:.1%}"
    if metric == "e2e_s":
        lengths = [
            float(np.nanmean(np.concatenate([step.columns["output_tokens"][step.ok] for step in side])))
            for side in sides
        ]
        if abs(lengths[1] / lengths[0] - 1) > LENGTH_SHARE:
            return f"output lengths differ: {lengths[0]:.0f} against {lengths[1]:.0f} tokens"
    return None


def threshold_of(scenario: Scenario, metric: str) -> float:
    """The change that matters for a metric."""
    threshold = scenario.compare.threshold
    if isinstance(threshold, float | int):
        return float(threshold)
    return threshold.get(THRESHOLD_KEYS[metric], DEFAULT_THRESHOLD)


def _comparison(
    pair: Pairs, worse: float | None, better: float | None, family: int, scenario: Scenario
) -> dict[str, Any]:
    threshold = threshold_of(scenario, pair.metric)
    figures: dict[str, Any] = {
        "level": pair.level,
        "cell": msgspec.to_builtins(pair.cell),
        "concurrency": pair.concurrency,
        "metric": pair.metric,
        "arms": list(pair.arms),
        "baseline": pair.means[0],
        "candidate": pair.means[1],
        "n_pairs": len(pair.values),
        "gated": worse is not None,
        "verdict": "inconclusive",
    }
    if pair.incomparable is not None or not pair.values:
        return {**figures, "ratio": None, "reason": f"not comparable: {pair.incomparable or 'no pair'}"}
    interval = mean_interval(pair.values)
    figures["ratio"] = math.exp(interval.mean)
    if interval.low is not None and interval.high is not None:
        figures["ci"] = [math.exp(interval.low), math.exp(interval.high)]
        spread = float(np.std(pair.values, ddof=1))
        figures["mde"] = math.expm1(smallest_effect(spread, len(pair.values), ALPHA / max(family, 1)))
        figures["pairs_needed"] = pairs_needed(spread, math.log1p(threshold), ALPHA / max(family, 1))
    if worse is not None and better is not None:
        figures["p_adjusted"] = min(worse, better)
        figures["verdict"] = verdict(pair.cost, worse, better, threshold)
    return figures


def verdict(cost: Sequence[float], worse: float, better: float, threshold: float) -> str:
    """`worse`: proven and beyond the threshold; `same`: the 90 % interval inside the band; else inconclusive."""
    band = math.log1p(threshold)
    mean = float(np.mean(cost))
    if worse < ALPHA and mean > band:
        return "worse"
    if better < ALPHA and -mean > band:
        return "better"
    inner = mean_interval(cost, 0.90)
    inside = inner.low is not None and inner.high is not None and -band < inner.low and inner.high < band
    return "same" if inside else "inconclusive"


def not_ruled_out(pairs: Sequence[Pairs], scenario: Scenario) -> list[tuple[str, float]]:
    """Gated metrics whose mean over all points cannot rule out the threshold, with their upper bound - 1."""
    found = []
    for metric in METRICS:
        points = [pair for pair in pairs if pair.metric == metric and pair.level in ("cell", "tasks") and gates(pair)]
        if not points:
            continue
        blocks = min(len(pair.values) for pair in points)
        bound = upper_bound(np.mean([pair.cost[:blocks] for pair in points], axis=0).tolist())
        if bound > math.log1p(threshold_of(scenario, metric)):
            found.append((metric, math.expm1(bound)))
    return found
