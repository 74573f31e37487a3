"""What [soak] and [[disturbance]] need of the rest of a scenario, and what follows from them."""

from __future__ import annotations

from typing import Any

import msgspec

from scenarios.scenario import Ladder, Scenario
from scenarios.soak import Soak, Spike
from scenarios.wrong import UNSHOWN, Where, Wrong, unknown

replace = msgspec.structs.replace
AT: Where = ("soak",)
SHORTEST_S = 1.0  # of a stretch at one load


def with_soak(scenario: Scenario, given: dict[str, Any]) -> Scenario:
    """A complete scenario with its soak complete too; one without stays as it is.

    The ladder becomes the soak's loads. There is one block; a stretch is never repeated, since its time is gone; and
    what fails is an outcome, no reason to stop.
    """
    soak = scenario.soak
    if soak is None:
        return scenario
    soak = replace(soak, cell=soak.cell or scenario.plan.cell, load=soak.load or scenario.ladder.at)
    assert soak.load is not None, "just filled in"
    loads = tuple(sorted({soak.load, *(spike.load for spike in soak.spike)}))
    errors = scenario.limits.max_errors if "max_errors" in given.get("limits", {}) else 1.0
    return replace(
        scenario,
        soak=soak,
        ladder=_at(scenario.ladder, loads, soak.load),
        plan=replace(scenario.plan, blocks=scenario.plan.blocks if "blocks" in given.get("plan", {}) else 1),
        window=replace(scenario.window, retries=0),
        limits=replace(scenario.limits, max_errors=errors),
    )


def check_soak(scenario: Scenario) -> None:
    """Raise Wrong for a soak that cannot be led."""
    soak = scenario.soak
    if soak is None:
        if scenario.disturbance:
            raise Wrong(("disturbance",), UNSHOWN, "needs [soak]: a ladder that is disturbed would prove nothing")
        return
    for key in ("tasks", "search"):
        if getattr(scenario, key) is not None:
            raise Wrong((key,), UNSHOWN, "goes without [soak], which holds one load of one cell")
    if scenario.compare.order == "parallel":
        raise Wrong(("compare", "order"), "parallel", "each arm has a soak of its own: remove this key")
    if scenario.compare.isolate:
        raise Wrong(("compare", "isolate"), scenario.compare.isolate, "goes without [soak]")
    names = [cell.name for cell in scenario.matrix.cells]
    if soak.cell not in names:
        raise Wrong((*AT, "cell"), soak.cell, f"no such cell; {unknown(soak.cell, names)}")
    _check_times(soak)
    for index, one in enumerate(scenario.disturbance):
        if one.at >= soak.duration:
            text = f"expected less than [soak] duration, {soak.duration:g} s"
            raise Wrong(("disturbance", index, "at"), one.at, text)
    if soak.recover is not None and not soak.spike and not scenario.disturbance:
        raise Wrong((*AT, "recover"), soak.recover, "nothing to recover from: add [[disturbance]] or [[soak.spike]]")


def _at(ladder: Ladder, loads: tuple[float, ...], load: float) -> Ladder:
    if ladder.rate:
        return replace(ladder, rate=loads, at=load)
    for one in loads:
        if one != int(one):
            where = (*AT, "load") if one == load else (*AT, "spike")
            raise Wrong(where, one, "expected a whole number of users; [ladder] rate makes it requests per second")
    return replace(ladder, concurrency=tuple(map(int, loads)), at=int(load))


def _check_times(soak: Soak) -> None:
    free = 0.0  # where the next spike may begin
    ordered = sorted(enumerate(soak.spike), key=lambda one: one[1].at)
    for index, spike in ordered:
        where = (*AT, "spike", index)
        if spike.at < free + SHORTEST_S:
            before = f"the end of the one before it, {free:g} s," if free else "the soak's beginning"
            raise Wrong((*where, "at"), spike.at, f"expected at least {SHORTEST_S:g} s after {before}")
        if spike.load == soak.load:
            raise Wrong((*where, "load"), spike.load, "is the soak's own load: expected another one")
        if spike.lasting < SHORTEST_S:
            raise Wrong((*where, "lasting"), spike.lasting, f"expected at least {SHORTEST_S:g} s")
        free = _end(spike, soak, where)
    if soak.duration < 2 * soak.hold:
        raise Wrong((*AT, "hold"), soak.hold, f"expected at most half of duration, {soak.duration:g} s")


def _end(spike: Spike, soak: Soak, where: Where) -> float:
    end = spike.at + spike.lasting
    if spike.at >= soak.duration:
        raise Wrong((*where, "at"), spike.at, f"expected less than [soak] duration, {soak.duration:g} s")
    if soak.duration - SHORTEST_S < end < soak.duration:
        text = f"ends {soak.duration - end:g} s before [soak] duration: expected {SHORTEST_S:g} s or more, or none"
        raise Wrong((*where, "lasting"), spike.lasting, text)
    return end
