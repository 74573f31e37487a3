"""When a service is well again after something was done to it, and whether it drifts. Pure: requests in, figures out.

Time is cut into bins that hold some `PER_BIN` requests. A bin is ill when its requests prove (one-sided, 95 %) that
fewer are good than must be. Where no limit is set it is ill when fewer are ok than before (99.9 %: a level that was
met exactly is at the edge of every test), or when its mean E2E is above the median of the bins before by four robust
standard deviations. A bin without any request is ill: bins are long enough to have some.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import stats

PER_BIN, SHORTEST_BIN_S = 20, 0.5
ROBUST_SDS, LEAST_SD = 4.0, 0.01  # of the reference's median: bins that agree to the last digit allow no less
LEAST_REFERENCE = 10  # bins
SURE_OF_LIMIT, SURE_OF_CHANGE = 0.95, 0.999
LEVEL_BLOCKS, DRIFT_BLOCKS = 6, 10

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
State = Literal["unaffected", "recovered", "not recovered", "ill before", "too short"]


class Requests(msgspec.Struct, frozen=True):
    """The requests of a soak in the order in which they were sent, `at` seconds after its beginning, until `end`."""

    at: Values
    end: Values
    ok: Flags
    good: Flags
    ttft_s: Values
    tpot_s: Values
    e2e_s: Values

    def calm(self, when: float) -> float:
        """The time up to which all that was sent had ended by `when`: what came then has touched none of it."""
        touched = self.at[(self.at < when) & (self.end > when)]
        return float(touched.min()) if len(touched) else when

    def touched(self, begin: float, end: float) -> Flags:
        """Which were sent before `end` and had not ended by `begin`."""
        return np.asarray((self.at < end) & (self.end > begin), dtype=np.bool_)


class Bins(msgspec.Struct, frozen=True):
    """What the requests add up to in each bin; `e2e_s` is the mean of the ok ones, NaN without any."""

    width: float
    sent: Values
    ok: Values
    good: Values
    e2e_s: Values


class Recovery(msgspec.Struct, frozen=True):
    """What became of the service after something that was done to it; `seconds` to the bin from which it is well."""

    state: State
    seconds: float | None = None
    relapses: int = 0  # ill bins after it was well again


def bin_width(per_second: float, hold: float) -> float:
    """Seconds of a bin that holds about 20 requests in quiet times; at most half of what a recovery must hold for."""
    wanted = PER_BIN / per_second if per_second > 0 else hold / 2
    return min(max(SHORTEST_BIN_S, math.ceil(wanted * 10) / 10), hold / 2)


def binned(requests: Requests, width: float, end: float) -> Bins:
    """The whole bins of a soak that lasted until `end`."""
    count = max(int(end / width + 1e-9), 0)
    place = (requests.at / width).astype(int)
    inside = (requests.at >= 0) & (place < count)

    def added(weights: npt.NDArray[np.generic]) -> Values:
        return np.asarray(np.bincount(place[inside], weights[inside].astype(float), count), dtype=np.float64)

    timed = requests.ok & ~np.isnan(requests.e2e_s)
    total, known = added(np.where(timed, requests.e2e_s, 0.0)), added(timed)
    return Bins(
        width=width,
        sent=added(np.ones(len(requests.at))),
        ok=added(requests.ok),
        good=added(requests.good),
        e2e_s=np.divide(total, known, out=np.full(count, np.nan), where=known > 0),
    )


def ill(bins: Bins, attain: float | None, reference: slice) -> Flags | None:
    """Which bins are ill; `attain` None: no limit is set. None when the reference has too few bins to tell."""
    if attain is not None:
        return _fewer(bins.good, bins.sent, attain, SURE_OF_LIMIT)
    before = bins.e2e_s[reference][~np.isnan(bins.e2e_s[reference])]
    if len(before) < LEAST_REFERENCE:
        return None
    middle = float(np.median(before))
    spread = max(1.4826 * float(np.median(np.abs(before - middle))), LEAST_SD * middle)
    share = float(bins.ok[reference].sum() / bins.sent[reference].sum())
    slow = bins.e2e_s > middle + ROBUST_SDS * spread
    return np.asarray(_fewer(bins.ok, bins.sent, share, SURE_OF_CHANGE) | slow, dtype=np.bool_)


def _fewer(hits: Values, sent: Values, share: float, sure: float) -> Flags:
    """Bins whose upper bound of the share (Clopper and Pearson) is below it, and those without a request."""
    with np.errstate(invalid="ignore"):
        high = np.where(hits >= sent, 1.0, stats.beta.ppf(sure, hits + 1, sent - hits))
    return np.asarray((sent == 0) | (high < share), dtype=np.bool_)


def recovery(flags: Flags, width: float, span: tuple[float, float], hold: float, was_well: bool = True) -> Recovery:
    """When it was well again after the span's beginning: the first of bins that are all well for `hold`, in the span.

    An illness that begins later than `hold` after it is another's. The time is uncertain by a bin. `was_well` False:
    it was made ill before, as at the end of a spike.
    """
    at, until = span
    first, last, needed = int(at / width), min(int(until / width + 1e-9), len(flags)), math.ceil(hold / width - 1e-9)
    if last - first < needed:
        return Recovery("too short")
    if was_well and first and flags[max(first - needed, 0) : first].mean() > 0.5:
        return Recovery("ill before")
    begun = next((place for place in range(first, min(first + needed, last)) if flags[place]), None)
    if begun is None:
        return Recovery("unaffected", relapses=int(flags[first:last].sum()))
    for place in range(begun + 1, last - needed + 1):
        if not flags[place : place + needed].any():
            return Recovery("recovered", max(place * width - at, 0.0), int(flags[place:last].sum()))
    return Recovery("not recovered")


class Change(msgspec.Struct, frozen=True):
    """A ratio (after / before, or per hour) with its two-sided 95 % interval."""

    ratio: float
    low: float
    high: float


def level(before: Sequence[float] | Values, after: Sequence[float] | Values) -> Change | None:
    """Values after against before, both in the order of their times: Welch's interval of ln of block means.

    Neighbours resemble one another, so six blocks of each side count as its sample; None with fewer values than that.
    """
    if min(len(before), len(after)) < LEVEL_BLOCKS:
        return None
    sides = [np.log(_block_means(np.asarray(side, dtype=float), LEVEL_BLOCKS)) for side in (after, before)]
    found = stats.ttest_ind(*sides, equal_var=False).confidence_interval(0.95)
    middle = float(sides[0].mean() - sides[1].mean())
    if not math.isfinite(found.low):  # no spread at all
        return Change(math.exp(middle), math.exp(middle), math.exp(middle))
    return Change(math.exp(middle), math.exp(found.low), math.exp(found.high))


def drift(at: Values, values: Values) -> Change | None:
    """By what factor values grow per hour: the slope of ln of ten block means; None with fewer than 20 values."""
    if len(values) < 2 * DRIFT_BLOCKS:
        return None
    hours, logs = _block_means(at, DRIFT_BLOCKS) / 3600, np.log(_block_means(values, DRIFT_BLOCKS))
    line = stats.linregress(hours, logs)
    half = float(stats.t.ppf(0.975, DRIFT_BLOCKS - 2)) * line.stderr
    return Change(_exp(line.slope), _exp(line.slope - half), _exp(line.slope + half))


def _block_means(values: Values, blocks: int) -> Values:
    return np.array([part.mean() for part in np.array_split(values, blocks)])


def _exp(value: float) -> float:
    """A factor that a file can hold."""
    return math.exp(min(max(value, -50.0), 50.0))
