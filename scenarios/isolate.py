"""Isolation by pairing ([compare] isolate): a service beside the model that it calls, with the same prompts."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from scenarios.scenario import Compare, Scenario
from scenarios.wrong import UNSHOWN, Wrong

MODEL, SERVICE = "direct", "service"  # the arms' roles, by name, where the scenario does not say


def with_roles(compare: Compare, arms: Iterable[str]) -> Compare:
    """The comparison with `direct` as its baseline and `service` as its candidate, where there are such arms."""
    if not compare.isolate:
        return compare
    names = list(arms)
    baseline = compare.baseline or (MODEL if MODEL in names and compare.candidate != MODEL else "")
    candidate = compare.candidate or (SERVICE if SERVICE in names and baseline != SERVICE else "")
    return msgspec.structs.replace(compare, baseline=baseline, candidate=candidate)


def check_isolate(scenario: Scenario) -> None:
    """Raise Wrong for a scenario that can isolate nothing: it takes two arms in turn, and a rung of 1 user."""
    compare, at = scenario.compare, ("compare", "isolate")
    if not compare.isolate:
        return
    if len(scenario.arms) != 2:
        raise Wrong(at, True, f"expected two arms, such as {MODEL} and {SERVICE}; given: {', '.join(scenario.arms)}")
    if compare.aa:
        raise Wrong(("compare", "aa"), UNSHOWN, "goes without isolate: a model and a service around it are not alike")
    if compare.order == "parallel":
        raise Wrong(("compare", "order"), compare.order, "goes without isolate: both arms would share the model's time")
    if scenario.ladder.rate or 1 not in scenario.ladder.concurrency:
        text = "needs a rung of 1 user, at which nobody else's request is in the way: ladder.concurrency = [1]"
        raise Wrong(at, True, text)


def looks_inside(scenario: Scenario) -> bool:
    """Whether a scenario asks what a service does beside calling its model."""
    return scenario.compare.isolate or any(arm.stages is not None for arm in scenario.arms.values())
