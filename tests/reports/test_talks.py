"""Conversations: what a prefix cache saves in time and in money, against conversations of which nothing is cached."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from reports.talks import input_cost, saved, talks_table
from scenarios.prices import ApiPrice

PRICE = ApiPrice(input=2.0, cached_input=0.5, output=8.0)


def rows(*found: tuple[str, float, float | None], outcome: str = "ok") -> pd.DataFrame:
    """Requests by step, TTFT and cached tokens, of 1,000 input tokens each."""
    columns = ["step", "ttft_s", "cached_tokens"]
    table = pd.DataFrame([list(one) for one in found], columns=columns)
    return table.assign(outcome=outcome, input_tokens=1000.0)


def test_the_input_costs_less_by_what_was_cached() -> None:
    """Half of 1,000 tokens cached: 1,000 requests cost 0.5 x 2.00 + 0.5 x 0.50 = 1.25 instead of 2.00."""
    found = input_cost(rows(("a", 0.1, 400.0), ("a", 0.1, 600.0)), PRICE, "EUR")

    assert found == {"per_1k": pytest.approx(1.25), "uncached_per_1k": pytest.approx(2.0), "currency": "EUR"}


@pytest.mark.parametrize(
    ("price", "cached"), [(None, 5.0), (ApiPrice(input=2.0, output=8.0), 5.0), (PRICE, None)],
)  # fmt: skip
def test_without_a_price_or_a_count_nothing_is_saved_and_nothing_is_said(
    price: ApiPrice | None, cached: float | None
) -> None:
    """No price, none of its own for cached tokens, or a usage that does not tell: absent, not 0."""
    assert input_cost(rows(("a", 0.1, cached)), price, "EUR") is None


def test_time_saved_is_within_a_step() -> None:
    """0.3 s in one step and 0.5 s in another, which is slower as a whole: 0.4 s; a step without controls has none."""
    ordinary = rows(*[("a", 0.2, 1.0)] * 2, *[("b", 1.2, 1.0)] * 2, *[("c", 9.0, 1.0)] * 2)
    control = rows(*[("a", 0.5, 0.0)] * 2, *[("b", 1.7, 0.0)] * 2)

    found = saved(ordinary, control)

    assert found == {"uncached_ttft_s": pytest.approx(1.1), "saved_s": pytest.approx(0.4)}
    assert saved(ordinary, control.iloc[:1]) == {}


def test_the_table_says_what_the_cache_is_worth() -> None:
    """Both costs with their currency, each arm's by itself where there are two."""

    def talk(arm: str, cost: float) -> dict[str, Any]:
        turns = [{"turn": 1, "sent": 5, "ok": 5, "input_tokens": 9.0, "ttft_s": 0.1}]
        cell = {"input": "i", "output": "o", "input_tokens": 9, "output_tokens": 9}
        known = {"per_1k": cost, "uncached_per_1k": 4.0, "currency": "EUR"}
        return {"arm": arm, "cell": cell, "concurrency": 1, "turns": turns, "input_cost": known}

    one, two = talks_table([talk("old", 1.0)]), talks_table([talk("old", 1.0), talk("new", 3.0)])

    assert one is not None
    assert two is not None
    assert one.remark == (
        "The input of 1,000 requests costs 1.00 EUR with the cache, 4.00 EUR had none of it been cached."
    )
    assert "of new costs 3.00 EUR with the cache" in str(two.remark)
