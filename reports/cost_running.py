"""What it costs to serve at one point: GPU money and energy per request, from its steps (METRICS cost 3).

GPU money per good request = price x GPUs / good requests per second, whatever the load. Energy = (the GPUs' + the
host's watts x window) x PUE; the GPUs' is from their counters, else their integrated power, else limit x busy, else
what the scenario states, which is called assumed. It is money only where the GPUs are owned: a rent includes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reports import figures
from reports.cost_tokens import api_cost, consumption
from reports.measured import Measured
from scenarios.prices import GpuPrice, Prices

JOULES = 3.6e6  # of a kWh
MEASURED = ("counter", "power")  # other sources are assumptions

Rates = Mapping[str, float | None]  # of what money is given for, so many per second


class Power(msgspec.Struct, frozen=True):
    """Watts of all GPUs while they were measured, and how that is known."""

    watts: float
    source: str  # counter, power, sampled in part, busy or stated

    @property
    def assumed(self) -> bool:
        """Not measured."""
        return self.source not in MEASURED


def running_cost(steps: Sequence[Measured]) -> dict[str, Any]:
    """`cost` of a step, or of a point's valid steps together (format 1); empty where nothing has a price.

    Only tasks have API money: the lengths of the matrix are our own doing.
    """
    prices, per_s = steps[0].prices, figures.throughput(steps)
    if prices is None or not per_s:
        return {}
    rates = {
        "per_request": per_s.get("requests"),
        "per_good_request": figures.goodput(steps).get("requests"),
        "per_1m_tokens": per_s["total_tokens"] / 1e6,
        "per_1m_output_tokens": per_s.get("output_tokens", 0.0) / 1e6,
    }
    figure = _of_gpus(steps, prices, rates)
    if prices.api is not None and steps[0].record.step.cell is None:
        api = api_cost(consumption(steps), prices.api)
        figure |= {"api": {name: api[name] for name in rates if name in api}} if api else {}
    electricity = prices.gpu is not None and prices.gpu.owned
    added = [figure[kind] for kind in ("api", "gpu", *(["electricity"] if electricity else [])) if kind in figure]
    shared = [name for name in rates if added and all(name in part for part in added)]
    total = {name: sum(part[name] for part in added) for name in shared}
    return {**figure, **({"total": total} if total else {})}


def _of_gpus(steps: Sequence[Measured], prices: Prices, rates: Rates) -> dict[str, Any]:
    """GPUs, their money, energy, and its money; `included`: a rent holds it already, so it is in no sum."""
    gpu = prices.gpu
    if gpu is None:
        return {}
    paid = gpu.gpus_per_replica * prices.replicas
    figure: dict[str, Any] = {"gpus": paid, "gpu": _each(gpu.hourly * paid / 3600, rates)}
    energy = _energy(steps, prices, rates)
    if energy:
        figure["energy"] = energy
        if prices.electricity is not None:
            money = _each(energy["watts"] / JOULES * prices.electricity.per_kwh, rates)
            figure["electricity"] = {**money, "included": not gpu.owned}
    return figure


def _each(per_s: float, rates: Rates) -> dict[str, float]:
    """Money (or joules) per second as so much for each of what there are so many of per second."""
    return {name: per_s / rate for name, rate in rates.items() if rate}


def _energy(steps: Sequence[Measured], prices: Prices, rates: Rates) -> dict[str, Any]:
    """Watts with the host's and the overhead, joules of a good request and of an output token, and the source."""
    assert prices.gpu is not None
    power = gpu_power(steps, prices.gpu, prices.replicas)
    if power is None:
        return {}
    pue = prices.electricity.pue if prices.electricity else 1.0
    watts = (power.watts + prices.gpu.host_watts * prices.replicas) * pue
    joules = _each(watts, rates)
    found = {
        "gpu_watts": power.watts,
        "host_watts": prices.gpu.host_watts * prices.replicas,
        "pue": pue,
        "watts": watts,
        "from": power.source,
        "assumed": power.assumed,
        "j_per_good_request": joules.get("per_good_request"),
        "j_per_output_token": joules["per_1m_output_tokens"] / 1e6 if "per_1m_output_tokens" in joules else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def gpu_power(steps: Sequence[Measured], gpu: GpuPrice, replicas: int) -> Power | None:
    """Mean watts of all GPUs that are paid for; None when nothing tells. Fewer sampled ones stand for the others."""
    paid = gpu.gpus_per_replica * replicas
    sampled = [step for step in steps if step.sampled.gpu and step.record.window_s]
    known = [step for step in sampled if "energy_j" in step.sampled.gpu]
    if known:
        seconds = sum(step.record.window_s or 0.0 for step in known)
        boards = min(step.sampled.gpu["gpus"] for step in known)
        watts = sum(step.sampled.gpu["energy_j"] for step in known) / seconds
        return Power(
            watts * paid / boards, known[0].sampled.gpu["energy_from"] if boards == paid else "sampled in part"
        )
    busy = [step.sampled.gpu for step in sampled if {"busy", "power_limit_w"} <= set(step.sampled.gpu)]
    if busy:
        each = sum(one["busy"] * one["power_limit_w"] / one["gpus"] for one in busy) / len(busy)
        return Power(each * paid, "busy")
    return None if gpu.gpu_watts is None else Power(gpu.gpu_watts * paid, "stated")
