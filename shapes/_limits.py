"""What stops a run cleanly, and what API money it has spent so far."""

from __future__ import annotations

from collections.abc import Sequence

from exporters.counts import Spent
from scenarios.extent import arm_price, most_tokens
from scenarios.prices import ApiPrice
from scenarios.scenario import Scenario


class Stopped(Exception):  # noqa: N818 (not an error: the run ends early and says why)
    """The run ends here, with what was measured; the text says why and what to do."""


class Spend:
    """API money spent so far, from the tokens of every row."""

    def __init__(self, scenario: Scenario) -> None:
        self._prices = {name: arm_price(scenario, name) for name in scenario.arms}
        sizes = [most_tokens(scenario, cell) for cell in scenario.matrix.cells]
        if scenario.tasks is not None:
            sizes.append((max(given for given, _ in sizes), scenario.tasks.max_tokens))
        self._sizes = sizes
        self.money = 0.0

    @property
    def priced(self) -> bool:
        """Whether any arm has a price."""
        return any(price is not None for price in self._prices.values())

    def add(self, arm: str, spent: Spent) -> None:
        """Book requests of an arm."""
        price = self._prices.get(arm)
        if price is not None:
            self.money += price_of(price, spent)

    def at_most(self, arms: Sequence[str], in_flight: int) -> float:
        """Money spent, with every request in flight at its dearest: so many on each of these arms."""
        prices = [price for arm in arms if (price := self._prices.get(arm)) is not None]
        dearest = [max(price_of(price, Spent(1, given, 0, made)) for given, made in self._sizes) for price in prices]
        return self.money + in_flight * sum(dearest)


def price_of(price: ApiPrice, spent: Spent) -> float:
    """Money of requests: prices are per 1M tokens; without a price of their own, cached tokens cost as others do."""
    cached_price = price.input if price.cached_input is None else price.cached_input
    given = (spent.input_tokens - spent.cached_tokens) * (price.input or 0) + spent.cached_tokens * (cached_price or 0)
    return (given + spent.output_tokens * (price.output or 0)) / 1e6 + spent.requests * (price.request or 0)
