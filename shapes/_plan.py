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

Arms = tuple[str, ...]  # measured at once
Rung = tuple[Step, ...]  # steps that share their window: one, or one for each of parallel arms


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """One cell's ladder on one arm (or on parallel ones) in one block, or the tasks; drained before and after."""

    block: int
    arms: Arms
    cell: Cell | None
    workload: Workload
    rungs: tuple[Rung, ...]  # ascending
    swapped: bool = False  # each arm is measured at the other's place

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of all rungs, in order."""
        return tuple(step for rung in self.rungs for step in rung)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a run will do, in order. Blocks count from 1."""

    passes: tuple[Pass, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of all passes, in order."""
        return tuple(step for one in self.passes for step in one.steps)


def make_plan(scenario: Scenario) -> Plan:
    """The plan of a complete scenario."""
    blocks, cells = scenario.plan.blocks, scenario.matrix.cells
    arms = at_once(scenario)
    order = {cell.name: arm_orders(arms, blocks, _draws(scenario, f"arms/{cell.name}")) for cell in cells}
    tasks_order = arm_orders(arms, blocks, _draws(scenario, "arms/tasks"))
    passes: list[Pass] = []
    for block in range(1, blocks + 1):
        for cell in _shuffled(cells, _draws(scenario, f"cells/{block}")):
            passes += [cell_pass(scenario, block, at_once, cell) for at_once in order[cell.name][block - 1]]
        if scenario.tasks is not None:
            passes += [tasks_pass(scenario, scenario.tasks, block, at_once) for at_once in tasks_order[block - 1]]
    return Plan(passes=tuple(passes))


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
