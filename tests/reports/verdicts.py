"""Verdict situations as whole runs: what is true of each is known, since the service is a synthetic one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from test_summary import edited, invalidate, stop

from tests.exporters.synthetic import synthetic_run

SMALL: dict[str, Any] = {"rungs": (4,), "cells": ("short/medium",)}
ONE: dict[str, Any] = {"arms": 1, "blocks": 2, **SMALL}
COST: dict[str, Any] = {
    "requests_per_month": 90_000_000, "api": {"input": 0.15, "output": 0.6}, "gpu": {"hourly": 2.5},
}  # fmt: skip
SLO = {"slo": {"ttft": "100ms", "error_rate": 0.01}}
TIGHT = {"slo": {"ttft": "20ms", "error_rate": 0.01}}  # no request is so fast
PEOPLE = {"people": {"hourly": 90, "adopt_hours": 200, "keep_hours_per_month": 150}}


def cost(**changes: Any) -> dict[str, Any]:
    """An SLO, and prices with these changes."""
    return {**SLO, "cost": {**COST, **changes}}


SITUATIONS: dict[str, Callable[[Path], Path]] = {
    "adopt: faster and cheaper": lambda d: synthetic_run(d, **SMALL, effect=-0.2, more=cost()),
    "adopt: no difference, no prices": lambda d: synthetic_run(d, **SMALL, noise=0.005, more=SLO),
    "adopt with conditions: faster, dear to keep": lambda d: synthetic_run(
        d, **SMALL, effect=-0.2, noise=0.005, more=cost(**PEOPLE)
    ),
    "reject: slower": lambda d: synthetic_run(d, **SMALL, effect=0.3, noise=0.005, more=cost()),
    "reject: too dear": lambda d: synthetic_run(
        d, **SMALL, noise=0.005, more=cost(**PEOPLE, max_cost_increase=0.02)
    ),
    "reject: the SLO is breached": lambda d: synthetic_run(d, **SMALL, noise=0.005, more=TIGHT),
    "inconclusive: too few blocks": lambda d: synthetic_run(d, **SMALL, blocks=2, more=cost()),
    "inconclusive: too noisy": lambda d: synthetic_run(d, **SMALL, blocks=4, noise=0.1, more=cost()),
    "inconclusive: a budget without a price": lambda d: synthetic_run(
        d, **SMALL, noise=0.005, more={**SLO, "cost": {"max_monthly_cost": 90_000}}
    ),
    "invalid: steps that did not count": lambda d: edited(synthetic_run(d, **SMALL, more=cost()), invalidate),
    "invalid: stopped": lambda d: stop(synthetic_run(d, **SMALL, more=cost())),
    "one arm: within its limits": lambda d: synthetic_run(
        d, **{**ONE, "blocks": 4}, more=cost(max_monthly_cost=90_000)
    ),
    "one arm: a tenth of the requests fail": lambda d: synthetic_run(d, **ONE, failures=0.1, more=cost()),
    "one arm: nothing gated": lambda d: synthetic_run(d, **ONE),
    "every request failed": lambda d: synthetic_run(d, **SMALL, blocks=4, failures=1.0, more=cost()),
    "three arms": lambda d: synthetic_run(d, arms=3, effect=-0.1, noise=0.005, **SMALL, more=cost()),
}  # fmt: skip
