"""Cost in five steps (METRICS): tokens, waste, GPUs, people and resources, and what the change comes to.

Money is in the scenario's currency; each price has a source and a date; what is missing is named, with the way to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reports.capacity import RungSlo
from reports.cost_arm import Priced, priced_arm
from reports.cost_capacity import task_entries
from reports.cost_change import Increase, change
from reports.cost_gate import Gate, gates
from reports.cost_what_if import sensitivity, what_if
from reports.measured import Measured
from scenarios.arm_prices import prices_of, traffic_of
from scenarios.prices import KINDS, Cost
from scenarios.replicas import scales
from scenarios.scenario import Scenario

BY_US = "the scenario"  # the source of a price that names none


class Loads(msgspec.Struct, frozen=True):
    """What was measured, and which loads are good enough."""

    steps: Sequence[Measured]
    capacity: Sequence[Mapping[str, Any]]
    rungs: Sequence[RungSlo]


class Costs(msgspec.Struct, frozen=True):
    """The run's cost, and the arms that the gates are held against."""

    figures: dict[str, Any]
    arms: dict[str, Priced]
    gates: Sequence[Gate] = ()


def costs(loads: Loads, scenario: Scenario, started: str) -> Costs:
    """`cost` of the summary (format 1)."""
    entries = [*loads.capacity, *task_entries(loads.rungs)]
    arms = {arm: priced_arm(arm, loads.steps, entries, scenario) for arm in scenario.arms}
    asked = scenario.cost or Cost()
    changed = _changes(arms, loads.steps, scenario)
    adopted = {arm: one for arm, one in arms.items() if arm in changed or len(arms) == 1}
    held = gates(adopted, {arm: found for arm, (_, found) in changed.items()}, scenario.cost)
    figure = {
        "currency": asked.currency,
        "traffic": traffic_of(scenario),
        "peak_factor": asked.peak_factor,
        "value_per_month": asked.value_per_month,
        "prices": _prices(scenario, started),
        "arms": [one.figures for one in arms.values()],
        "changes": [entry for entry, _ in changed.values() if entry],
        "what_if": what_if(arms) if scenario.cost else [],
        "sensitivity": sensitivity(arms, scenario.compare.baseline, scenario.cost) if changed or len(arms) == 1 else [],
        "gates": [msgspec.to_builtins(gate) for gate in held],
    }
    return Costs({name: value for name, value in figure.items() if value not in (None, {}, [])}, arms, held)


def _changes(
    arms: Mapping[str, Priced], steps: Sequence[Measured], scenario: Scenario
) -> dict[str, tuple[dict[str, Any], Increase | None]]:
    """Each arm that could be adopted, against the baseline."""
    baseline = scenario.compare.baseline
    return {arm: change(arms[baseline], arms[arm], steps) for arm in candidates(scenario)}


def candidates(scenario: Scenario) -> list[str]:
    """The arms that could be adopted; none where arms are no choice: one service, sizes of it, twice the same."""
    compare = scenario.compare
    if len(scenario.arms) < 2 or compare.isolate or compare.aa is True or scales(scenario):
        return []
    return [arm for arm in scenario.arms if arm != compare.baseline]


def _prices(scenario: Scenario, started: str) -> list[dict[str, Any]]:
    """Every price that holds for an arm, with its source and date; one that names none is the scenario's own."""
    found = []
    for arm in scenario.arms:
        prices = prices_of(scenario, arm)
        for kind in KINDS:
            price = getattr(prices, kind)
            if price is not None:
                numbers = {name: value for name, value in msgspec.to_builtins(price).items() if value is not None}
                source, date = numbers.pop("source", BY_US), numbers.pop("date", started[:10])
                found.append({"arm": arm, "kind": kind, "price": numbers, "source": source, "date": date})
    return found
