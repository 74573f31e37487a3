"""What of a cost has no figure, why, and how to get it: it is never printed as 0, and never passes a gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reports.cost_model import Model
from reports.cost_tokens import untold
from scenarios.arm_prices import TASKS, task_traffic
from scenarios.prices import Prices
from scenarios.scenario import Scenario
from scenarios.slo import has_slo


class Missing(msgspec.Struct, frozen=True):
    """A part that has no figure, why, and how to get it; `counts`: a price is given for it, so a sum lacks it."""

    what: str
    why: str
    advice: str
    counts: bool = True


def no_capacity(place: str, entry: Mapping[str, Any] | None) -> Missing:
    """Why a place has no capacity."""
    if entry is None:
        why, advice = f"{place} has no capacity: it was not measured against an SLO", f"add [slo] limits, and {place}"
    elif entry["rung"] is None and entry["undecided"]:
        load = f"{min(entry['undecided']):g}"
        why = f"whether {place} meets the SLO is undecided already at {load}"
        advice = "raise [window] duration or [plan] blocks"
    elif entry["rung"] is None:
        why, advice = f"{place} meets the SLO at no rung", "add lower rungs to [ladder], or relax [slo]"
    else:
        why, advice = f"no request of {place} was good at its capacity", "look at the failures"
    return Missing("gpu", why, advice)


def missing_of_api(prices: Prices, consumed: Mapping[str, Any], scenario: Scenario) -> list[Missing]:
    """API money: a price, tasks, requests that tell their tokens, traffic."""
    price = prices.api
    if price is None:
        return [Missing("api", "no API price", "add [cost.api] with input and output per 1M tokens", counts=False)]
    if price.lacks:
        text = f"[cost.api] has no {price.lacks} price, and what is not given is not free"
        return [Missing("api", text, f"add {price.lacks} to [cost.api]; 0 if it is free")]
    if scenario.tasks is None:
        text = "not measured: tokens of the matrix are of lengths that we forced"
        return [Missing("api", text, "add [tasks]")]
    if not consumed:
        return [Missing("api", "no valid step of tasks", "see the reasons under the invalid steps")]
    unknown = untold(dict(consumed), price)
    if unknown:
        return [Missing("api", f"no reply told its {unknown} tokens", "see `check`: the service reports no usage")]
    if task_traffic(scenario) is None:
        return [_no_traffic("api", f"requests_per_month of {TASKS}")]
    return []


def missing_of_gpu(prices: Prices, lacking: Sequence[Missing], scenario: Scenario) -> list[Missing]:
    """GPU money of a month: a price, traffic, a capacity."""
    if prices.gpu is None:
        return [Missing("gpu", "no price of a GPU", "add [cost.gpu] hourly", counts=False)]
    if scenario.cost is None or scenario.cost.requests_per_month is None:
        return [_no_traffic("gpu", "requests_per_month")]
    if not has_slo(scenario):
        text = "no SLO, so no load is known to be good enough"
        return [Missing("gpu", text, "add [slo] limits such as ttft or tpot")]
    return list(lacking)


def missing_of_power(prices: Prices, model: Model, known: bool) -> list[Missing]:
    """Electricity of owned GPUs: a price and watts."""
    if prices.gpu is None or not prices.gpu.owned:
        return []
    if prices.electricity is None:
        return [Missing("electricity", "the GPUs are owned and a kWh has no price", "add [cost.electricity] per_kwh")]
    if known or not model.served:
        return []
    text = "the GPUs' power was not sampled"
    return [Missing("electricity", text, "give the arm `gpu` addresses to sample, or state [cost.gpu] gpu_watts")]


def _no_traffic(what: str, key: str) -> Missing:
    return Missing(what, "no traffic is given, so there is no month", f"add {key} to [cost]")
