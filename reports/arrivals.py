"""Figures that only an open loop has: the rate, how late requests were sent, and what a user waited from the due time.

A schedule that lags behind makes TTFT look short: the time that a request waited in the generator is in neither figure
but this one, TTFT from due = first - due.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reports.figures import QUANTILES, latency_of
from reports.measured import Measured
from reports.stats import needed


def arrivals(steps: Sequence[Measured]) -> dict[str, Any]:
    """Rate, achieved rate, schedule lag and TTFT from due of steps at one rate; empty for a closed loop.

    Achieved: what was sent while the window was open, by its sent stamp and not by when it was due.
    """
    rate = steps[0].record.step.rate
    if rate is None:
        return {}
    seconds = sum(step.record.window_s or 0.0 for step in steps)
    achieved = sum(part.facts.get("achieved", 0.0) for step in steps for part in step.record.workers.values())
    known: dict[str, Any] = {
        "rate": rate,
        "achieved_rate": achieved / seconds if seconds else None,
        "schedule_lag_s": _lag(steps),
        "ttft_from_due_s": latency_of(steps, [s.columns["ttft_s"] + s.columns["schedule_lag_s"] for s in steps]),
    }
    return {name: value for name, value in known.items() if value is not None}


def _lag(steps: Sequence[Measured]) -> dict[str, Any] | None:
    """Sent - due of every request that was sent, whatever became of it."""
    lags = np.concatenate([step.columns["schedule_lag_s"] for step in steps])
    lags = np.sort(lags[~np.isnan(lags)])
    if not len(lags):
        return None
    known = {
        name: float(np.quantile(lags, q, method="inverted_cdf"))
        for name, q in QUANTILES.items()
        if len(lags) >= needed(q)
    }
    return {"n": len(lags), "mean": float(lags.mean()), **known, "max": float(lags[-1])}
