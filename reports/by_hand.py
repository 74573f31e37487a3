"""What a person did to a run while it went, and what that leaves to be judged: steps marked `manual` gate nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.measured import Measured
from reports.tables import Column, Table, label
from reports.units import ABSENT, count

MARK = "manual"


def left_alone(steps: Sequence[Measured]) -> list[Measured]:
    """The steps that went as planned: only they are judged."""
    return [step for step in steps if MARK not in step.record.marks]


def led(steps: Sequence[Measured]) -> list[Measured]:
    """The steps that a person held, cut, asked for again, or led altogether."""
    return [step for step in steps if MARK in step.record.marks]


def shown_at(steps: Sequence[Measured]) -> tuple[list[Measured], bool]:
    """The steps that a point is made of, and whether it was led by hand: only where nothing went as planned."""
    planned = left_alone(steps)
    return (planned, False) if planned else (list(steps), bool(steps))


def actions_table(manifest: dict[str, Any]) -> Table | None:
    """What was done by hand, in its order; None where nothing was."""
    rows = tuple(
        (label(act.get("at", ABSENT)), label(act.get("what", ABSENT)), label(act.get("step") or ABSENT, 120),
         label(act.get("note") or ABSENT, 200))
        for act in manifest.get("actions") or []
    )  # fmt: skip
    columns = tuple(Column(title, None, False) for title in ("when", "what", "in step", "note"))
    return Table("Done by hand", columns, rows) if rows else None


def banner(manifest: dict[str, Any]) -> list[str]:
    """What a reader must know of it."""
    acts = [act for act in manifest.get("actions") or [] if act.get("what") not in ("start", "mark", "stop")]
    if not acts:
        return []
    times = "action" if len(acts) == 1 else "actions"
    return [f"Steered by hand: {count(len(acts))} {times}; steps marked manual are shown, and gate nothing."]
