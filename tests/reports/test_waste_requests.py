"""Useless tokens that need no text: failed, aborted, truncated, over-length and retried requests, from the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reports.waste_figures import Looked, Priced, category, total
from reports.waste_requests import Rows, of_requests
from reports.waste_spread import mean_of
from scenarios.prices import ApiPrice

PRICE = ApiPrice(input=1.0, cached_input=0.5, output=4.0)
NAN = float("nan")


def rows(*each: tuple[str, str, int, float, float]) -> Rows:
    """Requests as outcome, finish reason, attempts, input tokens (half of them cached) and output tokens."""
    outcomes, finishes, attempts, given, made = zip(*each, strict=True)
    into = np.array(given, dtype=float)
    looked = Looked(np.arange(len(each)), np.ones(len(each), dtype=int), into, into / 2, np.array(made, dtype=float))
    return Rows(
        np.array(["s"] * len(each)), np.array(outcomes), np.array(finishes), np.array(attempts, dtype=float), looked
    )


def found(of: Rows, price: ApiPrice | None = PRICE, traffic: float | None = 1e6) -> dict[str, dict[str, Any]]:
    return {one.name: category(one, of.looked, Priced(price, traffic)) for one in of_requests(of)}


FIVE = rows(
    ("ok", "stop", 1, 100, 50), ("ok", "length", 1, 100, 200), ("timeout", "None", 1, 100, 30),
    ("aborted", "None", 1, NAN, NAN), ("truncated", "length", 2, 100, 10),
)  # fmt: skip


def test_each_request_is_in_one_category_and_a_second_writing_is_counted_beside_it() -> None:
    """Tokens are those of the request; a retry is its input once more."""
    by_name = found(FIVE)

    assert {name: one["tokens"] for name, one in by_name.items()} == {
        "failed": 130, "aborted": 0, "truncated": 110, "over_length": 300, "retried": 100,
    }  # fmt: skip
    assert by_name["aborted"]["untold"] == 1
    assert "untold" not in by_name["failed"]
    assert by_name["failed"]["share"] == pytest.approx(130 / 690)


def test_money_is_of_the_arm_s_price_with_what_was_cached() -> None:
    """Of the failed one 50 x 1 + 50 x 0.5 + 30 x 4 per million, over five requests, a million of them a month."""
    failed = found(FIVE)["failed"]

    assert failed["money_per_request"] == pytest.approx((50 + 25 + 120) / 1e6 / 5)
    assert failed["money_per_month"] == pytest.approx(39.0)
    assert "money_per_request" not in found(FIVE, price=None)["failed"]
    assert "money_per_month" not in found(FIVE, traffic=None)["failed"]


def test_the_total_is_the_sum_of_the_categories() -> None:
    """130 + 110 + 300 + 100 of five requests; its share is of all tokens that were told."""
    whole = total([(of_requests(FIVE), FIVE.looked)], Priced(PRICE, 1e6))

    assert whole["tokens_per_request"] == pytest.approx(640 / 5)
    assert whole["share"] == pytest.approx(640 / 690)
    assert whole["tokens_ci"][0] < 128 < whole["tokens_ci"][1]


def test_the_interval_knows_that_replies_to_one_prompt_are_alike() -> None:
    """Over 2,000 samples of 20 prompts that are asked 10 times it covers the true mean in 93 to 97 %."""
    rng, covered = np.random.default_rng(2), 0
    prompts = np.repeat(np.arange(20), 10)
    for _ in range(2000):
        values = 10 + rng.normal(0, 3, 20)[prompts] + rng.normal(0, 1, 200)
        spread = mean_of(values, prompts)
        covered += spread.low is not None and spread.high is not None and spread.low <= 10 <= spread.high

    assert 0.93 <= covered / 2000 <= 0.97
