"""What [search] needs of the rest of a scenario, and what follows from it where nothing else is said."""

from __future__ import annotations

from typing import Any

import msgspec

from scenarios.scenario import CellSlo, Ladder, Scenario, Slo
from scenarios.search import Search
from scenarios.slo import slo_of
from scenarios.wrong import MISSING, UNSHOWN, Where, Wrong, unknown

replace = msgspec.structs.replace
AT: Where = ("search",)


def with_search(scenario: Scenario, given: dict[str, Any]) -> Scenario:
    """A complete scenario with its search complete too; one without a search stays as it is.

    The ladder becomes the rungs that the search climbs first. One block is enough, since probes are repeated anyway;
    and an overload that is refused is an outcome here, no reason to stop.
    """
    search = scenario.search
    if search is None:
        return scenario
    if "at" in given.get("ladder", {}):
        raise Wrong(("ladder", "at"), given["ladder"]["at"], "goes without [search], which looks for the load itself")
    rungs = scenario.ladder.rungs
    low = min(rungs) if search.start is None else search.start
    high = max(rungs) if search.max is None else search.max
    search = replace(search, cells=search.cells or (scenario.plan.cell,), start=low, max=high)
    _check_loads(search, scenario.ladder)
    blocks = scenario.plan.blocks if "blocks" in given.get("plan", {}) else 1
    errors = scenario.limits.max_errors if "max_errors" in given.get("limits", {}) else 1.0
    return replace(
        scenario,
        search=search,
        ladder=_climbed(scenario.ladder, low, high),
        plan=replace(scenario.plan, blocks=blocks),
        limits=replace(scenario.limits, max_errors=errors),
    )


def check_search(scenario: Scenario) -> None:
    """Raise Wrong for a search that cannot be led."""
    search = scenario.search
    if search is None:
        return
    if scenario.compare.order == "parallel":
        raise Wrong(("compare", "order"), "parallel", "each arm is searched by itself: remove this key")
    if scenario.compare.isolate:
        raise Wrong(
            ("compare", "isolate"), scenario.compare.isolate, "needs the same loads on both arms: goes without [search]"
        )
    names = [cell.name for cell in scenario.matrix.cells]
    for index, name in enumerate(search.cells):
        if name not in names:
            raise Wrong((*AT, "cells", index), name, f"no such cell; {unknown(name, names)}")
        if name in search.cells[:index]:
            raise Wrong((*AT, "cells", index), name, "stands in the list twice")
        if not has_limits(scenario, name):
            text = f"a search needs limits that a load can miss: ttft, tpot, e2e or error_rate, for {name} here"
            raise Wrong(("slo",), MISSING if scenario.slo == Slo() else UNSHOWN, text)


def has_limits(scenario: Scenario, cell: str) -> bool:
    """Whether a load can miss the SLO in this cell."""
    return slo_of(scenario, cell) != CellSlo() or scenario.slo.error_rate is not None


def _check_loads(search: Search, ladder: Ladder) -> None:
    assert search.start is not None, "has been filled in"
    assert search.max is not None, "has been filled in"
    if not ladder.rate:
        for key, value in (("start", search.start), ("max", search.max)):
            if value != int(value):
                text = "expected a whole number of users; [ladder] rate makes it a search for requests/s"
                raise Wrong((*AT, key), value, text)
    if search.max <= search.start:
        where = f"{search.start:g}, where the search starts ([search] start, or the ladder's lowest rung)"
        raise Wrong((*AT, "max"), search.max, f"expected more than {where}")


def _climbed(ladder: Ladder, low: float, high: float) -> Ladder:
    """The ladder as the search climbs it while every load is met: from `low` by twos, `high` at the end."""
    rungs = [low]
    while rungs[-1] * 2 < high:
        rungs.append(rungs[-1] * 2)
    rungs.append(high)
    if ladder.rate:
        return replace(ladder, rate=tuple(rungs), at=low)
    return replace(ladder, concurrency=tuple(map(int, rungs)), at=int(low))
