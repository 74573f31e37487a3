"""What parallel arms prove: each ran on hardware of its own, so a difference may be the hardware's (DESIGN 4). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reports.pairs import Pairs
from reports.tokenizers import PER_CHARACTER
from scenarios.places import swaps
from scenarios.scenario import Scenario

AT_HOME = (
    "parallel arms that did not change places: the effect includes their hardware; give both arms a `before` command, "
    "so that they change places half way, or an A/A run of the same places ([compare] aa)"
)


def held_to_places(
    pairs: Sequence[Pairs], scenario: Scenario, known_alike: Sequence[Mapping[str, Any]] | None
) -> list[Pairs]:
    """The pairs, those of parallel arms with the reason why they prove nothing yet, where there is one.

    They prove something when the arms were at either place in equally many blocks (the place falls on both alike, and
    its effect widens the interval), or when an A/A run of the places shows them alike at this comparison.
    """
    if scenario.compare.order != "parallel" or scenario.compare.aa is True:
        return list(pairs)
    alike = {_place_of(one) for one in known_alike or () if one.get("verdict") == "same"}
    return [msgspec.structs.replace(pair, held=_held(pair, scenario, alike)) for pair in pairs]


def _held(pair: Pairs, scenario: Scenario, alike: set[tuple[Any, ...]]) -> str | None:
    if swaps(scenario):
        moved = sum(block > scenario.plan.blocks // 2 for block in pair.blocks)
        if moved * 2 == len(pair.blocks):
            return None
        return f"{len(pair.blocks) - moved} pairs at home and {moved} at the other's place do not balance the hardware"
    if not scenario.compare.aa:
        return AT_HOME
    cell = msgspec.to_builtins(pair.cell)
    metric = "tpot_s" if pair.metric == PER_CHARACTER else pair.metric  # an A/A run has one tokenizer
    if _place_of({"level": pair.level, "cell": cell, "concurrency": pair.concurrency, "metric": metric}) in alike:
        return None
    return "the A/A run does not show the two places alike here, within the threshold"


def _place_of(comparison: Mapping[str, Any]) -> tuple[Any, ...]:
    cell = comparison.get("cell") or {}
    return comparison["level"], tuple(sorted(cell.items())), comparison["concurrency"], comparison["metric"]
