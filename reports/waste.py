"""Useless tokens of the tasks (METRICS cost 2): by category tokens, money, rule, interval and examples.

Requests are judged by every row of the tasks' windows, texts by the replies that were kept of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exporters.record import Run
from reports.cost_missing import Missing
from reports.measured import Measured, counting
from reports.vocabulary import NAME
from reports.waste_figures import Group, Priced, by_block, category, total
from reports.waste_requests import Rows, of_requests, rows_of, task_rows
from reports.waste_texts import kept_of, of_texts
from scenarios.arm_prices import prices_of, task_traffic
from scenarios.scenario import Scenario

NO_TASKS = Missing("waste", "not measured: the matrix has lengths that we forced", "add [tasks]")
NO_TEXTS = Missing(
    "waste", "no text of a task was kept: only whole requests are judged", "set [tasks] responses to 200"
)
SAMPLED = (
    "The first {kept} replies of each worker process and arm were kept ([tasks] responses), {read} of them were read."
)
NO_STEP = Missing("waste", "no valid step of tasks", "see the reasons under the invalid steps")


class Wasted(msgspec.Struct, frozen=True):
    """`waste` of the summary (format 1), and by arm the useless tokens of a request in each block."""

    figures: dict[str, Any]
    blocks: Mapping[str, Mapping[int, float]] = {}

    def per_request(self, arm: str) -> float | None:
        """Useless tokens of a request of this arm; None where they are not known."""
        found = next((one for one in self.figures["arms"] if one["arm"] == arm), None)
        return None if found is None else float(found["total"]["tokens_per_request"])


def wasted(run: Run, steps: Sequence[Measured], scenario: Scenario) -> Wasted:
    """Every arm's waste, and what is missing with the way to it."""
    if scenario.tasks is None:
        return Wasted({"arms": [], "missing": [msgspec.to_builtins(NO_TASKS)]})
    tasks = [step.record.step for step in counting(steps) if step.record.step.cell is None]
    rows = task_rows(run, {step.id: step.block for step in tasks})
    if rows is None:
        return Wasted({"arms": [], "missing": [msgspec.to_builtins(NO_STEP)]})
    arms = {arm: rows_of(rows, [step.id for step in tasks if step.arm == arm]) for arm in scenario.arms}
    blocks, lines = {step.id: step.block for step in tasks}, run.responses() if scenario.tasks.responses else []
    known = {
        arm: _arm(rows_of_arm, of_texts(kept_of(lines, arm), blocks), (arm, scenario))
        for arm, rows_of_arm in arms.items()
        if len(rows_of_arm.steps)
    }
    figures: dict[str, Any] = {"arms": [figures for figures, _ in known.values()]}
    read = sum(one.get("texts", 0) for one in figures["arms"])
    if read:
        figures |= {"counted_by": NAME, "sampled": SAMPLED.format(kept=scenario.tasks.responses, read=read)}
    else:
        figures["missing"] = [msgspec.to_builtins(NO_TEXTS)]
    return Wasted(figures, {arm: by for arm, (_, by) in known.items()})


def _arm(rows: Rows, texts: Group | None, of: tuple[str, Scenario]) -> tuple[dict[str, Any], Mapping[int, float]]:
    arm, scenario = of
    price = prices_of(scenario, arm).api
    priced = Priced(None if price is None or price.lacks else price, task_traffic(scenario))
    groups: list[Group] = [(of_requests(rows), rows.looked), *([texts] if texts else [])]
    figures = {
        "arm": arm,
        "requests": len(rows.steps),
        **({"texts": len(texts[1].prompts)} if texts else {}),
        "categories": [category(one, looked, priced) for found, looked in groups for one in found],
        "total": total(groups, priced),
    }
    return figures, by_block(groups)


def with_waste(cost: Mapping[str, Any], waste: Mapping[str, Any]) -> dict[str, Any]:
    """The cost with step 2: of each arm that has any, `useless` tokens of a request, their share and their money."""
    useless = {one["arm"]: one["total"] for one in waste["arms"]}
    arms = [
        {**arm, "useless": useless[arm["arm"]]} if arm["arm"] in useless else dict(arm) for arm in cost.get("arms", [])
    ]
    return {**cost, "arms": arms} if arms else dict(cost)
