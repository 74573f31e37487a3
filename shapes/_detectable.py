"""The smallest change that a gate could prove, from the number of pairs and of comparisons. Pure, without scipy.

METRICS' noise: a pair's log ratio x_b has sd 2 % for TPOT and E2E, 8 % for TTFT, and 1 % that all cells share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist, fmean
from typing import Any

import msgspec

SHARED_SD = 0.01  # of ln(candidate/baseline), common to all cells of a block
STEADY_SD = math.hypot(0.02, SHARED_SD)  # TPOT, E2E, good requests/s
TTFT_SD = math.hypot(0.08, SHARED_SD)
ALPHA = 0.05  # of all gated comparisons together
POWER = 0.8  # the share of runs in which an effect of this size is found
FEWEST_PAIRS = 4  # fewer pairs are inconclusive whatever they show
CHI_STEPS = 200
NORMAL = NormalDist()
GATED_METRICS = 4  # mean TTFT, TPOT, E2E, good requests/s


class Noise(msgspec.Struct, frozen=True):
    """Standard deviation of a pair's log ratio: of TPOT, E2E and good requests/s, and of TTFT."""

    steady: float = STEADY_SD
    ttft: float = TTFT_SD
    measured: bool = False


def measured_noise(comparisons: Sequence[Mapping[str, Any]]) -> Noise:
    """The noise of a setup, from the comparisons of an A/A run; the usual one where it has none.

    A 95 % interval of the mean of n log ratios is 2 t(0.975, n - 1) sd / sqrt(n) wide.
    """
    sds: dict[str, list[float]] = {"ttft_s": [], "tpot_s": [], "e2e_s": []}
    for one in comparisons:
        if one.get("ci") and one["metric"] in sds and one["n_pairs"] > 1:
            width = math.log(one["ci"][1] / one["ci"][0])
            sds[one["metric"]].append(width * math.sqrt(one["n_pairs"]) / 2 / t_quantile(0.025, one["n_pairs"] - 1))
    steady, ttft = [*sds["tpot_s"], *sds["e2e_s"]], sds["ttft_s"]
    if not steady or not ttft:
        return Noise()
    return Noise(math.sqrt(fmean(sd * sd for sd in steady)), math.sqrt(fmean(sd * sd for sd in ttft)), measured=True)


def smallest_effect(pairs: int, comparisons: int, sd: float, threshold: float) -> float | None:
    """The smallest ratio - 1 that the gate calls `worse` in 80 % of runs; None with too few pairs for a gate.

    `worse` is rejected and above the threshold: the plain t (df = pairs - 1, one-sided) rejects ratio <= 1 at Holm's
    first step, alpha / comparisons, and the mean log ratio exceeds ln(1 + threshold).
    """
    if pairs < FEWEST_PAIRS:
        return None
    critical = t_quantile(ALPHA / comparisons, pairs - 1)
    low, high = 0.0, sd
    while power(high, pairs, sd, (critical, threshold)) < POWER:
        high *= 2
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if power(middle, pairs, sd, (critical, threshold)) < POWER else (low, middle)
    return math.expm1(high)


def power(effect: float, pairs: int, sd: float, gate: tuple[float, float]) -> float:
    """P(mean > max(t s / sqrt(pairs), ln(1 + threshold))) at a true mean log ratio of `effect`; gate = (t, threshold).

    The mean is normal with se = sd / sqrt(pairs), and s / sd is independent of it, chi with df = pairs - 1 over
    sqrt(df): integrated by the midpoint rule.
    """
    critical, threshold = gate
    df, se = pairs - 1, sd / math.sqrt(pairs)
    top = 1 + 6 / math.sqrt(df)  # chi's tail above is below 1e-8
    width = top / CHI_STEPS
    scale = math.log(2) + df / 2 * math.log(df / 2) - math.lgamma(df / 2)
    total = 0.0
    for i in range(CHI_STEPS):
        u = (i + 0.5) * width
        density = math.exp(scale + (df - 1) * math.log(u) - df * u * u / 2)
        bar = max(critical * u * se, math.log1p(threshold))
        total += density * width * NORMAL.cdf((effect - bar) / se)
    return total


def t_quantile(tail: float, df: int) -> float:
    """The t that Student's distribution exceeds with probability `tail` (0 < tail < 0.5), by bisection."""
    low, high = 0.0, 1.0
    while t_tail(high, df) > tail:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if t_tail(middle, df) > tail else (low, middle)
    return high


def t_tail(t: float, df: int) -> float:
    """P(T > t) for t >= 0 and a whole number of degrees of freedom (Abramowitz & Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(df))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = df % 2
    term = cosine if odd else 1.0
    total = term if df > 1 else 0.0
    for k in range(2 + odd, df - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    within = (angle + sine * total) * 2 / math.pi if odd else sine * total
    return (1 - within) / 2
