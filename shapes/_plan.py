"""Scenario -> Plan: which step runs when. Pure: one seed, one plan.

A block visits every point once. Inside a block each cell is a pair, minutes apart: its ladder on one arm, then the same
ladder on the other; which arm goes first is balanced over the blocks and shuffled per cell, the order of the cells is
shuffled per block (DESIGN 4). Drift of the service or its host then falls on both arms alike.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

from exporters.sample import Step, Workload
from scenarios.scenario import Cell, Scenario, Tasks


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """One cell's ladder on one arm in one block (or the tasks), ascending; drained before and after."""

    block: int
    arm: str
    cell: Cell | None
    workload: Workload
    steps: tuple[Step, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a run will do, in order. Blocks count from 1."""

    passes: tuple[Pass, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of all passes, in order."""
        return tuple(step for one in self.passes for step in one.steps)


def make_plan(scenario: Scenario) -> Plan:
    """The plan of a complete scenario."""
    arms, blocks = list(scenario.arms), scenario.plan.blocks
    cells = scenario.matrix.cells
    order = {cell.name: arm_orders(arms, blocks, _draws(scenario, f"arms/{cell.name}")) for cell in cells}
    tasks_order = arm_orders(arms, blocks, _draws(scenario, "arms/tasks"))
    passes: list[Pass] = []
    for block in range(1, blocks + 1):
        for cell in _shuffled(cells, _draws(scenario, f"cells/{block}")):
            passes += [cell_pass(scenario, block, arm, cell) for arm in order[cell.name][block - 1]]
        if scenario.tasks is not None:
            passes += [tasks_pass(scenario.tasks, blocks, block, arm) for arm in tasks_order[block - 1]]
    return Plan(passes=tuple(passes))


def rungs_of(scenario: Scenario, cell: Cell) -> tuple[int, ...]:
    """The rungs a cell is measured at: a cross has the whole ladder at one cell, the operating point at the others."""
    whole = scenario.plan.design == "full" or cell.name == scenario.plan.cell
    return tuple(sorted(scenario.ladder.concurrency)) if whole else (scenario.ladder.at,)


def arm_orders(arms: list[str], blocks: int, draws: random.Random) -> list[list[str]]:
    """Per block, the order of the arms: each arm is first in an equal number of blocks (or one more), shuffled."""
    offset = draws.randrange(len(arms))  # which arm gets the odd block
    firsts = [(block + offset) % len(arms) for block in range(blocks)]
    draws.shuffle(firsts)
    return [arms[first:] + arms[:first] for first in firsts]


def cell_pass(scenario: Scenario, block: int, arm: str, cell: Cell) -> Pass:
    """A cell's ladder on one arm."""
    steps = tuple(
        Step(
            id=f"b{block}-{cell.input}_{cell.output}-c{concurrency}-{arm}",
            workload="matrix",
            arm=arm,
            block=block,
            cell=cell,
            concurrency=concurrency,
        )
        for concurrency in rungs_of(scenario, cell)
    )
    return Pass(block=block, arm=arm, cell=cell, workload="matrix", steps=steps)


def tasks_pass(tasks: Tasks, blocks: int, block: int, arm: str) -> Pass:
    """One block's share of the tasks on one arm. The shares differ by one at most and add up to `tasks.requests`."""
    # the same cut points as the prompts' (block * requests // blocks), so that each block has prompts of its own
    share = (block + 1) * tasks.requests // blocks - block * tasks.requests // blocks
    step = Step(
        id=f"b{block}-tasks-c{tasks.concurrency}-{arm}",
        workload="task",
        arm=arm,
        block=block,
        cell=None,
        concurrency=tasks.concurrency,
        requests=share,
    )
    return Pass(block=block, arm=arm, cell=None, workload="task", steps=(step,))


def _draws(scenario: Scenario, purpose: str) -> random.Random:
    """Random numbers of their own for each purpose: a cell more or less leaves the order of the others alone."""
    return random.Random(f"{scenario.seed}/{purpose}")


def _shuffled(cells: tuple[Cell, ...], draws: random.Random) -> Iterator[Cell]:
    order = list(cells)
    draws.shuffle(order)
    yield from order
