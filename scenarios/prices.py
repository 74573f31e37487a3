"""What things cost, per kind, in the scenario's currency: a kind without a table is not measured, never free.

Every price may name its `source` (a page, a contract) and the `date` on which it was read there.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from scenarios.kinds import Count, Frozen, NonNegative, Positive

LISTED = "genai-prices"  # as a source: the list of the package of this name, looked up when a run begins
KINDS = ("api", "gpu", "electricity", "people", "other")


class ApiPrice(Frozen, frozen=True):
    """API price per 1M tokens and per request, in the scenario's currency.

    With `source = "genai-prices"`, what is not given is the list's for `provider` and `model`.
    """

    input: NonNegative | None = None
    cached_input: NonNegative | None = None
    output: NonNegative | None = None
    request: NonNegative | None = None
    source: str | None = None
    date: str | None = None
    provider: str | None = None
    model: str | None = None

    def given(self, requests: float, input_tokens: float, cached_tokens: float) -> float:
        """Money of requests and their inputs; without a price of their own, cached tokens cost as others do."""
        fresh = self.input or 0.0
        cached = fresh if self.cached_input is None else self.cached_input
        tokens = (input_tokens - cached_tokens) * fresh + cached_tokens * cached
        return tokens / 1e6 + requests * (self.request or 0.0)

    def made(self, output_tokens: float) -> float:
        """Money of output tokens, reasoning included."""
        return output_tokens * (self.output or 0.0) / 1e6

    @property
    def lacks(self) -> str | None:
        """Which price of tokens is not given, where not requests alone are paid; it would silently be 0."""
        priced = {"input": self.input, "output": self.output}
        missing = [name for name, price in priced.items() if price is None]
        return None if not missing or (self.request is not None and len(missing) == 2) else missing[0]


class GpuPrice(Frozen, frozen=True):
    """What the accelerators cost and how many a replica takes.

    `replicas` serve at the arm's URL while it is measured. `host_watts` is one replica's part of its host beside the
    GPUs; `gpu_watts`, of one GPU, stands in where power was not sampled, and is called assumed.
    """

    hourly: NonNegative
    gpus_per_replica: Count = 1
    replicas: Count = 1
    min_replicas: Count = 1
    headroom: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.7
    autoscale: bool = False
    owned: bool = False
    host_watts: NonNegative = 300.0
    gpu_watts: NonNegative | None = None
    source: str | None = None
    date: str | None = None


class Electricity(Frozen, frozen=True):
    """Price of a kWh and the data centre's overhead factor."""

    per_kwh: NonNegative
    pue: Annotated[float, msgspec.Meta(ge=1)] = 1.3
    source: str | None = None
    date: str | None = None


class People(Frozen, frozen=True):
    """What it costs to adopt and to keep the change."""

    hourly: NonNegative
    adopt_hours: NonNegative = 0.0
    keep_hours_per_month: NonNegative = 0.0
    source: str | None = None
    date: str | None = None


class OtherCost(Frozen, frozen=True):
    """Anything else, once and per month."""

    once: NonNegative = 0.0
    monthly: NonNegative = 0.0
    source: str | None = None
    date: str | None = None


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


class Prices(Frozen, frozen=True):
    """The prices that hold for one arm, and how many replicas of it served while it was measured."""

    replicas: Count = 1

    api: ApiPrice | None = None
    gpu: GpuPrice | None = None
    electricity: Electricity | None = None
    people: People | None = None
    other: OtherCost | None = None
