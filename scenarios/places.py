"""Where an arm is measured: its address and how it is reached, apart from what is asked there.

Two arms that are measured at once, on hardware of their own, change places half way (DESIGN 4): what differs between
the places then falls on both arms alike.
"""

from __future__ import annotations

import msgspec

from scenarios.scenario import Arm, Scenario

PLACE = ("url", "proxy", "ca_file", "client_cert", "client_key", "server_name", "ready", "metrics", "gpu")


def at_once(scenario: Scenario) -> list[tuple[str, ...]]:
    """The arms in groups that are measured at the same time, the baseline's first: each alone, or all of them."""
    arms = sorted(
        scenario.arms, key=lambda arm: arm != scenario.compare.baseline
    )  # stable: the others keep their order
    return [tuple(arms)] if scenario.compare.order == "parallel" else [(arm,) for arm in arms]


def swapped(scenario: Scenario) -> Scenario:
    """The scenario with its baseline at the candidate's place and the candidate at the baseline's."""
    one, other = scenario.compare.baseline, scenario.compare.candidate
    if not (one and other):
        return scenario
    arms = {**scenario.arms, one: _at(scenario, one, other), other: _at(scenario, other, one)}
    return msgspec.structs.replace(scenario, arms=arms)


def swaps(scenario: Scenario) -> bool:
    """Whether the arms change places half way: measured at once, and each can be brought up (`before`) at either."""
    compared = (scenario.arms.get(scenario.compare.baseline), scenario.arms.get(scenario.compare.candidate))
    movable = all(arm is not None and arm.before is not None for arm in compared)
    return scenario.compare.order == "parallel" and movable and not scenario.compare.aa


def _at(scenario: Scenario, arm: str, place: str) -> Arm:
    there = scenario.arms[place]
    return msgspec.structs.replace(scenario.arms[arm], **{key: getattr(there, key) for key in PLACE})
