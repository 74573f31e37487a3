"""Estimators and tests of METRICS "Statistics". Pure; scipy where it has them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import stats

LEVEL = 0.95
TAIL_REQUESTS = 5  # a quantile is printed when this many requests lie beyond it: n (1 - q) >= 5
POWER = 0.8

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


def mean_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Student t interval of the mean of independent values (blocks), df = n - 1."""
    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean())
    if len(sample) < 2:
        return Interval(mean, None, None)
    half = float(stats.t.ppf(0.5 + level / 2, len(sample) - 1)) * _standard_error(sample)
    return Interval(mean, mean - half, mean + half)


def p_greater(values: Sequence[float]) -> float:
    """One-sided p of a t test against mean <= 0; values without any spread decide by their sign."""
    sample = np.asarray(values, dtype=np.float64)
    error = _standard_error(sample)
    if error == 0:
        return 0.0 if sample.mean() > 0 else 1.0
    return float(stats.t.sf(sample.mean() / error, len(sample) - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the given order (Holm 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, running = [0.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        running = max(running, (len(p_values) - place) * p_values[index])
        adjusted[index] = min(running, 1.0)
    return adjusted


def upper_bound(values: Sequence[float], level: float = LEVEL) -> float:
    """One-sided upper bound of a mean."""
    sample = np.asarray(values, dtype=np.float64)
    return float(sample.mean()) + float(stats.t.ppf(level, len(sample) - 1)) * _standard_error(sample)


def smallest_effect(sd: float, pairs: int, alpha: float) -> float:
    """Smallest mean of log ratios that `pairs` pairs of this spread show with power 0.8 in a one-sided test at alpha."""
    df = pairs - 1
    return float(stats.t.ppf(1 - alpha, df) + stats.t.ppf(POWER, df)) * sd / math.sqrt(pairs)


def pairs_needed(sd: float, effect: float, alpha: float, most: int = 200) -> int | None:
    """Pairs that would show a log ratio of `effect`; None beyond `most`."""
    return next((n for n in range(2, most + 1) if smallest_effect(sd, n, alpha) <= effect), None)


def share_bounds(hits: int, count: int, level: float = LEVEL) -> tuple[float, float]:
    """Exact one-sided lower and upper bounds of a share (Clopper and Pearson 1934), each at `level`."""
    if not count:
        return 0.0, 1.0
    low = 0.0 if hits == 0 else float(stats.beta.ppf(1 - level, hits, count - hits + 1))
    high = 1.0 if hits == count else float(stats.beta.ppf(level, hits + 1, count - hits))
    return low, high


def _standard_error(sample: Values) -> float:
    return float(sample.std(ddof=1)) / math.sqrt(len(sample)) if len(sample) > 1 else 0.0
