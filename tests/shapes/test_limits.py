"""API money: what was spent, and what the requests in flight may still cost."""

from __future__ import annotations

import pytest

from exporters.counts import Spent
from scenarios.prices import ApiPrice, Cost
from scenarios.scenario import Arm, Cell, Matrix, Scenario, Tasks
from shapes._limits import Spend, price_of

CELLS = (
    Cell(input="long", output="short", input_tokens=4000, output_tokens=10),
    Cell(input="short", output="long", input_tokens=100, output_tokens=1000),
)


def scenario(tasks: Tasks | None = None, own: ApiPrice | None = None) -> Scenario:
    arms = {"a": Arm(url="http://a"), "b": Arm(url="http://b", cost=Cost(api=own) if own else None)}
    price = ApiPrice(input=1.0, cached_input=0.5, output=10.0)
    return Scenario(name="x", arms=arms, matrix=Matrix(cells=CELLS), tasks=tasks, cost=Cost(api=price))


def test_cached_input_has_its_own_price() -> None:
    """1,000 tokens in, 400 of them cached, 100 out, at 1, 0.5 and 10 per million, and a price per request."""
    price = ApiPrice(input=1.0, cached_input=0.5, output=10.0, request=0.01)

    assert price_of(price, Spent(1, 1000, 400, 100)) == pytest.approx(0.01 + (600 + 200 + 1000) / 1e6)
    assert price_of(ApiPrice(input=1.0), Spent(1, 1000, 400, 100)) == pytest.approx(1000 / 1e6)


def test_in_flight_counts_at_the_dearest_cell() -> None:
    """The dearest request is short in and long out here, not the one with the largest input."""
    spend = Spend(scenario())
    spend.add("a", Spent(1, 100, 0, 0))

    assert spend.at_most(["a"], 2) == pytest.approx((100 + 2 * (100 + 10_000)) / 1e6)


def test_tasks_may_answer_up_to_their_limit() -> None:
    """With tasks a request in flight may cost max_tokens of output."""
    assert Spend(scenario(Tasks(max_tokens=2000))).at_most(["a"], 1) == pytest.approx((4000 + 20_000) / 1e6)


def test_an_arm_may_have_its_own_price() -> None:
    """Each arm pays by its own table."""
    spend = Spend(scenario(own=ApiPrice(input=5.0)))
    spend.add("b", Spent(2, 1000, 0, 1000))

    assert spend.money == pytest.approx(5000 / 1e6)
