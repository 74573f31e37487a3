"""Which prices, how many GPUs and how much traffic an arm is priced with."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase

from scenarios.prices import KINDS, Cost, Prices
from scenarios.scenario import Scenario
from scenarios.wrong import Wrong

OF_THE_CHANGE = ("people", "other")  # common tables of these are of what is adopted: the baseline is in place
TASKS = "tasks"  # in the place of a cell's name


def prices_of(scenario: Scenario, arm: str) -> Prices:
    """Each kind from the arm's own table, else from the common one; people and other cost what the change costs."""
    own, common = scenario.arms[arm].cost or Cost(), scenario.cost or Cost()
    in_place = len(scenario.arms) > 1 and arm == scenario.compare.baseline
    found = {}
    for kind in KINDS:
        shared = None if in_place and kind in OF_THE_CHANGE else getattr(common, kind)
        found[kind] = getattr(own, kind) if getattr(own, kind) is not None else shared
    replicas = scenario.arms[arm].replicas
    if replicas == 1 and found["gpu"] is not None:
        replicas = found["gpu"].replicas
    return Prices(**found, replicas=replicas)


def traffic_of(scenario: Scenario) -> dict[str, float]:
    """Requests per month by cell (and "tasks"); empty without any.

    A number is traffic of the plan's cell. Of several patterns the last that matches a cell counts, and what a pattern
    gives is spread evenly over the cells that are its own.
    """
    asked = scenario.cost.requests_per_month if scenario.cost else None
    if not isinstance(asked, dict):
        return {} if asked is None else {scenario.plan.cell: asked}
    owners: dict[str, str] = {}
    for pattern in asked:
        owners |= {cell.name: pattern for cell in scenario.matrix.cells if fnmatchcase(cell.name, pattern)}
    owned = Counter(owners.values())
    cells = {name: asked[pattern] / owned[pattern] for name, pattern in owners.items()}
    return cells | ({TASKS: asked[TASKS]} if TASKS in asked else {})


def task_traffic(scenario: Scenario) -> float | None:
    """Requests per month that are like the tasks: those named so, or all of them where traffic is one number."""
    asked = scenario.cost.requests_per_month if scenario.cost else None
    return asked.get(TASKS) if isinstance(asked, dict) else asked


def check_replicas(scenario: Scenario) -> None:
    """Raise Wrong where an arm and its price name different numbers of replicas."""
    for name, arm in scenario.arms.items():
        gpu = arm.cost.gpu if arm.cost else None
        if gpu is not None and gpu.replicas != 1 and arm.replicas not in (1, gpu.replicas):
            text = f"the arm has replicas = {arm.replicas}: give one of them"
            raise Wrong(("arms", name, "cost", "gpu", "replicas"), gpu.replicas, text)
