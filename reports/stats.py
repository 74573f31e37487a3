"""Estimators and tests of METRICS "Statistics". Pure; over the last axis, so that one call serves many comparisons."""

from __future__ import annotations

import math
from functools import cache

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import special, stats

LEVEL = 0.95
TAIL_REQUESTS = 5  # a quantile is printed when this many requests lie beyond it: n (1 - q) >= 5
POWER = 0.8
MOST_PAIRS = 200  # nobody runs more blocks than this

Values = npt.NDArray[np.float64]


def needed(q: float) -> int:
    """Requests that a quantile needs: p50 10, p90 50, p95 100, p99 500."""
    return math.ceil(round(TAIL_REQUESTS / (1 - q), 6))


def quantile(ok: Values, failed: int, q: float) -> float | None:
    """Nearest-rank quantile of sorted `ok` values followed by `failed` infinite ones; infinity where it falls there."""
    count = len(ok) + failed
    if not count:
        return None
    rank = max(0, math.ceil(round(q * count, 9)) - 1)
    return float(ok[rank]) if rank < len(ok) else math.inf


class Interval(msgspec.Struct, frozen=True):
    """A mean with its two-sided interval; None bounds where one value allows none."""

    mean: float
    low: float | None
    high: float | None


def mean_interval(values: npt.ArrayLike, level: float = LEVEL) -> Interval:
    """Student t interval of the mean of independent values (blocks), df = n - 1."""
    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean())
    if len(sample) < 2:
        return Interval(mean, None, None)
    low, high = bounds(sample, level)
    return Interval(mean, float(low), float(high))


def bounds(values: npt.ArrayLike, level: float = LEVEL) -> tuple[Values, Values]:
    """The ends of that interval; two values or more."""
    return -upper_bound(-np.asarray(values), 0.5 + level / 2), upper_bound(values, 0.5 + level / 2)


def upper_bound(values: npt.ArrayLike, level: float = LEVEL) -> Values:
    """One-sided upper bound of a mean (Student t); two values or more."""
    sample = np.asarray(values, dtype=np.float64)
    bound = sample.mean(axis=-1) + stats.t.ppf(level, sample.shape[-1] - 1) * _standard_error(sample)
    return np.asarray(bound, dtype=np.float64)


def holm(p_values: npt.ArrayLike) -> Values:
    """Adjusted p-values of one family, in the given order (Holm 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, axis=-1, kind="stable")
    left = p.shape[-1] - np.arange(p.shape[-1])  # hypotheses not yet rejected
    raised = np.maximum.accumulate(np.take_along_axis(p, order, axis=-1) * left, axis=-1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(raised, 1.0), axis=-1)
    return adjusted


def smallest_effect(sd: float, pairs: int, alpha: float, borrowed: float = 0.0) -> float:
    """Smallest mean log ratio that `pairs` pairs of this spread show with power 0.8 in a one-sided test at alpha.

    `borrowed`: degrees of freedom beyond the pairs' own, from a moderated spread.
    """
    return sd * float(_effects_per_sd(alpha, borrowed)[pairs - 2])


def pairs_needed(sd: float, effect: float, alpha: float, borrowed: float = 0.0) -> int | None:
    """Pairs that would show a log ratio of `effect`; None beyond 200."""
    enough = np.flatnonzero(sd * _effects_per_sd(alpha, borrowed) <= effect)
    return int(enough[0]) + 2 if len(enough) else None


@cache
def _effects_per_sd(alpha: float, borrowed: float) -> Values:
    """delta / sqrt(n) for n = 2 .. 200 pairs, delta = the noncentrality at which the t test has the power.

    Exact: the usual t(1 - alpha) + t(power) in its place has a power of 0.71 at 6 pairs and a family of 68.
    """
    pairs = np.arange(2, MOST_PAIRS + 1)
    freedom = pairs - 1 + borrowed
    noncentrality = special.nctdtrinc(freedom, 1 - POWER, stats.t.isf(alpha, freedom))
    return np.asarray(noncentrality / np.sqrt(pairs), dtype=np.float64)


def share_bounds(hits: int, count: int, level: float = LEVEL) -> tuple[float, float]:
    """Exact one-sided lower and upper bounds of a share (Clopper and Pearson 1934), each at `level`."""
    if not count:
        return 0.0, 1.0
    low = 0.0 if hits == 0 else float(stats.beta.ppf(1 - level, hits, count - hits + 1))
    high = 1.0 if hits == count else float(stats.beta.ppf(level, hits + 1, count - hits))
    return low, high


def _standard_error(sample: Values) -> Values:
    return np.asarray(sample.std(axis=-1, ddof=1) / math.sqrt(sample.shape[-1]), dtype=np.float64)
