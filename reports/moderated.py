"""The moderated t of the gate: each comparison's spread is drawn towards that of its metric's other points. Pure.

Six blocks tell a spread with 5 degrees of freedom; fifty points of one metric tell what spreads are like. Empirical
Bayes weighs both (Smyth 2004, "Linear models and empirical Bayes methods", sections 4 and 6): variances are scaled
chi-squared around a prior whose scale s0^2 and degrees of freedom d0 are fitted to the logs of all of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special, stats

NEWTON_STEPS = 30
FEWEST_COMPARISONS = 4
LEAST_SHARE = 1e-5  # of the median variance: a spread of nothing has no logarithm

Values = npt.NDArray[np.float64]


class Prior(NamedTuple):
    """What spreads are like: variance `scale`, worth so many degrees of freedom (infinity: all are the same)."""

    scale: Values
    freedom: Values


class Spread(NamedTuple):
    """How much the log ratios of a comparison vary, and how well that is known: sd and degrees of freedom."""

    sd: Values
    freedom: Values


def spreads(variances: npt.ArrayLike, pairs: npt.ArrayLike) -> Spread:
    """The spreads of several comparisons of one metric (last axis), of so many pairs each, moderated by one another.

    Degrees of freedom are the comparison's own and the prior's, at most those of all comparisons together: blocks are
    shared, and points of one block resemble each other. Fewer than four comparisons are no prior: simulated, two alone
    raise the false alarms of identical arms from 4 to 6 %.
    """
    values = np.asarray(variances, dtype=np.float64)
    own = np.broadcast_to(np.asarray(pairs, dtype=np.float64), values.shape) - 1
    if values.shape[-1] < FEWEST_COMPARISONS or not np.all(np.median(values, axis=-1) > 0):
        return Spread(np.sqrt(values), own)
    found = prior(values, own)
    scale, freedom = found.scale[..., None], found.freedom[..., None]
    with np.errstate(invalid="ignore"):
        shrunk = np.where(np.isinf(freedom), scale, (freedom * scale + own * values) / (freedom + own))
    return Spread(np.sqrt(shrunk), np.minimum(freedom + own, own.sum(axis=-1, keepdims=True)))


def p_greater(mean: npt.ArrayLike, spread: Spread, pairs: npt.ArrayLike) -> Values:
    """One-sided p of a t test against mean <= 0; without any spread the sign decides."""
    means = np.asarray(mean, dtype=np.float64)
    error = spread.sd / np.sqrt(np.asarray(pairs, dtype=np.float64))
    t = np.divide(means, error, out=np.zeros_like(means), where=error > 0)
    return np.where(error > 0, stats.t.sf(t, spread.freedom), np.where(means > 0, 0.0, 1.0))


def prior(variances: Values, own: Values) -> Prior:
    """Fitted to variances (last axis) of so many degrees of freedom each: moments of their logs."""
    least = LEAST_SHARE * np.median(variances, axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        logs = np.log(np.maximum(variances, least)) - special.digamma(own / 2) + np.log(own / 2)
    middle = logs.mean(axis=-1)
    excess = logs.var(axis=-1, ddof=1) - special.polygamma(1, own / 2).mean(axis=-1)
    spread = np.isfinite(excess) & (excess > 0)
    half = inverse_trigamma(np.where(spread, excess, 1.0))
    freedom = np.where(spread, 2 * half, np.inf)
    scale = np.exp(middle + np.where(spread, special.digamma(half) - np.log(half), 0.0))
    return Prior(np.asarray(scale), freedom)


def inverse_trigamma(value: npt.ArrayLike) -> Values:
    """x with trigamma(x) = value > 0: Newton on 1 / trigamma, which is nearly straight (Smyth's appendix)."""
    wanted = np.asarray(value, dtype=np.float64)
    x = 0.5 + 1 / wanted
    for _ in range(NEWTON_STEPS):
        here = special.polygamma(1, x)
        x = x + here * (1 - here / wanted) / special.polygamma(2, x)
    return np.asarray(x, dtype=np.float64)
