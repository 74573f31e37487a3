"""Cost step 1: tokens that a request consumes and their API money, of tasks alone: forced lengths are our own doing.

Consumption is the sum over the rows of the requests sent in the windows, failed ones included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from reports.figures import TOKENS
from reports.inside import distribution
from reports.measured import Measured
from reports.stats import mean_interval
from scenarios.prices import ApiPrice

Values = npt.NDArray[np.float64]


def consumption(steps: Sequence[Measured]) -> dict[str, Any]:
    """Of one arm's valid tasks: requests, sums of tokens and their distribution per request; empty without tasks."""
    if not steps:
        return {}
    columns = {name: np.concatenate([step.columns[of] for step in steps]) for name, of in TOKENS.items()}
    return {
        "requests": sum(step.sent for step in steps),
        "good": sum(int(step.good.sum()) for step in steps),
        "blocks": len(steps),
        "sums": {name: int(np.nansum(values)) for name, values in columns.items() if _known(values)},
        "per_request": {
            name: distribution(values[~np.isnan(values)]) for name, values in columns.items() if _known(values)
        },
    }


def api_cost(consumed: dict[str, Any], price: ApiPrice) -> dict[str, float]:
    """API money of all of them, per request, per good request and per 1M tokens; `given` and `made` are its parts.

    Empty where there is nothing to price, or a price of what was used is not given.
    """
    if price.lacks or not consumed or not consumed["requests"] or untold(consumed, price):
        return {}
    sums, requests, good = consumed["sums"], consumed["requests"], consumed["good"]
    given = price.given(requests, sums.get("input", 0), sums.get("cached_input", 0))
    made = price.made(sums.get("output", 0))
    tokens = sums.get("input", 0) + sums.get("output", 0)
    known = {
        "sum": given + made,
        "given": given,
        "made": made,
        "per_request": (given + made) / requests,
        "per_1k_requests": 1000 * (given + made) / requests,
        "per_good_request": (given + made) / good if good else None,
        "per_1m_tokens": 1e6 * (given + made) / tokens if tokens else None,
    }
    return {name: value for name, value in known.items() if value is not None}


def untold(consumed: dict[str, Any], price: ApiPrice) -> str | None:
    """Tokens that have a price and that no reply told; None when all are told."""
    return next((name for name in ("input", "output") if getattr(price, name) and name not in consumed["sums"]), None)


def api_error(steps: Sequence[Measured], price: ApiPrice) -> float:
    """Half of the 95 % interval of a request's mean API money, as a share of it; over the requests."""
    known = {name: np.nan_to_num(np.concatenate([step.columns[of] for step in steps])) for name, of in TOKENS.items()}
    each = np.array([
        price.given(1, given, cached) + price.made(made)
        for given, cached, made in zip(known["input"], known["cached_input"], known["output"], strict=True)
    ])  # fmt: skip
    if len(each) < 2 or not each.mean():
        return 0.0
    interval = mean_interval(each)
    return ((interval.high or interval.mean) - interval.mean) / interval.mean


def _known(values: Values) -> bool:
    return bool((~np.isnan(values)).any())
