import re
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.load import scenario_of
from scenarios.scenario import Scenario
from shapes._estimate import estimate
from shapes._plan import Plan, make_plan, rungs_of


def scenario_with(arms: int = 2, **tables: object) -> Scenario:
    """A complete scenario with so many arms."""
    data = {"arms": {f"arm-{i}": {"url": f"http://h{i}"} for i in range(arms)}, **tables}
    return scenario_of(data, Path("x.toml"), [], {})


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Any small scenario: arms, blocks, sizes, rungs, design, tasks, seed."""
    blocks = draw(st.integers(1, 7))
    sizes = st.dictionaries(st.sampled_from(["s", "m_1", "l.x"]), st.integers(20, 4000), min_size=1)
    tables: dict[str, object] = {
        "seed": draw(st.integers(0, 2**63 - 1)),
        "plan": {"design": draw(st.sampled_from(["cross", "full"])), "blocks": blocks},
        "ladder": {"concurrency": draw(st.lists(st.integers(1, 64), min_size=1, max_size=5, unique=True))},
        "matrix": {"input": draw(sizes), "output": draw(sizes)},
    }
    if draw(st.booleans()):
        tables["tasks"] = {"requests": draw(st.integers(blocks, 100)), "concurrency": draw(st.integers(1, 9))}
    return scenario_with(draw(st.integers(1, 3)), **tables)


def firsts(plan: Plan) -> dict[object, list[str]]:
    """Per cell (None: the tasks), which arm went first in each block."""
    found: dict[object, dict[int, str]] = defaultdict(dict)
    for one in plan.passes:
        found[one.cell].setdefault(one.block, one.arms[0])
    return {cell: list(by_block.values()) for cell, by_block in found.items()}


@settings(max_examples=150, deadline=None)
@given(scenarios())
def test_every_block_visits_every_point_once_on_every_arm(scenario: Scenario) -> None:
    """The points of a block are the design's, on each arm, once; ids are unique and safe as file names."""
    steps = make_plan(scenario).steps
    visits = Counter((s.block, s.arm, s.cell, s.concurrency) for s in steps if s.workload == "matrix")
    assert visits == {
        (block, arm, cell, rung): 1
        for block in range(1, scenario.plan.blocks + 1)
        for arm in scenario.arms
        for cell in scenario.matrix.cells
        for rung in rungs_of(scenario, cell)
    }
    ids = [step.id for step in steps]
    assert len({one.lower() for one in ids}) == len(ids)
    assert all(re.fullmatch(r"b\d+-[A-Za-z0-9._]+-c\d+-[A-Za-z0-9._-]+", one) for one in ids)


@settings(max_examples=150, deadline=None)
@given(scenarios())
def test_arms_of_a_cell_are_neighbours_and_share_the_first_place(scenario: Scenario) -> None:
    """A cell's passes in a block are adjacent, one per arm; over the blocks each arm is first equally often, +-1."""
    plan = make_plan(scenario)
    arms = len(scenario.arms)
    for start in range(0, len(plan.passes), arms):
        group = plan.passes[start : start + arms]
        assert {one.arms for one in group} == {(arm,) for arm in scenario.arms}
        assert len({(one.block, one.cell, one.workload) for one in group}) == 1
    for order in firsts(plan).values():
        times = [order.count(arm) for arm in scenario.arms]
        assert sum(times) == scenario.plan.blocks
        assert max(times) - min(times) <= 1


@settings(max_examples=150, deadline=None)
@given(scenarios())
def test_tasks_end_each_block_and_add_up(scenario: Scenario) -> None:
    """Per arm the shares sum to `requests` and differ by one at most; they come after the block's cells."""
    passes = make_plan(scenario).passes
    for arm in scenario.arms:
        shares = [one.steps[0].requests for one in passes if one.workload == "task" and one.arms == (arm,)]
        if scenario.tasks is None:
            assert shares == []
        else:
            assert sum(shares) == scenario.tasks.requests
            assert len(shares) == scenario.plan.blocks
            assert 1 <= max(shares) <= min(shares) + 1
    places = [(one.block, one.workload == "task") for one in passes]
    assert places == sorted(places)


@settings(max_examples=100, deadline=None)
@given(scenarios())
def test_a_plan_is_a_function_of_the_scenario(scenario: Scenario) -> None:
    """The same seed gives the same plan; ladders climb inside a pass."""
    assert make_plan(scenario) == make_plan(scenario)
    for one in make_plan(scenario).passes:
        assert all(low.concurrency < high.concurrency for low, high in pairwise(one.steps))
        assert all((step.arm, step.block, step.cell) == (one.arms[0], one.block, one.cell) for step in one.steps)


def test_the_default_cross_has_14_points_and_the_full_design_54() -> None:
    """Six rungs at medium/medium plus eight cells at the operating point; or six rungs in all nine cells."""
    cross, full = make_plan(scenario_with()), make_plan(scenario_with(plan={"design": "full"}))
    assert len(cross.steps) == 14 * 2 * 6
    assert len(full.steps) == 54 * 2 * 6
    assert {(s.cell.name, s.concurrency) for s in cross.steps if s.concurrency != 8} == {
        ("medium/medium", rung) for rung in (1, 2, 4, 16, 32)
    }
    assert len(make_plan(scenario_with(arms=1)).steps) == 14


def test_ids_read_as_block_cell_rung_arm() -> None:
    """An id tells a person which step it is."""
    ids = {step.id for step in make_plan(scenario_with(tasks={})).steps}
    assert {"b1-medium_medium-c8-arm-0", "b6-short_long-c8-arm-1", "b3-tasks-c8-arm-0"} <= ids


def test_the_order_differs_between_blocks_cells_and_seeds() -> None:
    """Cells are shuffled per block, the first arm per cell, and another seed is another plan."""
    plan = make_plan(scenario_with())
    orders = {tuple(one.cell.name for one in plan.passes if one.block == block) for block in range(1, 7)}
    assert len(orders) == 6
    assert len({tuple(order) for order in firsts(plan).values()}) > 1
    assert make_plan(scenario_with(seed=8)) != plan


def test_a_cell_more_leaves_the_arms_order_of_the_others() -> None:
    """Each cell draws on its own, so that adding one changes nothing about the rest."""
    small = make_plan(scenario_with(matrix={"cells": ["short/short", "medium/medium"]}))
    whole = firsts(make_plan(scenario_with()))
    assert all(whole[cell] == order for cell, order in firsts(small).items())


def parallel(blocks: int = 6, before: str | None = "deploy", **compare: object) -> Scenario:
    """Two arms that are measured at once, each at an address of its own."""
    arms = {name: {"url": f"http://{name}", **({"before": before} if before else {})} for name in ("a", "b")}
    data = {"arms": arms, "plan": {"blocks": blocks}, "compare": {"order": "parallel", **compare}, "tasks": {}}
    return scenario_of(data, Path("x.toml"), [], {})


def test_parallel_arms_climb_together() -> None:
    """One pass per cell and block holds both arms; a rung is one step of each, at the same concurrency."""
    plan, alone = make_plan(parallel()), make_plan(scenario_with(tasks={}))
    assert len(plan.passes) * 2 == len(alone.passes)
    assert len(plan.steps) == len(alone.steps)
    for one in plan.passes:
        assert one.arms == ("a", "b")
        for rung in one.rungs:
            assert [step.arm for step in rung] == ["a", "b"]
            assert len({step.concurrency for step in rung}) == 1


def test_parallel_arms_that_can_be_brought_up_change_places_half_way() -> None:
    """Blocks 1 to 3 of 6 at home, 4 to 6 at the other's place; without `before`, or with an A/A run given, never."""
    assert {(one.block, one.swapped) for one in make_plan(parallel()).passes} == {
        (block, block > 3) for block in range(1, 7)
    }
    assert not any(one.swapped for one in make_plan(parallel(before=None)).passes)
    assert not any(one.swapped for one in make_plan(parallel(aa=True)).passes)


def test_parallel_arms_take_half_the_time_of_the_same_requests() -> None:
    """Both arms share their windows: the same requests in half the time."""
    at_once, paired = parallel(), parallel(order="abba")
    whole, half = (estimate(make_plan(one), one) for one in (paired, at_once))
    assert half.seconds * 2 == pytest.approx(whole.seconds)
    assert half.requests == pytest.approx(whole.requests, abs=1)
