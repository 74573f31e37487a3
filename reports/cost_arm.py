"""One arm's cost: tokens, API money, a month and what it is made of, and what is missing with the way to get it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reports import figures
from reports.cost_capacity import points_of, served_places
from reports.cost_missing import Missing, missing_of_api, missing_of_gpu, missing_of_power
from reports.cost_model import Called, Model, Month, Served, month, one_off
from reports.cost_running import gpu_power
from reports.cost_tokens import api_cost, api_error, consumption
from reports.measured import Measured, counting
from scenarios.arm_prices import prices_of, task_traffic, traffic_of
from scenarios.prices import Prices
from scenarios.scenario import Scenario


class Priced(msgspec.Struct, frozen=True):
    """One arm as the comparison, the gates and the what-if table read it."""

    model: Model
    figures: dict[str, Any]
    missing: tuple[Missing, ...]

    @property
    def whole(self) -> bool:
        """Whether a month holds every kind that has a price, and one of those that serve requests."""
        found = month(self.model)
        return found is not None and bool({"api", "gpu"} & set(found.bill)) and not any(o.counts for o in self.missing)


def priced_arm(arm: str, steps: Sequence[Measured], entries: Sequence[Mapping[str, Any]], scenario: Scenario) -> Priced:
    """What an arm costs; `entries` are the run's capacities."""
    prices = prices_of(scenario, arm)
    mine = [step for step in counting(steps) if step.record.step.arm == arm]
    tasks = [step for step in mine if step.record.step.cell is None]
    consumed = consumption(tasks)
    api = api_cost(consumed, prices.api) if prices.api is not None else {}
    api |= {"error": api_error(tasks, prices.api)} if api and prices.api is not None else {}
    places = [one for one in entries if one["arm"] == arm]
    served, lacking = served_places(mine, places, traffic_of(scenario), prices.replicas)
    power = _power(mine, served, prices)
    model = Model(
        arm=arm,
        prices=prices,
        peak_factor=scenario.cost.peak_factor if scenario.cost else 1.0,
        served=served if prices.gpu is not None and not lacking else (),
        called=_called(api, consumed, task_traffic(scenario)),
        watts=power.get("watts_per_replica"),
    )
    missing = (
        *missing_of_api(prices, consumed, scenario),
        *missing_of_gpu(prices, lacking, scenario),
        *missing_of_power(prices, model, bool(power)),
    )
    known = {
        "tokens": consumed,
        "api": api,
        **_of_gpus(model, mine, scenario),
        "power": power,
        **_of_month(model),
        "one_off": one_off(prices) if prices.people or prices.other else None,
        "missing": [msgspec.to_builtins(one) for one in missing],
    }
    return Priced(model, {"arm": arm, **{n: v for n, v in known.items() if v not in (None, {}, [])}}, missing)


def _called(api: Mapping[str, float], consumed: Mapping[str, Any], traffic: float | None) -> Called | None:
    if not api or traffic is None:
        return None
    requests = consumed["requests"]
    return Called(traffic, api["given"] / requests, api["made"] / requests, api.get("error", 0.0))


def _power(steps: Sequence[Measured], served: Sequence[Served], prices: Prices) -> dict[str, Any]:
    """Watts of one replica with its host, at the loads that carry the traffic; empty when nothing tells."""
    if prices.gpu is None or not served:
        return {}
    here = [step for one in served for step in points_of(steps, one.place).get(one.load, [])]
    power = gpu_power(here, prices.gpu, prices.replicas)
    if power is None:
        return {}
    return {
        "watts_per_replica": power.watts / prices.replicas + prices.gpu.host_watts,
        "gpu_watts": power.watts / prices.replicas,
        "host_watts": prices.gpu.host_watts,
        "from": power.source,
        "assumed": power.assumed,
    }


def _of_gpus(model: Model, steps: Sequence[Measured], scenario: Scenario) -> dict[str, Any]:
    """`capacity` by place, and how much of what is paid for works at the operating point."""
    capacity = [
        {
            "place": one.place,
            "load": one.load,
            "good_per_s": one.capacity.rung,
            "interval": [one.capacity.low, one.capacity.high],
            "requests_per_month": one.requests,
        }
        for one in model.served
    ]
    gpu = model.prices.gpu
    own = next((one for one in model.served if one.place == scenario.plan.cell), None)
    at = figures.goodput(points_of(steps, scenario.plan.cell).get(float(scenario.ladder.at), [])).get("requests")
    if gpu is None or own is None or at is None:
        return {"capacity": capacity}
    share = min(at / model.prices.replicas / own.capacity.rung, 1.0)
    hourly = gpu.hourly * gpu.gpus_per_replica * model.prices.replicas
    used = {"share": share, "hourly": hourly, "used": hourly * share, "idle": hourly * (1 - share)}
    return {"capacity": capacity, "used": used}


def _of_month(model: Model) -> dict[str, Any]:
    """The bill by kind, its ends (dearest where capacity is at its low end), and what the change is judged on."""
    found = month(model)
    if found is None or not found.bill:
        return {}
    dear, cheap = month(model, end="low"), month(model, end="high")
    figure: dict[str, Any] = {
        "month": {
            "bill": found.bill,
            "total": found.total,
            "interval": [_total(cheap), _total(dear)],
            "judged": found.judged,
            "judged_total": found.judged_total,
        }
    }
    if found.replicas is not None:
        figure["replicas"] = {
            **msgspec.to_builtins(found.replicas),
            "interval": [one.replicas.fractional if one and one.replicas else None for one in (cheap, dear)],
        }
    return figure


def _total(found: Month | None) -> float | None:
    return None if found is None else found.total
