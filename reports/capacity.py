"""Which rungs meet the SLO, and how far each cell of each arm goes (METRICS "SLO")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from reports.measured import Measured, counting
from reports.stats import share_bounds
from scenarios.scenario import Cell, Scenario
from scenarios.slo import has_slo


class RungSlo(msgspec.Struct, frozen=True):
    """One rung of one cell of one arm, blocks pooled: is the SLO met there?"""

    arm: str
    cell: Cell | None
    load: float  # users at once, or in open loop requests per second
    state: str  # met, breached or undecided
    good_share: float
    bounds: tuple[float, float]
    failed_share: float
    errors_breached: bool


def rung_slos(steps: Sequence[Measured], scenario: Scenario) -> list[RungSlo]:
    """Every point with a valid step, in the order of the run's points; empty without an SLO."""
    if not has_gate(scenario):
        return []
    points: dict[tuple[object, ...], list[Measured]] = {}
    for step in counting(steps):
        points.setdefault(step.point, []).append(step)
    return [_rung(point, scenario) for point in points.values()]


def has_gate(scenario: Scenario) -> bool:
    """Whether anything of a single arm can be breached."""
    return has_slo(scenario) or scenario.slo.error_rate is not None


def _rung(point: Sequence[Measured], scenario: Scenario) -> RungSlo:
    step = point[0].record.step
    sent = sum(one.sent for one in point)
    good = sum(int(one.good.sum()) for one in point)
    failed = sent - sum(int(one.ok.sum()) for one in point)
    low, high = share_bounds(good, sent)
    attain = scenario.slo.attain
    limit = scenario.slo.error_rate
    return RungSlo(
        arm=step.arm,
        cell=step.cell,
        load=step.load,
        state="met" if low >= attain else "breached" if high < attain else "undecided",
        good_share=good / sent if sent else 0.0,
        bounds=(low, high),
        failed_share=failed / sent if sent else 0.0,
        errors_breached=limit is not None and share_bounds(failed, sent)[0] > limit,
    )


def breaches(rungs: Sequence[RungSlo], scenario: Scenario) -> list[str]:
    """Sentences about breaches at gated rungs: those of the matrix up to the operating point, and the tasks."""
    said = []
    for rung in rungs:
        if not is_gated(rung, scenario):
            continue
        name, is_rate = (rung.cell.name, bool(scenario.ladder.rate)) if rung.cell else ("tasks", False)
        where = f"{rung.arm}, {name} at {users(rung.load, is_rate)}"
        if rung.state == "breached" and has_slo(scenario):
            said.append(f"{where}: {rung.good_share:.1%} of the requests were good, {scenario.slo.attain:.0%} must be.")
        if rung.errors_breached:
            said.append(f"{where}: {rung.failed_share:.1%} of the requests failed, {scenario.slo.error_rate:.1%} may.")
    return said


def users(load: float, is_rate: bool = False) -> str:
    """A rung in words: users at once, or a rate."""
    if is_rate:
        return f"{load:g} requests/s"
    return "1 user" if load == 1 else f"{load:g} users"


def is_gated(rung: RungSlo, scenario: Scenario) -> bool:
    """Rungs above the operating point are exploration and never gate; of several arms the baseline does not either."""
    if len(scenario.arms) > 1 and rung.arm == scenario.compare.baseline:
        return False
    if scenario.search is not None and rung.cell is not None:  # the loads of a search are there to be missed
        return False
    if scenario.soak is not None:  # judged as a whole
        return False
    return rung.cell is None or rung.load <= scenario.ladder.at


def capacities(rungs: Sequence[RungSlo], scenario: Scenario) -> list[dict[str, Any]]:
    """Per arm and cell the interval [highest rung that meets the SLO, the next rung]; null = none, or none above.

    `undecided` names the rungs above the highest whose requests were too few to tell: the capacity may lie there.
    """
    if not has_slo(scenario) or scenario.soak is not None:  # disturbed loads are no ladder
        return []
    ladders: dict[tuple[str, Cell], dict[float, str]] = {}
    for rung in rungs:
        if rung.cell is not None:
            ladders.setdefault((rung.arm, rung.cell), {})[rung.load] = rung.state
    return [_capacity(arm, cell, states) for (arm, cell), states in ladders.items()]


def _capacity(arm: str, cell: Cell, states: dict[float, str]) -> dict[str, Any]:
    climbed = sorted(states)
    met = [rung for rung in climbed if states[rung] == "met"]
    highest = met[-1] if met else None
    above = [rung for rung in climbed if highest is None or rung > highest]
    return {
        "arm": arm,
        "cell": msgspec.to_builtins(cell),
        "rung": highest,
        "next": above[0] if above else None,
        "undecided": [rung for rung in above if states[rung] == "undecided"],
    }
