"""What the parts of the score compare: of each arm one quantity that is better when smaller, and its blocks.

tokens: API money of a request, without prices its tokens. waste: useless tokens of a request. gpu: GPU money of the
month that is judged. energy: joules of a good request at the operating point. people: a month with its people and other
money, what adopting costs spread over a year, against the baseline's month.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reports.cost_arm import Priced
from reports.cost_capacity import points_of
from reports.cost_change import by_block, same_loads
from reports.cost_missing import Missing
from reports.cost_model import month, one_off
from reports.cost_running import running_cost
from reports.cost_tokens import api_cost, consumption
from reports.measured import Measured, counting
from scenarios.scenario import Scenario

YEAR = 12  # months over which adopting is spread
Blocks = Mapping[int, float]  # a quantity by block


class Part(msgspec.Struct, frozen=True):
    """One part of a change: both arms' quantity, and ln(candidate / baseline) of each block that has both.

    `varies`: it is measured block by block; otherwise it is stated, and has no interval.
    """

    of: str
    baseline: float
    candidate: float
    logs: Mapping[int, float] = {}
    varies: bool = True

    @property
    def ratio(self) -> float:
        """Candidate / baseline: over two blocks or more exp of the mean log, else of the sums."""
        if len(self.logs) > 1:
            return math.exp(sum(self.logs.values()) / len(self.logs))
        if not self.baseline:
            return math.inf if self.candidate else 1.0
        return self.candidate / self.baseline


class Arm(msgspec.Struct, frozen=True):
    """What is known of one arm; `useless` is tokens of a request that were of no use, by block and in all."""

    priced: Priced
    steps: Sequence[Measured]
    useless: Blocks | None
    useless_mean: float | None


def parts(baseline: Arm, candidate: Arm, scenario: Scenario) -> dict[str, Part | Missing]:
    """The five parts in their order."""
    return {
        "tokens": _tokens(baseline, candidate, scenario),
        "waste": _waste(baseline, candidate, scenario),
        "gpu": _gpu(baseline, candidate),
        "energy": _energy(baseline, candidate, scenario),
        "people": _people(baseline, candidate),
    }


def part_of(of: str, whole: tuple[float, float], blocks: tuple[Blocks, Blocks]) -> Part:
    """A part from both arms' values and their blocks; a block without a value on both arms has no ratio."""
    ours, theirs = blocks[1], blocks[0]
    logs = {b: math.log(ours[b] / theirs[b]) for b in ours if ours[b] > 0 and theirs.get(b, 0.0) > 0}
    return Part(of, *whole, logs if len(logs) == len(set(ours) & set(theirs)) else {})


def _tokens(baseline: Arm, candidate: Arm, scenario: Scenario) -> Part | Missing:
    if scenario.tasks is None:
        return Missing("tokens", "not measured: tokens of the matrix are of lengths that we forced", "add [tasks]")
    arms = (baseline, candidate)
    priced = all(_spent(arm, _tasks(arm), money=True) is not None for arm in arms)
    whole = [_spent(arm, _tasks(arm), priced) for arm in arms]
    if whole[0] is None or whole[1] is None:
        return Missing("tokens", "no valid step of tasks told its tokens", "see `check`, and the invalid steps")
    blocks = [_by_block(arm, priced) for arm in arms]
    of = "API money of a request" if priced else "tokens of a request"
    return part_of(of, (whole[0], whole[1]), (blocks[0], blocks[1]))


def _tasks(arm: Arm) -> list[Measured]:
    mine = [step for step in counting(arm.steps) if step.record.step.arm == arm.priced.model.arm]
    return [step for step in mine if step.record.step.cell is None]


def _spent(arm: Arm, steps: Sequence[Measured], money: bool) -> float | None:
    """API money, else tokens, of a request of these steps."""
    consumed = consumption(steps)
    price = arm.priced.model.prices.api
    if money:
        return None if price is None else api_cost(consumed, price).get("per_request")
    sums: dict[str, int] = consumed.get("sums", {})
    if not {"input", "output"} <= set(sums) or not consumed["requests"]:
        return None
    return (sums["input"] + sums["output"]) / int(consumed["requests"])


def _by_block(arm: Arm, money: bool) -> Blocks:
    found: dict[int, list[Measured]] = {}
    for step in _tasks(arm):
        found.setdefault(step.record.step.block, []).append(step)
    spent = {block: _spent(arm, steps, money) for block, steps in found.items()}
    return {block: value for block, value in spent.items() if value is not None}


def _waste(baseline: Arm, candidate: Arm, scenario: Scenario) -> Part | Missing:
    if scenario.tasks is None:
        return Missing("waste", "not measured: what is useless is known of tasks alone", "add [tasks]")
    if baseline.useless_mean is None or candidate.useless_mean is None:
        why = "no reply's text was kept" if scenario.tasks.responses else "[tasks] responses is 0: no text is kept"
        return Missing("waste", why, "set [tasks] responses to 200")
    whole = baseline.useless_mean, candidate.useless_mean
    if whole == (0.0, 0.0):
        return Part("useless tokens of a request", *whole, varies=False)
    return part_of("useless tokens of a request", whole, (baseline.useless or {}, candidate.useless or {}))


def _gpu(baseline: Arm, candidate: Arm) -> Part | Missing:
    models = baseline.priced.model, candidate.priced.model
    months = [month(model) for model in models]
    money = [one.judged.get("gpu") if one else None for one in months]
    if not money[0] or money[1] is None:
        return _first_missing("gpu", baseline, candidate) or Missing(
            "gpu", "no price of a GPU", "add [cost.gpu] hourly"
        )
    blocks: list[Blocks] = [{}, {}]
    if same_loads(*models):
        each = [by_block(arm.priced.model, arm.steps) for arm in (baseline, candidate)]
        blocks = [{b: one.judged.get("gpu", 0.0) for b, m in of.items() if (one := month(m))} for of in each]
    return part_of("GPU money of a month, on fractional replicas", (money[0], money[1]), (blocks[0], blocks[1]))


def _energy(baseline: Arm, candidate: Arm, scenario: Scenario) -> Part | Missing:
    found = [_joules(arm, scenario) for arm in (baseline, candidate)]
    if None in (found[0][0], found[1][0]):
        why = "power was not measured at the operating point"
        return Missing("energy", why, "give the arms `gpu` addresses to sample, and add [cost.gpu]")
    whole = float(found[0][0] or 0.0), float(found[1][0] or 0.0)
    return part_of("joules of a good request at the operating point", whole, (found[0][1], found[1][1]))


def _joules(arm: Arm, scenario: Scenario) -> tuple[float | None, Blocks]:
    """Joules of a good request at the operating point, in all and by block; None where power is assumed."""
    mine = [step for step in counting(arm.steps) if step.record.step.arm == arm.priced.model.arm]
    here = points_of(mine, scenario.plan.cell).get(float(scenario.ladder.at), [])
    blocks = {step.record.step.block: _measured_joules([step]) for step in here}
    whole = _measured_joules(here) if here else None
    return whole, {block: value for block, value in blocks.items() if value is not None}


def _measured_joules(steps: Sequence[Measured]) -> float | None:
    energy: dict[str, Any] = running_cost(steps).get("energy", {})
    joules: float | None = energy.get("j_per_good_request")
    return None if energy.get("assumed", True) else joules


def _people(baseline: Arm, candidate: Arm) -> Part | Missing:
    prices = candidate.priced.model.prices
    if prices.people is None and prices.other is None:
        advice = "add [cost.people]; hours of 0 if it takes none"
        return Missing("people", "what adopting and keeping it takes of people is not stated", advice)
    found = month(baseline.priced.model)
    if found is None or not found.judged_total or not baseline.priced.whole:
        advice = "give the month what it lacks"
        return Missing(
            "people", "the baseline's month is not whole, so there is nothing to weigh people against", advice
        )
    served = found.judged_total - sum(found.judged.get(kind, 0.0) for kind in ("people", "other"))
    whole = [served + _kept(arm) for arm in (baseline, candidate)]
    of = "a month of the baseline with the arm's own people and other money; adopting spread over 12 months"
    return Part(of, whole[0], whole[1], varies=False)


def _kept(arm: Arm) -> float:
    """People and other money of a month, with a twelfth of what adopting costs."""
    found = month(arm.priced.model)
    monthly = sum(found.judged.get(kind, 0.0) for kind in ("people", "other")) if found else 0.0
    return monthly + one_off(arm.priced.model.prices) / YEAR


def _first_missing(what: str, *arms: Arm) -> Missing | None:
    return next((one for arm in arms for one in arm.priced.missing if one.what == what), None)
