"""Distributions of latencies, small enough for summary.json: the value at every fortieth of the requests, for drawing.

Failed and aborted requests are infinitely slow (METRICS), so a curve ends at the share of requests that were ok. These
values are for the eye; the quantiles that may be quoted have their own rule of how many requests they need.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reports.measured import LATENCIES, Measured
from reports.stats import quantile

PARTS = 40
FEWEST = 10  # requests, for a curve
DIGITS = 4


def ecdf_figures(steps: Sequence[Measured]) -> dict[str, Any]:
    """`ecdf` of a point or of tasks: per latency PARTS + 1 values in seconds, null beyond the ok ones."""
    found = {name: values for name in LATENCIES if (values := _values(steps, name)) is not None}
    return {"ecdf": found} if found else {}


def _values(steps: Sequence[Measured], metric: str) -> list[float | None] | None:
    values = np.concatenate([step.columns[metric][step.ok] for step in steps])
    values = np.sort(values[~np.isnan(values)])
    failed = sum(step.sent - int(step.ok.sum()) for step in steps)
    if len(values) + failed < FEWEST or not len(values):
        return None
    at = [quantile(values, failed, part / PARTS) for part in range(PARTS + 1)]
    return [None if value is None or np.isinf(value) else _short(value) for value in at]


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
