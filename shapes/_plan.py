"""Scenario -> Plan: which step runs when. Pure: one seed, one plan.

A block visits every point once. Inside a block each cell is a pair, minutes apart: its ladder on one arm, then the same
ladder on the other; which arm goes first is balanced over the blocks and shuffled per cell, the order of the cells is
shuffled per block (DESIGN 4). Drift of the service or its host then falls on both arms alike. Parallel arms climb the
ladder together, and change places half way where they can.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

from exporters.sample import Step, Workload
from scenarios.places import at_once, swaps
from scenarios.scenario import Cell, Scenario, Tasks
from scenarios.soak import Soak, Stretch, stretches

Arms = tuple[str, ...]  # measured at once
Rung = tuple[Step, ...]  # steps that share their window: one, or one for each of parallel arms


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """One cell's ladder on one arm (or on parallel ones) in one block, or the tasks; drained before and after."""

    block: int
    arms: Arms
    cell: Cell | None
    workload: Workload
    rungs: tuple[Rung, ...]  # ascending; of a soak in their time
    swapped: bool = False  # each arm is measured at the other's place

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of all rungs, in order."""
        return tuple(step for rung in self.rungs for step in rung)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a run will do, in order. Blocks count from 1."""

    passes: tuple[Pass, ...]
    at_most: bool = False  # a search decides as it goes, and may end sooner
    by_hand: bool = False  # the loads are those that a person asks for as it goes

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of all passes, in order."""
        return tuple(step for one in self.passes for step in one.steps)


def make_plan(scenario: Scenario) -> Plan:
    """The plan of a complete scenario; of a search, which decides as it goes, the longest that it may become."""
    passes = tuple(one for visit in visits(scenario) for one in _passes(scenario, visit))
    return Plan(passes=passes, at_most=scenario.search is not None)


def _passes(scenario: Scenario, visit: Visit) -> list[Pass]:
    if visit.cell is None:
        assert scenario.tasks is not None, "a visit without a cell is the tasks'"
        return [tasks_pass(scenario, scenario.tasks, visit.block, visit.arms)]
    if scenario.search is not None:
        return longest_search(scenario, visit)
    if scenario.soak is not None:
        return [soak_pass(scenario, scenario.soak, visit)]
    return [cell_pass(scenario, visit.block, visit.arms, visit.cell)]


class Visit(msgspec.Struct, frozen=True):
    """Some arms at a cell (None: the tasks) in one block."""

    block: int
    arms: Arms
    cell: Cell | None


def visits(scenario: Scenario) -> Iterator[Visit]:
    """Every visit of a run, in order."""
    blocks, arms = scenario.plan.blocks, at_once(scenario)
    only = scenario.search.cells if scenario.search else (scenario.soak.cell,) if scenario.soak else None
    cells = tuple(cell for cell in scenario.matrix.cells if only is None or cell.name in only)
    order = {cell.name: arm_orders(arms, blocks, _draws(scenario, f"arms/{cell.name}")) for cell in cells}
    tasks_order = arm_orders(arms, blocks, _draws(scenario, "arms/tasks"))
    for block in range(1, blocks + 1):
        for cell in _shuffled(cells, _draws(scenario, f"cells/{block}")):
            yield from (Visit(block, group, cell) for group in order[cell.name][block - 1])
        if scenario.tasks is not None:
            yield from (Visit(block, group, None) for group in tasks_order[block - 1])


def brought_up(plan: Plan) -> Iterator[str]:
    """The arms that a run brings up on its way, once for each time that another was measured before."""
    up: set[tuple[str, bool]] = set()
    for one in plan.passes:
        wanted = {(arm, one.swapped) for arm in one.arms}
        yield from (arm for arm, _ in sorted(wanted - up))
        up = wanted


def rungs_of(scenario: Scenario, cell: Cell) -> tuple[float, ...]:
    """The rungs a cell is measured at: a cross has the whole ladder at one cell, the operating point at the others."""
    whole = scenario.plan.design == "full" or cell.name == scenario.plan.cell
    return tuple(sorted(scenario.ladder.rungs)) if whole else (scenario.ladder.at,)


def arm_orders(arms: list[Arms], blocks: int, draws: random.Random) -> list[list[Arms]]:
    """Per block, the order of the arms: each is first in an equal number of blocks (or one more), shuffled."""
    offset = draws.randrange(len(arms))  # which arm gets the odd block
    firsts = [(block + offset) % len(arms) for block in range(blocks)]
    draws.shuffle(firsts)
    return [arms[first:] + arms[:first] for first in firsts]


def cell_pass(scenario: Scenario, block: int, arms: Arms, cell: Cell) -> Pass:
    """A cell's ladder on one arm, or on parallel ones."""

    ladder = scenario.ladder

    def step(rung: float, arm: str) -> Step:
        name = f"b{block}-{cell.input}_{cell.output}-{'r' if ladder.rate else 'c'}{rung:.12g}-{arm}"
        users, rate = (ladder.senders, rung) if ladder.rate else (int(rung), None)
        return Step(id=name, workload="matrix", arm=arm, block=block, cell=cell, concurrency=users, rate=rate)

    rungs = tuple(tuple(step(rung, arm) for arm in arms) for rung in rungs_of(scenario, cell))
    swapped = is_swapped(scenario, block)
    return Pass(block=block, arms=arms, cell=cell, workload="matrix", rungs=rungs, swapped=swapped)


def probe_pass(scenario: Scenario, visit: Visit, number: int, load: float) -> Pass:
    """One probe of a search: a warm-up, one step, and a drain, so that an overload leaves nothing to the next."""
    (arm,), cell = visit.arms, visit.cell
    assert cell is not None, "tasks are not searched"
    users, rate = (scenario.ladder.senders, load) if scenario.ladder.rate else (int(load), None)
    name = f"b{visit.block}-{cell.input}_{cell.output}-s{number}-{'r' if rate else 'c'}{load:.12g}-{arm}"
    step = Step(
        id=name, workload="matrix", arm=arm, block=visit.block, cell=cell, concurrency=users, rate=rate, probe=number
    )
    return Pass(block=visit.block, arms=visit.arms, cell=cell, workload="matrix", rungs=((step,),))


def longest_search(scenario: Scenario, visit: Visit) -> list[Pass]:
    """As many probes as a search may take, at loads as high as they may be: up to `max`, then there."""
    search, loads = scenario.search, scenario.ladder.rungs
    assert search is not None, "a search"
    return [
        probe_pass(scenario, visit, number, loads[min(number, len(loads)) - 1])
        for number in range(1, search.probes + 1)
    ]


def soak_pass(scenario: Scenario, soak: Soak, visit: Visit) -> Pass:
    """A soak of one arm: its stretches are rungs that follow one another in time, also downwards."""
    (arm,), cell, ladder = visit.arms, visit.cell, scenario.ladder
    assert cell is not None, "tasks are not soaked"

    def step(number: int, load: float, stretch: Stretch) -> Step:
        name = f"b{visit.block}-{cell.input}_{cell.output}-t{number}-{'r' if ladder.rate else 'c'}{load:.12g}-{arm}"
        users, rate = (ladder.senders, load) if ladder.rate else (int(load), None)
        return Step(
            id=name, workload="matrix", arm=arm, block=visit.block, cell=cell,
            concurrency=users, rate=rate, stretch=stretch,
        )  # fmt: skip

    rungs = tuple((step(number, load, stretch),) for number, (load, stretch) in enumerate(stretches(soak), start=1))
    return Pass(block=visit.block, arms=visit.arms, cell=cell, workload="matrix", rungs=rungs)


def tasks_pass(scenario: Scenario, tasks: Tasks, block: int, arms: Arms) -> Pass:
    """One block's share of the tasks. The shares differ by one at most and add up to `tasks.requests` on each arm."""
    # the same cut points as the prompts' (block * requests // blocks), so that each block has prompts of its own
    blocks = scenario.plan.blocks
    share = (block + 1) * tasks.requests // blocks - block * tasks.requests // blocks

    def step(arm: str) -> Step:
        name, users = f"b{block}-tasks-c{tasks.concurrency}-{arm}", tasks.concurrency
        return Step(id=name, workload="task", arm=arm, block=block, cell=None, concurrency=users, requests=share)

    swapped = is_swapped(scenario, block)
    return Pass(block=block, arms=arms, cell=None, workload="task", rungs=(tuple(map(step, arms)),), swapped=swapped)


def is_swapped(scenario: Scenario, block: int) -> bool:
    """Whether parallel arms have changed places in a block: in the second half, where they can."""
    return swaps(scenario) and block > scenario.plan.blocks // 2


def _draws(scenario: Scenario, purpose: str) -> random.Random:
    """Random numbers of their own for each purpose: a cell more or less leaves the order of the others alone."""
    return random.Random(f"{scenario.seed}/{purpose}")


def _shuffled(cells: tuple[Cell, ...], draws: random.Random) -> Iterator[Cell]:
    order = list(cells)
    draws.shuffle(order)
    yield from order
