"""Pairs: the same point of the same block on two arms, as log ratios by block. Data only; `compare` judges them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
import numpy as np

from reports.measured import Measured, counting
from reports.tokenizers import PER_CHARACTER, PER_TOKEN, Difference, difference
from scenarios.scenario import Cell, Scenario

FAILURE_POINTS, LENGTH_SHARE = 0.01, 0.02  # beyond these a mean of ok requests is not comparable
ROUNDING = 1e-9  # 1 - 198 / 200 is a little more than 0.01
METRICS: dict[str, Callable[[Measured], float | None]] = {
    "ttft_s": lambda step: step.mean("ttft_s"),
    "tpot_s": lambda step: step.mean("tpot_s"),
    PER_CHARACTER: lambda step: step.s_per_1k_chars,
    "e2e_s": lambda step: step.mean("e2e_s"),
    "good_per_s": lambda step: step.good_per_s,
}
LEVELS = ("cell", "rung", "tasks")

Both = tuple[Measured, Measured]  # of the baseline, of the candidate
Blocks = dict[int, Both]
Means = tuple[float | None, float | None]


class Between(msgspec.Struct, frozen=True):
    """Two arms, and how their tokenizers differ where they do."""

    arms: tuple[str, str]
    tokenizers: Difference | None = None

    @property
    def metrics(self) -> list[str]:
        """What is compared: a time per character only where tokens cannot be."""
        return [metric for metric in METRICS if metric != PER_CHARACTER or self.tokenizers]


class Pairs(msgspec.Struct, frozen=True, kw_only=True):
    """The log ratios candidate / baseline of one comparison, one per block."""

    level: str
    cell: Cell | None
    concurrency: float | None  # users, or requests per second; None: the mean over the cell's rungs
    metric: str
    arms: tuple[str, str]
    means: Means  # of the metric, over the pairs; None on an arm that never had it
    values: tuple[float, ...]
    blocks: tuple[int, ...]
    incomparable: str | None = None
    is_rate: bool = False  # the rung is a rate
    held: str | None = None  # why these pairs, though comparable, prove nothing
    judged_by: str | None = None  # the metric, or "tasks", that is gated in their place
    warning: str | None = None  # what to know when reading it, though it may be gated

    @property
    def cost(self) -> tuple[float, ...]:
        """Log ratios signed so that more is worse."""
        return tuple(-value for value in self.values) if self.metric == "good_per_s" else self.values


def all_pairs(steps: Sequence[Measured], scenario: Scenario) -> list[Pairs]:
    """Every comparison of another arm with the baseline that has a pair: per arm its cells, then rungs, then tasks."""
    if len(scenario.arms) < 2:
        return []
    baseline = scenario.compare.baseline or next(iter(scenario.arms))
    by_arm: dict[str, dict[tuple[object, ...], Measured]] = {arm: {} for arm in scenario.arms}
    for step in counting(steps):
        by_arm[step.record.step.arm][(*step.point[1:], step.record.step.block)] = step
    found: list[Pairs] = []
    for candidate in (arm for arm in scenario.arms if arm != baseline):
        base, other, arms = by_arm[baseline], by_arm[candidate], (baseline, candidate)
        both = [(step, other[place]) for place, step in base.items() if place in other]
        between = Between(arms, difference(base.values(), other.values(), arms))
        pairs = [pair for metric in between.metrics for pair in _of_metric(both, metric, between)]
        found += sorted(_per_character(pairs, between), key=lambda pair: LEVELS.index(pair.level))
    return found


def _per_character(pairs: Sequence[Pairs], between: Between) -> list[Pairs]:
    """The pairs; where there is a time per character it judges in place of a time per token that is not comparable.

    Good requests/s stay in the gate, since failures and limits show nowhere else; those of forced lengths warn.
    """
    if between.tokenizers is None:
        return list(pairs)
    instead = {(pair.level, pair.cell, pair.concurrency) for pair in pairs if pair.metric == PER_CHARACTER}
    unequal = f"{between.tokenizers.text}: replies of equal token counts are not equally long texts"
    found = []
    for pair in pairs:
        here, changes = (pair.level, pair.cell, pair.concurrency) in instead, {}
        if here and pair.metric in PER_TOKEN and pair.incomparable:
            changes = {"judged_by": PER_CHARACTER}
        elif here and pair.metric == "good_per_s" and pair.cell is not None:
            changes = {"warning": unequal}
        found.append(msgspec.structs.replace(pair, **changes))
    return found


def _of_metric(both: Iterable[Both], metric: str, between: Between) -> Iterator[Pairs]:
    """Level 1, the cells with their rungs averaged, and level 2, the rungs; one rung is the cell itself."""
    places: dict[Cell | None, dict[float, Blocks]] = {}
    for pair in both:
        step = pair[0].record.step
        places.setdefault(step.cell, {}).setdefault(step.load, {})[step.block] = pair
    for cell, rungs in places.items():
        found = [_point(cell, rung, rungs[rung], metric, between) for rung in sorted(rungs)]
        points = [point for point in found if point is not None]
        if cell is None:
            yield from (msgspec.structs.replace(point, level="tasks") for point in points)
        elif len(points) == 1:  # testing it twice would only dilute Holm's family
            yield msgspec.structs.replace(points[0], level="cell")
        elif points:
            yield _cell(points)
            yield from points


def measures(pair: Both, metric: str) -> tuple[float, float] | None:
    """A metric of both steps of a pair; None when one has none (or neither a good request).

    No good request counts as half a one in the window: zero has no logarithm, and an arm that answers nothing must not
    escape its comparison.
    """
    before, after = (METRICS[metric](step) for step in pair)
    if metric == "good_per_s" and before != after:
        before, after = (METRICS[metric](step) or 0.5 / (step.record.window_s or 1.0) for step in pair)
    return (before, after) if before and after else None


def _point(cell: Cell | None, rung: float, blocks: Blocks, metric: str, between: Between) -> Pairs | None:
    """One point; None when neither arm ever had the metric. What only one arm has is there, and not comparable."""
    known = {block: values for block in sorted(blocks) if (values := measures(blocks[block], metric)) is not None}
    alone = None if known else _alone(list(blocks.values()), metric, between.arms)
    if not known and alone is None:
        return None
    step = next(iter(blocks.values()))[0].record.step
    return Pairs(
        level="rung",
        is_rate=step.rate is not None,
        cell=cell,
        concurrency=rung,
        metric=metric,
        arms=between.arms,
        means=_means(
            list(known.values()) or [tuple(METRICS[metric](step) for step in pair) for pair in blocks.values()]
        ),
        values=tuple(math.log(after / before) for before, after in known.values()),
        blocks=tuple(known),
        incomparable=_incomparable(list(blocks.values()), metric, between.tokenizers) or alone,
    )


def _alone(pairs: Sequence[Both], metric: str, arms: tuple[str, str]) -> str | None:
    """Why no pair has the metric on both arms, though one has it: a service that no longer streams has no TTFT."""
    having = [arm for arm, side in zip(arms, zip(*pairs, strict=True), strict=True) if any(map(METRICS[metric], side))]
    if not having:
        return None
    return "no block has it on both arms" if len(having) > 1 else f"only {having[0]} has it"


def _means(pairs: Sequence[tuple[float | None, ...]]) -> Means:
    """Per arm the mean of what is known."""
    before, after = ([value for value in side if value is not None] for side in zip(*pairs, strict=True))
    return float(np.mean(before)) if before else None, float(np.mean(after)) if after else None


def _cell(rungs: Sequence[Pairs]) -> Pairs:
    """Per block the mean log ratio over the rungs, of blocks in which every rung has its pair."""
    blocks, values = over_points(rungs)
    return msgspec.structs.replace(
        rungs[0],
        level="cell",
        concurrency=None,
        means=_means([rung.means for rung in rungs]),
        values=values,
        blocks=blocks,
        incomparable=next((rung.incomparable for rung in rungs if rung.incomparable), None),
    )


def over_points(points: Sequence[Pairs]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The blocks in which every point has its pair, and for each the mean of its log ratios over the points."""
    by_block = [dict(zip(point.blocks, point.values, strict=True)) for point in points]
    blocks = tuple(sorted(set.intersection(*(set(values) for values in by_block))))
    return blocks, tuple(float(np.mean([values[block] for values in by_block])) for block in blocks)


def _incomparable(pairs: Sequence[Both], metric: str, tokenizers: Difference | None) -> str | None:
    """Why means of ok requests may not be compared: more failures, other tokens, or (E2E) other output lengths."""
    if metric == "good_per_s":
        return None
    sides = list(zip(*pairs, strict=True))
    before, after = (1 - sum(int(s.ok.sum()) for s in side) / sum(s.sent for s in side) for side in sides)
    if abs(after - before) > FAILURE_POINTS + ROUNDING:
        return f"failure shares differ: {before:.1%} against {after:.1%}"
    if metric == "e2e_s":
        return _other_lengths(pairs, tokenizers)
    return tokenizers.text if tokenizers and metric == "tpot_s" else None


def _other_lengths(pairs: Sequence[Both], tokenizers: Difference | None) -> str | None:
    """Why E2E is that of unequal replies: their lengths in tokens or, with two tokenizers, in characters.

    There, an equal number of tokens that was forced is no equal text.
    """
    column, unit = ("output_chars", "characters") if tokenizers else ("output_tokens", "tokens")
    sides = list(zip(*pairs, strict=True))
    if tokenizers and pairs[0][0].record.step.cell is not None and any(_mean_length(s, "output_tokens") for s in sides):
        return tokenizers.text
    before, after = (_mean_length(side, column) for side in sides)
    if not before or not after or abs(after / before - 1) <= LENGTH_SHARE + ROUNDING:
        return None
    return f"output lengths differ: {before:.1f} against {after:.1f} {unit}"


def _mean_length(side: Sequence[Measured], column: str) -> float | None:
    """Mean output of the ok requests; None where nobody counted."""
    lengths = np.concatenate([step.columns[column][step.ok] for step in side])
    lengths = lengths[~np.isnan(lengths)]
    return float(lengths.mean()) if len(lengths) else None
