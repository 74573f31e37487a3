"""Arms that are one service in several sizes: a study of how it scales, no change under test."""

from __future__ import annotations

from typing import Any

import msgspec

from scenarios.scenario import Scenario

replace = msgspec.structs.replace


def unpaired(scenario: Scenario, given: dict[str, Any]) -> Scenario:
    """The scenario; where its arms differ in `replicas` there is no candidate, unless the file names one."""
    asked = given.get("compare", {})
    if _sizes(scenario) < 2 or "candidate" in asked or asked.get("isolate"):
        return scenario
    return replace(scenario, compare=replace(scenario.compare, candidate=""))


def scales(scenario: Scenario) -> bool:
    """Whether the arms are sizes of one service: then nothing is compared, and efficiency is what the report says."""
    return _sizes(scenario) > 1 and not scenario.compare.candidate


def _sizes(scenario: Scenario) -> int:
    return len({arm.replicas for arm in scenario.arms.values()})
