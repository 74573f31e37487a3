"""Cost gates fail on proof, pass on proof, and otherwise say what is missing; what is missing is never 0."""

from __future__ import annotations

from typing import Any

import pytest
from measurements import measured
from test_cost_example import COST, asked, costed, rung, steps, tasks

from reports.cost_running import running_cost
from reports.measured import Measured, replace
from reports.verdict import Evidence, verdict
from scenarios.arm_prices import prices_of, traffic_of
from scenarios.prices import ApiPrice

ONE = ("baseline",)


def one_arm(**cost: Any) -> tuple[list[Any], str]:
    """The gates of a single arm, and the run's verdict."""
    of = asked(arms=ONE, cost={**COST, **cost})
    mine = [step for step in steps() if step.record.step.arm == "baseline"]
    cost_ = costed(mine, of)
    return list(cost_.gates), verdict(Evidence(of, mine, [], [], [], None, cost=cost_))["status"]


def blocks(per_s: list[float], arm: str, users: int = 8) -> list[Measured]:
    return [
        measured([0.2] * 100, finished=10 * rate, arm=arm, block=b + 1, concurrency=users, id=f"{arm}-{b}-{users}")
        for b, rate in enumerate(per_s)
    ]


def priced(**changes: Any) -> dict[str, Any]:
    """The example's prices without what is None."""
    return {name: value for name, value in {**COST, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("limit", "state", "status"),
    [
        (18_000.0, "breached", "fail"),
        (24_500.0, "met", "pass"),
        (22_000.0, "undecided", "inconclusive"),
        (24_400.0, "undecided", "inconclusive"),
    ],
)
def test_a_budget_is_held_against_both_ends_of_the_bill(limit: float, state: str, status: str) -> None:
    """At the next rung's capacity the bill is 20,115.25 with 3 replicas, at the measured one 23,907.60.

    Of that 569.40 are of an assumed power: a budget that twice as much would break is not met.
    """
    (gate,), found = one_arm(max_monthly_cost=limit)

    assert (gate.state, found) == (state, status)


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"gpu": None, "api": None, "electricity": None}, "add [cost.gpu] hourly"),
        ({"requests_per_month": None}, "add requests_per_month to [cost]"),
        ({"electricity": None}, "add [cost.electricity] per_kwh"),
        ({"gpu": {"hourly": 2.50, "owned": True}}, "state [cost.gpu] gpu_watts"),
        ({"api": {"input": 0.15}}, "add output to [cost.api]"),
    ],
)
def test_a_budget_without_a_price_is_inconclusive_and_says_how_to_give_it(changes: dict[str, Any], advice: str) -> None:
    """A gate without its figures is no pass."""
    of = asked(arms=ONE, cost=priced(max_monthly_cost=1e9, **changes))
    mine = [step for step in steps() if step.record.step.arm == "baseline"]
    cost = costed(mine, of)
    found = verdict(Evidence(of, mine, [], [], [], None, cost=cost))

    assert [gate.state for gate in cost.gates] == ["missing"]
    assert found["status"] == "inconclusive"
    assert advice in found["reasons"][0]


def test_without_an_slo_there_is_no_capacity_and_no_month_of_gpus() -> None:
    """What load is good enough is not known: the GPUs' month is absent, with the way to it."""
    of = asked(arms=ONE, slo={})
    (arm,) = costed([step for step in steps() if step.record.step.arm == "baseline"], of).figures["arms"]

    assert "gpu" not in arm["month"]["bill"]
    assert arm["missing"] == [
        {
            "what": "gpu",
            "why": "no SLO, so no load is known to be good enough",
            "advice": "add [slo] limits such as ttft or tpot",
            "counts": True,
        }
    ]


def test_tokens_of_the_matrix_are_never_api_money() -> None:
    """Without tasks there is no API figure, though the matrix has tokens."""
    (arm,) = costed(steps()[:2], asked(arms=ONE)).figures["arms"]

    assert "api" not in arm
    assert "api" not in arm["month"]["bill"]


def test_zero_good_requests_cost_no_sum_each() -> None:
    """Money per good request is absent where none was good, not 0 and not infinite."""
    step = replace(rung("baseline", 16, 15, False), prices=prices_of(asked(), "baseline"))
    cost = running_cost([step])

    assert "per_good_request" not in cost["gpu"]
    assert "per_good_request" not in cost["total"]
    assert cost["gpu"]["per_request"] == pytest.approx(5 / 3600 / 15)


def test_an_assumed_power_decides_nothing() -> None:
    """A budget between the bill with no power and with twice of it is undecided; the sentence says so."""
    (gate,), status = one_arm(max_monthly_cost=23_700.0, gpu={**COST["gpu"], "gpu_watts": 900})

    assert (gate.state, status) == ("undecided", "inconclusive")
    assert "a power that is assumed" in gate.text


def increase(rates: list[float], limit: float, **more: Any) -> Any:
    """The gate of a candidate with these capacities by block, against a baseline of 10 per second."""
    found = blocks([10.0] * len(rates), "baseline") + blocks(rates, "candidate")
    cost = {"requests_per_month": 26_280_000, "gpu": {"hourly": 2.5}, "max_cost_increase": limit, **more}
    (gate,) = costed(found, asked(cost=cost)).gates
    return gate


def test_a_cost_increase_is_proven_over_pairs_of_blocks() -> None:
    """A capacity 20 % lower is 25 % dearer: breached at 10 %, met at 30 %, undecided with three pairs."""
    rates = [8.0, 8.01, 7.99, 8.0, 8.02, 7.98]

    assert increase(rates, 0.1).state == "breached"
    assert increase(rates, 0.3).state == "met"
    assert increase(rates[:3], 0.1).state == "undecided"


def test_an_assumed_power_decides_no_increase_either() -> None:
    """25 % dearer for certain, but with a power that is a guess on both sides 27 % may be kept or not."""
    rates = [8.0, 8.01, 7.99, 8.0, 8.02, 7.98]
    assumed = {"gpu": {"hourly": 2.5, "owned": True, "gpu_watts": 350}, "electricity": {"per_kwh": 0.30}}

    assert increase(rates, 0.27).state == "met"
    assert increase(rates, 0.27, **assumed).state == "undecided"
    assert "a power that is assumed" in increase(rates, 0.27, **assumed).text
    assert increase(rates, 0.60, **assumed).state == "met"
    assert increase(rates, 0.02, **assumed).state == "breached"


def test_traffic_by_pattern_is_spread_over_its_own_cells() -> None:
    """The last pattern that matches a cell owns it; what a pattern gives is split over the cells it owns."""
    of = asked(
        matrix={"input": {"s": 128, "l": 1024}, "output": {"s": 32, "l": 64}},
        cost={"requests_per_month": {"*": 300.0, "l/l": 50.0, "tasks": 7.0}},
    )

    assert traffic_of(of) == {"s/s": 100.0, "s/l": 100.0, "l/s": 100.0, "l/l": 50.0, "tasks": 7.0}


def test_cached_tokens_without_a_price_cost_as_others_do() -> None:
    """1,000 tokens at 1 per million, 400 of them cached at half of it."""
    assert ApiPrice(input=1.0, output=0.0).given(0, 1000, 400) == pytest.approx(0.001)
    assert ApiPrice(input=1.0, cached_input=0.5, output=0.0).given(0, 1000, 400) == pytest.approx(0.0008)


def test_a_price_of_requests_alone_lacks_nothing() -> None:
    """Per-request prices have no price of tokens; a price of input alone lacks the output's."""
    assert ApiPrice(request=0.01).lacks is None
    assert ApiPrice(input=0.1).lacks == "output"
    assert ApiPrice(input=0.1, output=0.2).lacks is None


def test_tasks_are_measured_on_their_own() -> None:
    """Two arms with tasks alone have API money and no GPUs'."""
    of = asked(cost={"requests_per_month": 1_000_000, "api": COST["api"]})
    found = costed([tasks("baseline", 300), tasks("candidate", 240)], of).figures

    assert [round(arm["month"]["total"], 2) for arm in found["arms"]] == [315.00, 279.00]
