"""The worked example of docs/cost.md, from requests to money: every figure of it to the cent."""

from __future__ import annotations

from typing import Any

import pytest
from measurements import CELL, measured, scenario

from reports.capacity import capacities, rung_slos
from reports.cost import Costs, Loads, costs
from reports.cost_running import running_cost
from reports.measured import Measured, replace
from scenarios.arm_prices import prices_of
from scenarios.scenario import Scenario

MATRIX = {"input": {"short": 128}, "output": {"long": 1024}}
COST: dict[str, Any] = {
    "requests_per_month": 26_280_000, "peak_factor": 3,
    "api": {"input": 0.15, "cached_input": 0.075, "output": 0.60, "source": "price list", "date": "2026-11-01"},
    "gpu": {"hourly": 2.50, "gpus_per_replica": 2, "headroom": 0.8, "owned": True, "gpu_watts": 350, "host_watts": 300},
    "electricity": {"per_kwh": 0.15, "pue": 1.3},
    "people": {"hourly": 90, "adopt_hours": 16, "keep_hours_per_month": 4},
    "other": {"once": 500, "monthly": 100},
}  # fmt: skip


def asked(**changes: Any) -> Scenario:
    tables = {"matrix": MATRIX, "tasks": {}, "slo": {"ttft": "1s"}, "cost": COST, "ladder": {"concurrency": [8, 16]}}
    return scenario(changes.pop("arms", ("baseline", "candidate")), **{**tables, **changes})


def rung(arm: str, users: int, per_s: float, good: bool) -> Measured:
    """A step of 10 seconds and 100 requests, all of them good or none."""
    place = {"arm": arm, "concurrency": users, "id": f"{arm}-{users}"}
    return measured([0.2] * 100, good=[good] * 100, finished=10 * per_s, **place)


def tasks(arm: str, output: int) -> Measured:
    tokens = {"input_tokens": [1000] * 100, "cached_tokens": [200] * 100, "output_tokens": [output] * 100}
    return measured([0.2] * 100, arm=arm, cell=None, workload="task", id=f"{arm}-tasks", **tokens)


def steps() -> list[Measured]:
    return [
        rung("baseline", 8, 10, True), rung("baseline", 16, 15, False), tasks("baseline", 300),
        rung("candidate", 8, 12, True), rung("candidate", 16, 16, False), tasks("candidate", 240),
    ]  # fmt: skip


def costed(found: list[Measured], of: Scenario) -> Costs:
    rungs = rung_slos(found, of)
    return costs(Loads(found, capacities(rungs, of), rungs), of, "2026-11-24T02:00:00Z")


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    return costed(steps(), asked()).figures


def cents(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in figures.items()}


def test_the_bill_of_a_month_is_the_hand_computed_one(example: dict[str, Any]) -> None:
    """Each kind of both arms' bills, and their sums."""
    baseline, candidate = (arm["month"] for arm in example["arms"])

    assert cents(baseline["bill"]) == {"api": 8278.20, "gpu": 14600.00, "electricity": 569.40}
    assert cents(candidate["bill"]) == {
        "api": 7332.12, "gpu": 14600.00, "electricity": 569.40, "people": 360.00, "other": 100.00,
    }  # fmt: skip
    assert [round(month["total"], 2) for month in (baseline, candidate)] == [23447.60, 22961.52]


def test_the_change_is_judged_on_fractional_replicas(example: dict[str, Any]) -> None:
    """13,687.50 against 11,406.25 of GPUs; 12.7 % less in all, paid back in 0.68 months."""
    baseline, candidate = (arm["month"] for arm in example["arms"])
    (change,) = example["changes"]

    assert cents(baseline["judged"]) == {"api": 8278.20, "gpu": 13687.50, "electricity": 533.81}
    assert cents(candidate["judged"])["gpu"] == 11406.25
    assert cents(candidate["judged"])["electricity"] == 444.84
    assert round(candidate["judged_total"], 2) == 19643.21
    assert (round(change["bill"], 2), round(change["judged"], 2)) == (-486.08, -2856.30)
    assert (change["one_off"], round(change["payback_months"], 2)) == (1940.00, 0.68)
    assert round(change["increase"]["mean"], 3) == -0.127
    assert round(change["break_even_requests"]) == 3_645_269


def test_replicas_carry_the_peak_and_their_interval_is_the_capacity_s(example: dict[str, Any]) -> None:
    """3.75 and 3.125 replicas, 4 of each paid for; at the next rung's rate 2.5 and 2.34375."""
    baseline, candidate = (arm["replicas"] for arm in example["arms"])

    assert (baseline["fractional"], baseline["billed"], baseline["interval"]) == (
        pytest.approx(3.75), 4, [pytest.approx(2.5), pytest.approx(3.75)],
    )  # fmt: skip
    assert (candidate["fractional"], candidate["billed"], candidate["interval"]) == (
        pytest.approx(3.125), 4, [pytest.approx(2.34375), pytest.approx(3.125)],
    )  # fmt: skip


def test_a_request_costs_what_its_tokens_cost(example: dict[str, Any]) -> None:
    """315 and 279 per million; per 1M tokens 0.000315 / 1,300 x 1M."""
    baseline, candidate = (arm["api"] for arm in example["arms"])

    assert baseline["per_request"] == pytest.approx(315e-6)
    assert candidate["per_request"] == pytest.approx(279e-6)
    assert baseline["per_1m_tokens"] == pytest.approx(315 / 1300)


def test_a_good_request_costs_its_share_of_the_gpus() -> None:
    """2 x 2.50 / 3600 / 10 at 8 users, and its electricity 1,300 W / 10 x 0.15 per kWh."""
    step = replace(steps()[0], prices=prices_of(asked(), "baseline"))
    cost = running_cost([step])

    assert cost["gpu"]["per_good_request"] == pytest.approx(5 / 3600 / 10)
    assert cost["electricity"]["per_good_request"] == pytest.approx(1.3 / 10 / 3600 * 0.15)
    assert cost["total"]["per_good_request"] == pytest.approx((5 + 1.3 * 0.15) / 3600 / 10)
    assert (cost["energy"]["j_per_good_request"], cost["energy"]["assumed"]) == (pytest.approx(130.0), True)


def test_every_price_has_its_source_and_date(example: dict[str, Any]) -> None:
    """A price that names none is the scenario's, as of the day of the run."""
    found = {(price["arm"], price["kind"]): (price["source"], price["date"]) for price in example["prices"]}

    assert found["baseline", "api"] == ("price list", "2026-11-01")
    assert found["candidate", "people"] == ("the scenario", "2026-11-24")
    assert ("baseline", "people") not in found


def test_the_example_is_the_one_that_is_documented() -> None:
    """The cell that carries the traffic is the plan's."""
    assert asked().plan.cell == CELL.name
