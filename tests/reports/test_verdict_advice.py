"""What a verdict advises: hard rules outrank everything, and a pass names what it supposes."""

from __future__ import annotations

from typing import Any

import pytest
from test_cost_example import COST, asked, costed, rung, steps, tasks

from reports.capacity import RungSlo, rung_slos
from reports.cost import Costs
from reports.measured import Measured
from reports.verdict_advice import Advised, advice, near, sensitivity
from scenarios.scenario import Scenario


def seen(found: list[Measured], of: Scenario, rungs: list[RungSlo] | None = None) -> Advised:
    cost: Costs = costed(found, of)
    return Advised(of, rung_slos(found, of) if rungs is None else rungs, cost, ())


def dearer() -> list[Measured]:
    """The candidate of the worked example with the baseline's capacity and tokens: people are all it adds."""
    return [
        *steps()[:3],
        rung("candidate", 8, 10, True), rung("candidate", 16, 15, False), tasks("candidate", 300),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "word"), [("fail", "reject"), ("inconclusive", "inconclusive"), ("invalid", "inconclusive")]
)
def test_whatever_it_costs_a_breach_is_a_reject_and_no_proof_is_none(status: str, word: str) -> None:
    """A cheaper candidate is not adopted against a breach, nor without a proof; neither has conditions."""
    assert advice(status, seen(steps(), asked(), [])) == {"recommendation": word}


def test_a_pass_that_costs_more_is_adopted_on_the_condition_that_it_is_worth_it() -> None:
    """460 a month for people, on 22,499.51: the condition says how much more, and that it is not proven."""
    found = advice("pass", seen(dearer(), asked(), []))

    assert found["recommendation"] == "adopt with conditions"
    assert found["conditions"][0].startswith("what it improves is worth 460.00 USD more a month (+2.0 %")


def test_a_pass_that_saves_is_adopted() -> None:
    """Cheaper, paid back in a month, far from every limit: no condition."""
    assert advice("pass", seen(steps(), asked(), [])) == {"recommendation": "adopt"}


def test_an_undecided_slo_and_a_bill_above_the_value_are_conditions() -> None:
    """The worked example's bill of 22,961.52 against a value of 20,000, with a point that nobody decided."""
    of = asked(cost={**COST, "value_per_month": 20_000})
    undecided = [RungSlo(**{**as_dict(one), "state": "undecided"}) for one in rung_slos(steps(), of) if one.load == 8]
    found = advice("pass", seen(steps(), of, undecided))["conditions"]

    assert any("may exceed value_per_month by 2,961.52 USD" in one for one in found)
    assert any(one.startswith("the SLO is undecided at") for one in found)


def as_dict(one: RungSlo) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


def test_a_claim_that_an_assumption_nearly_flips_is_a_condition() -> None:
    """Only of a claim that holds, and only within a quarter."""
    flips = {"traffic": 1.2, "output": 0.81, "gpu_price": 1.3, "power": None}

    assert near({"holds": True, "flips": flips}) == {"traffic": 1.2, "output": 0.81}
    assert near({"holds": False, "flips": flips}) == {}


def test_what_would_flip_the_verdict_is_in_words_the_nearest_first() -> None:
    """A budget of 24,000 is kept at 22,961.52: a little more traffic breaks it."""
    found = sensitivity(seen(steps(), asked(cost={**COST, "max_monthly_cost": 24_000}), []))
    distances = [max(one["factor"], 1 / one["factor"]) for one in found]

    assert distances == sorted(distances)
    assert found[0]["text"].startswith("With 1.")
    assert any("would be beyond max_monthly_cost" in one["text"] for one in found)
