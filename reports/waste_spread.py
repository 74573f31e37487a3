"""The mean of something over requests, with an interval that knows that replies to one prompt are alike.

Tasks ask the same prompts again and again, so the prompt is the unit: with S_c the sum of (value - mean) over the n_c
requests of prompt c, the variance of the mean is k / (k - 1) sum(S_c^2) / n^2, and the interval is Student's t with
k - 1 degrees of freedom (the linearized estimator of a cluster sample). With one prompt the requests are the units.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import stats

from reports.stats import LEVEL, Interval, mean_interval

Values = npt.NDArray[np.float64]


def mean_of(values: Values, prompts: npt.NDArray[np.int64]) -> Interval:
    """Mean per request and its 95 % interval; `prompts` numbers each request's prompt."""
    mean = float(values.mean())
    sums = np.bincount(prompts, weights=values - mean)[np.unique(prompts)]
    many = len(sums)
    if many < 2:
        return mean_interval(values)
    error = math.sqrt(many / (many - 1) * float((sums**2).sum())) / len(values)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, many - 1)) * error
    return Interval(mean, mean - half, mean + half)


def numbered(names: list[str]) -> npt.NDArray[np.int64]:
    """A number for each name, the same for equal names."""
    return np.unique(np.asarray(names, dtype=object).astype(str), return_inverse=True)[1].astype(np.int64)
