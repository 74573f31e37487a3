"""What the probes of a search prove: where the service stops to meet its SLO, and how sure that is. Pure.

A service that meets its SLO at one load in one minute may miss it in the next: one probe is no proof. So the knee C is
a threshold with noise: a probe at load x meets with chance 1 / (1 + exp(-1.7 ln(C / x) / s)), where s is how much the
knee itself varies from probe to probe (in logs). Both are unknown; their posterior, from a flat prior of ln C and of
ln s, says which loads are met or missed with 95 % certainty (as in adaptive psychometric methods: Watson and Pelli
1983). What a probe says counts by how sure it is: 20 good requests of 20 are less than 200 of 200.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

SURE = 0.95  # of each end of the interval
DOUBT = 0.01  # that a probe, however clear, was an accident
SPREADS = np.geomspace(0.01, 0.16, 7)  # s: the noise between probes
BEYOND = math.log(2)  # the knee may lie so far outside of [start, max]
OFTEN = 4  # times `repeats`
MOST_PLACES = 10_000  # of the grid of ln C
LOGISTIC = 1.702  # makes the logistic as wide as a normal distribution with that standard deviation

Values = npt.NDArray[np.float64]
State = Literal["open", "found", "below", "above", "wide", "undecided"]


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a search: where, how closely, and whether loads are whole numbers (users)."""

    start: float
    max: float
    whole: bool
    tolerance: float = 0.05
    repeats: int = 2
    probes: int = 60

    def near(self, one: float, other: float) -> bool:
        """Whether two loads are at most one step of the tolerance apart."""
        return abs(math.log(one / other)) <= math.log1p(self.tolerance) + 1e-9

    def narrow(self, low: float, high: float, probed: Sequence[float]) -> bool:
        """Whether nothing is left to tell apart: within the tolerance, or no whole number between.

        One whole number between that was probed often and is still open is the knee itself: met now and then.
        """
        if self.near(low, high) or (self.whole and high - low <= 1):
            return True
        return self.whole and high - low == 2 and sum(load == low + 1 for load in probed) >= OFTEN * self.repeats


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One probe: its load, the chance that it met the SLO by its requests, and whether it counts."""

    load: float
    met: float  # 0 to 1
    valid: bool = True
    why: str = ""  # an invalid one's reason


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What the probes so far prove.

    `meets` is the highest probed load that is met with 95 % certainty, `misses` the lowest that is missed; `knee` is
    the median of the posterior, [low, high] its 90 % interval, `spread` the noise between probes. `why` says what kept
    an unsuccessful search from its end.
    """

    state: State
    meets: float | None = None
    misses: float | None = None
    knee: float | None = None
    low: float | None = None
    high: float | None = None
    spread: float | None = None
    why: str = ""


class Knee:
    """The posterior of ln C, the noise s integrated out."""

    def __init__(self, probes: Sequence[Probe], bounds: Bounds) -> None:
        self.at = _grid(bounds)
        scores = np.zeros((len(SPREADS), len(self.at)))
        for probe in probes:
            scores += _scores(bounds, probe.load, min(max(probe.met, DOUBT), 1 - DOUBT))
        weights = np.exp(scores - scores.max())
        self._weights: Values = weights.sum(axis=0) / weights.sum()
        self._spreads: Values = weights.sum(axis=1) / weights.sum()

    def at_least(self, load: float) -> float:
        """P(C >= load): that the load is met."""
        return float(self._weights[self.at >= math.log(load) - 1e-12].sum())

    def quantile(self, q: float) -> float:
        """The load below which C lies with this chance."""
        index = int(np.searchsorted(np.cumsum(self._weights), q))
        return math.exp(self.at[min(index, len(self.at) - 1)])

    @property
    def spread(self) -> float:
        """The noise between probes: the geometric mean over its posterior."""
        return math.exp(float(self._spreads @ np.log(SPREADS)))


def chance_met(good: int, sent: int, attain: float) -> float:
    """How sure the requests of a probe make it that the share of good ones is at least `attain`: a mid-p value.

    (P(X <= good) + P(X < good)) / 2 for X of Binomial(sent, attain); without a request nothing is known.
    """
    if not sent:
        return 0.5
    if attain >= 1:
        return 1.0 if good == sent else 0.0
    bad = np.arange(sent - good, sent + 1)
    chances = np.exp(_log_binomial(sent, bad) + bad * math.log1p(-attain) + (sent - bad) * math.log(attain))
    return float(min(1.0, chances.sum() - chances[0] / 2))


def find(probes: Sequence[Probe], bounds: Bounds) -> Finding:
    """What these probes prove, in the order in which they were made."""
    counted = [probe for probe in probes if probe.valid]
    knee = Knee(counted, bounds)
    loads = sorted({probe.load for probe in counted})
    meets = max((load for load in loads if knee.at_least(load) >= SURE), default=None)
    misses = min((load for load in loads if 1 - knee.at_least(load) >= SURE), default=None)
    state, why = _state(probes, bounds, meets, misses)
    if not counted:
        return Finding(state=state, why=why)
    low, middle, high = (knee.quantile(q) for q in (1 - SURE, 0.5, SURE))
    return Finding(
        state=state, meets=meets, misses=misses, knee=middle, low=low, high=high, spread=knee.spread, why=why
    )


def _state(probes: Sequence[Probe], bounds: Bounds, meets: float | None, misses: float | None) -> tuple[State, str]:
    def probed(end: float) -> bool:
        return sum(probe.valid and bounds.near(probe.load, end) for probe in probes) >= bounds.repeats

    invalid = next((probe for probe in probes if not probe.valid), None)
    if invalid is not None:
        return "undecided", f"the probe at {invalid.load:g} stayed invalid: {invalid.why}"
    loads = [probe.load for probe in probes]
    if meets and misses and bounds.narrow(meets, misses, loads) and probed(meets) and probed(misses):
        return "found", ""
    if misses == bounds.start and probed(misses):
        return "below", ""
    if meets == bounds.max and probed(meets):
        return "above", ""
    return ("wide", f"{len(probes)} probes were not enough") if len(probes) >= bounds.probes else ("open", "")


@lru_cache(maxsize=8)
def _grid(bounds: Bounds) -> Values:
    """Where ln C may be, a tenth of a step of the tolerance apart."""
    low, high = math.log(bounds.start) - BEYOND, math.log(bounds.max) + BEYOND
    parts = round(10 * (high - low) / math.log1p(bounds.tolerance))
    return np.linspace(low, high, min(max(parts, 2), MOST_PLACES) + 1)


@lru_cache(maxsize=64)
def _scores(bounds: Bounds, load: float, met: float) -> Values:
    """ln of the chance of one probe's outcome, by noise and place of the knee."""
    chance = 1 / (1 + np.exp(-np.clip(LOGISTIC * (_grid(bounds) - math.log(load)) / SPREADS[:, None], -700, 700)))
    return np.asarray(np.log(met * chance + (1 - met) * (1 - chance)), dtype=np.float64)


def _log_binomial(count: int, of: npt.NDArray[np.int64]) -> Values:
    log_factorial = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, count + 1)))))
    return np.asarray(log_factorial[count] - log_factorial[of] - log_factorial[count - of], dtype=np.float64)
