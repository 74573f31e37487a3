"""Fills in what depends on the rest of a scenario: cells, `at`, blocks, who is compared with whom, paths."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from scenarios.data import Data
from scenarios.isolate import with_roles
from scenarios.open_loop import check_ladder, with_trace
from scenarios.replicas import unpaired
from scenarios.scenario import WITHOUT_OUTPUT, Arm, Cell, Compare, Design, Ladder, Matrix, Scenario, Tasks
from scenarios.search_rules import with_search
from scenarios.soak_rules import with_soak
from scenarios.spread import mean_size
from scenarios.wrong import Where, Wrong, printable, unknown

replace = msgspec.structs.replace
Part = TypeVar("Part", Arm, Tasks, Data)

DEFAULT_AT = 8  # the operating point: the highest rung up to here; with isolation 1, where every cell is then paired
FILES = ("api_key_file", "ca_file", "client_cert", "client_key")  # of an arm
ACCEPTED_CELLS = '"all", or a list such as ["short/short", "long/medium"]'


def complete(scenario: Scenario, given: dict[str, Any], locate: Callable[[str, Where], str]) -> Scenario:
    """The scenario without anything left open; `given` is the file's data, which tells a default from a choice."""
    rungs = given.get("ladder", {})
    check_ladder(scenario.ladder, rungs)
    matrix = with_cells(_with_output(scenario, given), given.get("matrix", {}).get("cells", "all"), scenario.data)
    ladder, matrix = with_trace(scenario.ladder, matrix, given, locate)
    arms = {name: _located(arm, ("arms", name), FILES, locate) for name, arm in scenario.arms.items()}
    if scenario.compare.aa is True:
        arms = _with_twin(arms)
    whole = replace(
        scenario,
        arms=arms,
        ladder=_with_at(ladder, rungs, 1 if scenario.compare.isolate else DEFAULT_AT),
        matrix=matrix,
        tasks=scenario.tasks and _located(scenario.tasks, ("tasks",), ("file",), locate),
        data=scenario.data and _located(scenario.data, ("data",), ("file",), locate),
        plan=_with_blocks(scenario.plan, given.get("plan", {}), len(arms), matrix.cells),
        compare=_with_arms(_with_proof(with_roles(scenario.compare, arms), locate), list(arms)),
    )
    return with_soak(with_search(unpaired(whole, given), given), given)


def _with_output(scenario: Scenario, given: dict[str, Any]) -> Matrix:
    """Where no arm generates anything there is one size of output, unless the file says otherwise."""
    silent = all(arm.api in WITHOUT_OUTPUT for arm in scenario.arms.values())
    return (
        replace(scenario.matrix, output={"none": 1})
        if silent and "output" not in given.get("matrix", {})
        else scenario.matrix
    )


def with_cells(matrix: Matrix, asked: Any, data: Data | None = None) -> Matrix:
    """The matrix with its cells: every crossing, or those that are asked for, in the order of the sizes."""
    expected = (data.expected_input, data.expected_output) if data else (0, 0)
    given = {name: mean_size(size, expected[0]) for name, size in matrix.input.items()}
    made = {name: mean_size(size, expected[1]) for name, size in matrix.output.items()}
    crossed = {
        f"{i}/{o}": Cell(input=i, output=o, input_tokens=given[i], output_tokens=made[o]) for i in given for o in made
    }
    if asked == "all":
        return replace(matrix, cells=tuple(crossed.values()))
    if not isinstance(asked, list) or not asked:
        raise Wrong(("matrix", "cells"), asked, f"expected {ACCEPTED_CELLS}")
    names = [_cell_name(name, crossed, ("matrix", "cells", i)) for i, name in enumerate(asked)]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise Wrong(("matrix", "cells", i), asked[i], "stands in the list twice")
    return replace(matrix, cells=tuple(cell for name, cell in crossed.items() if name in names))


def _cell_name(name: Any, crossed: dict[str, Cell], at: Where) -> str:
    if not isinstance(name, str):
        raise Wrong(at, name, f"expected {ACCEPTED_CELLS}")
    plain = "/".join(part.strip() for part in name.split("/"))
    if plain not in crossed:
        raise Wrong(at, name, f"no such cell; {unknown(plain, crossed)}")
    return plain


def _with_at(ladder: Ladder, given: dict[str, Any], highest: int) -> Ladder:
    rungs = tuple(sorted(ladder.rungs))
    at = ladder.at if "at" in given else max((rung for rung in rungs if rung <= highest), default=rungs[0])
    return replace(ladder, **{"rate" if ladder.rate else "concurrency": rungs}, at=at)


def _with_blocks(plan: Design, given: dict[str, Any], arms: int, cells: tuple[Cell, ...]) -> Design:
    """Pairs need blocks and one arm has no pairs; the ladder's cell is the middle one where the default is no cell."""
    names = [cell.name for cell in cells]
    middle = plan.cell if "cell" in given or plan.cell in names else names[len(names) // 2]
    return replace(plan, cell=middle, blocks=plan.blocks if "blocks" in given or arms > 1 else 1)


def _with_arms(compare: Compare, arms: list[str]) -> Compare:
    """The first arm is the baseline, and of two the other one is the candidate, unless the file says otherwise."""
    baseline = compare.baseline or next((arm for arm in arms if arm != compare.candidate), arms[0])
    others = [arm for arm in arms if arm != baseline]
    candidate = compare.candidate or (others[0] if len(others) == 1 else "")
    return replace(compare, baseline=baseline if len(arms) > 1 else compare.baseline, candidate=candidate)


def _with_twin(arms: dict[str, Arm]) -> dict[str, Arm]:
    """An A/A run of a single arm measures it twice, under two names."""
    return {twin: arm for name, arm in arms.items() for twin in (name, f"{name}-again")} if len(arms) == 1 else arms


def _with_proof(compare: Compare, locate: Callable[[str, Where], str]) -> Compare:
    """The A/A run that is given, as the path of its summary."""
    if isinstance(compare.aa, bool):
        return compare
    return replace(compare, aa=locate(os.path.join(compare.aa, "summary.json"), ("compare", "aa")))


def _located(part: Part, at: Where, keys: tuple[str, ...], locate: Callable[[str, Where], str]) -> Part:
    """The part with its file names as paths that hold wherever the run is led from."""
    paths = {key: getattr(part, key) for key in keys}
    return replace(part, **{key: locate(path, (*at, key)) for key, path in paths.items() if path is not None})


def readable(path: str | Path, given: str, at: Where) -> str:
    """The absolute path of a file that can be read; raises Wrong when it cannot."""
    whole = os.path.abspath(os.path.expanduser(path))
    try:
        with Path(whole).open("rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Wrong(at, given, f"expected a file that can be read ({printable(whole)}: {why})") from None
    return whole
