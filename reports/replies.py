"""What replies lack that the scenario says they have, and prompts that a model cannot take: once, with counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from exporters.record import Run
from reports.measured import Measured
from reports.units import count, plain, share
from scenarios.scenario import Arm, Scenario

COLUMNS = ("arm", "status", "unmapped")


def reply_warnings(run: Run, steps: Sequence[Measured], scenario: Scenario) -> list[dict[str, Any]]:
    """Per arm: paths of its mapping that matched nothing, and requests that outgrew the context."""
    mapped = [name for name, arm in scenario.arms.items() if arm.json is not None]
    replies, without = _lacking(run) if mapped else (Counter[str](), {})
    found = [_mapping(name, scenario.arms[name], replies[name], without[name]) for name in mapped if name in without]
    if scenario.conversation is None:  # those that grow too long have a warning of their own
        found += [warning for name in scenario.arms if (warning := overflow(name, steps)) is not None]
    return found


def _lacking(run: Run) -> tuple[Counter[str], dict[str, Counter[str]]]:
    """Replies by arm, and by arm how many of them lack each path."""
    replies, without = Counter[str](), dict[str, Counter[str]]()
    for table in run.windows(COLUMNS):
        for row in table.group_by(list(COLUMNS)).aggregate([([], "count_all")]).to_pylist():
            if row["status"] != 200:
                continue
            replies[row["arm"]] += row["count_all"]
            for name in (row["unmapped"] or "").split(",") if row["unmapped"] else ():
                without.setdefault(row["arm"], Counter())[name] += row["count_all"]
    return replies, without


def _mapping(name: str, arm: Arm, replies: int, without: Counter[str]) -> dict[str, Any]:
    told = ", ".join(
        f'json.{key} = "{plain(getattr(arm.json, key), 60)}" in {count(missing)} ({share(missing / replies)})'
        for key, missing in without.most_common()
    )
    means = "replies without a text are failures" if "text" in without else "tokens that nobody tells are counted here"
    text = f"{plain(name, 40)}: of {count(replies)} replies the mapping finds nothing at {told}; {means}."
    advice = (
        f"Look at such a reply, and correct [arms.{plain(name, 40)}.json]: `tokenswarm check` shows how one begins."
    )
    return {"code": f"mapping: {plain(name, 40)}", "text": text, "advice": advice, "steps": []}


def overflow(name: str, steps: Iterable[Measured]) -> dict[str, Any] | None:
    """Requests of an arm whose prompt and answer exceed the model's context; None without any."""
    mine = [step for step in steps if step.record.step.arm == name]
    beyond = [step for step in mine if step.outcomes.get("context_overflow")]
    if not beyond:
        return None
    failed, sent = sum(step.outcomes["context_overflow"] for step in beyond), sum(step.sent for step in mine)
    cells = dict.fromkeys(step.record.step.cell.name if step.record.step.cell else "tasks" for step in beyond)
    text = (
        f"{plain(name, 40)}: {count(failed)} of {count(sent)} requests ({share(failed / sent)}) exceed the model's "
        f"context, in {', '.join(cells)}: they are failures in every quantile."
    )
    advice = "Use shorter sizes or prompts, or a longer context in the engine; [limits] max_errors ends a run of them."
    ids = [step.record.step.id for step in beyond]
    return {"code": f"context: {plain(name, 40)}", "text": text, "advice": advice, "steps": ids}
