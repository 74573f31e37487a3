"""What an arm costs a month, as a pure function of prices, what was measured, and assumptions that may be varied.

METRICS cost step 4: peak rate = requests per month / (730 h x 3600) x peak factor; replicas, fractional = peak rate /
(capacity x headroom), integer = max(min_replicas, ceil). The change is judged on the fractional, the bill is of the
integer. Money is in the scenario's currency.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from scenarios.prices import Prices

HOURS = 730.0  # of a month
SECONDS = HOURS * 3600
End = Literal["rung", "low", "high"]
SIGNS = {"rung": 0, "low": 1, "high": -1}  # at a low capacity everything is dear
ROUNDING = 1e-9  # 2.0000000000000004 replicas are two


class Capacity(msgspec.Struct, frozen=True):
    """Good requests per second of one replica at the highest rung that meets the SLO, and between which it lies.

    `low` and `high`: the 95 % lower bound at that rung (over blocks) and the rate of the next rung; None: none above.
    """

    rung: float
    low: float
    high: float | None


class Served(msgspec.Struct, frozen=True):
    """One kind of request (a cell, or tasks) that a replica serves, and how many there are a month."""

    place: str
    requests: float
    load: float  # users, or requests per second, at its capacity
    capacity: Capacity
    fixed_s: float | None = None  # of the E2E at that rung: what does not grow with the output (TTFT)
    e2e_s: float | None = None


class Called(msgspec.Struct, frozen=True):
    """What one request costs at an API: its parts that do not and that do grow with the output."""

    requests: float  # per month
    given: float  # input tokens and the request's own fee
    made: float  # output tokens
    error: float = 0.0  # half of the 95 % interval of the mean request, as a share of it


class Model(msgspec.Struct, frozen=True):
    """One arm: everything that a month's cost follows from."""

    arm: str
    prices: Prices
    peak_factor: float
    served: Sequence[Served] = ()  # empty: no GPU cost
    called: Called | None = None
    watts: float | None = None  # of one replica at the operating point, its host included


class Assumed(msgspec.Struct, frozen=True):
    """Factors on what a scenario states: what if it were otherwise."""

    gpu_price: float = 1.0
    headroom: float | None = None  # in place of the scenario's
    traffic: float = 1.0
    output: float = 1.0  # output tokens per request
    power: float = 1.0  # watts of a replica


class Replicas(msgspec.Struct, frozen=True):
    """How many replicas carry the peak, and how many are paid for all month (with autoscaling: those of the mean rate).

    `judged` is what is paid for without rounding up.
    """

    fractional: float
    integer: int
    judged: float
    billed: int


class Month(msgspec.Struct, frozen=True):
    """A month's cost by kind: `bill` on whole replicas, `judged` on fractional ones."""

    bill: dict[str, float]
    judged: dict[str, float]
    replicas: Replicas | None

    @property
    def total(self) -> float:
        """The bill."""
        return math.fsum(self.bill.values())

    @property
    def judged_total(self) -> float:
        """What the change is judged on."""
        return math.fsum(self.judged.values())


def month(model: Model, what: Assumed = Assumed(), end: End = "rung") -> Month | None:  # noqa: B008 (frozen)
    """The month under these assumptions, with the capacity at one end of its interval; None where that is open."""
    bill: dict[str, float] = {}
    judged: dict[str, float] = {}
    needed = replicas(model, what, end)
    if model.called is not None:
        called = model.called
        each = (called.given + called.made * what.output) * (1 + called.error * SIGNS[end])
        judged["api"] = bill["api"] = each * called.requests * what.traffic
    if model.served:
        if needed is None:
            return None
        for kind, hourly in _hourly(model, what).items():
            bill[kind] = needed.billed * hourly * HOURS
            judged[kind] = needed.judged * hourly * HOURS
    for kind, money in _monthly(model.prices).items():
        judged[kind] = bill[kind] = money
    return Month(bill, judged, needed)


def replicas(model: Model, what: Assumed, end: End = "rung") -> Replicas | None:
    """Replicas for the peak; None without a capacity at that end."""
    gpu = model.prices.gpu
    if gpu is None or not model.served:
        return None
    peak = 0.0  # replicas without headroom
    for one in model.served:
        capacity = getattr(one.capacity, end)
        if not capacity:
            return None
        rate = one.requests * what.traffic / SECONDS * model.peak_factor
        peak += rate / capacity * _slower(one, what.output)
    headroom = gpu.headroom if what.headroom is None else what.headroom
    fractional = peak / headroom
    integer = max(gpu.min_replicas, math.ceil(fractional - ROUNDING))
    if not gpu.autoscale:
        return Replicas(fractional, integer, fractional, integer)
    mean = fractional / model.peak_factor
    return Replicas(fractional, integer, mean, max(gpu.min_replicas, math.ceil(mean - ROUNDING)))


def _slower(one: Served, output: float) -> float:
    """How much longer a request takes with so many times the output, if TTFT and TPOT stay as they are."""
    if output == 1 or one.fixed_s is None or not one.e2e_s:
        return output if output != 1 else 1.0
    return (one.fixed_s + (one.e2e_s - one.fixed_s) * output) / one.e2e_s


def _hourly(model: Model, what: Assumed) -> dict[str, float]:
    """What a replica costs an hour: its GPUs, and where they are owned its electricity."""
    gpu, power = model.prices.gpu, model.prices.electricity
    if gpu is None:
        return {}
    found = {"gpu": gpu.hourly * what.gpu_price * gpu.gpus_per_replica}
    if gpu.owned and power is not None and model.watts is not None:
        found["electricity"] = model.watts * what.power * power.pue / 1000 * power.per_kwh
    return found


def _monthly(prices: Prices) -> dict[str, float]:
    """People who keep it, and other money: every month."""
    found = {}
    if prices.people is not None:
        found["people"] = prices.people.keep_hours_per_month * prices.people.hourly
    if prices.other is not None:
        found["other"] = prices.other.monthly
    return found


def one_off(prices: Prices) -> float:
    """What adopting it costs once: people's hours and other money."""
    people = prices.people.adopt_hours * prices.people.hourly if prices.people else 0.0
    return people + (prices.other.once if prices.other else 0.0)
