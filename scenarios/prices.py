"""What things cost, per kind, in the scenario's currency: a kind without a table is not measured, never free."""

from __future__ import annotations

from typing import Annotated

import msgspec

from scenarios.kinds import Count, Frozen, NonNegative, Positive


class ApiPrice(Frozen, frozen=True):
    """API price per 1M tokens, in the scenario's currency, or the name of a model in genai-prices."""

    input: NonNegative | None = None
    cached_input: NonNegative | None = None
    output: NonNegative | None = None
    request: NonNegative | None = None
    source: str | None = None
    date: str | None = None
    provider: str | None = None
    model: str | None = None


class GpuPrice(Frozen, frozen=True):
    """What the accelerators cost and how many a replica takes."""

    hourly: NonNegative
    gpus_per_replica: Count = 1
    replicas: Count = 1
    min_replicas: Count = 1
    headroom: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.7
    autoscale: bool = False
    owned: bool = False
    host_watts: NonNegative = 300.0


class Electricity(Frozen, frozen=True):
    """Price of a kWh and the data centre's overhead factor."""

    per_kwh: NonNegative
    pue: Annotated[float, msgspec.Meta(ge=1)] = 1.3


class People(Frozen, frozen=True):
    """What it costs to adopt and to keep the change."""

    hourly: NonNegative
    adopt_hours: NonNegative = 0.0
    keep_hours_per_month: NonNegative = 0.0


class OtherCost(Frozen, frozen=True):
    """Anything else, once and per month."""

    once: NonNegative = 0.0
    monthly: NonNegative = 0.0


class Cost(Frozen, frozen=True):
    """Prices and traffic; a kind without a table is not measured, never free."""

    currency: str = "USD"
    requests_per_month: NonNegative | dict[str, NonNegative] | None = None
    peak_factor: Positive = 3.0
    value_per_month: NonNegative | None = None
    max_monthly_cost: NonNegative | None = None
    max_cost_increase: NonNegative | None = None
    weights: dict[str, NonNegative] = msgspec.field(default_factory=dict)
    api: ApiPrice | None = None
    gpu: GpuPrice | None = None
    electricity: Electricity | None = None
    people: People | None = None
    other: OtherCost | None = None
