"""The tokens of a run, counted twice: those of requests sent in the windows, and those that arrived in the windows.

Consumption is the first, throughput the second; both are parts of what all requests of the run used. What arrived is
known from two sides, which must agree: the rows, and what the workers added up while it ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from exporters.record import Run
from reports.measured import Measured
from reports.tables import Column, Shown, Table
from reports.units import count, share

SIDES = {"input": ("input_tokens", "window_input_tokens"), "output": ("output_tokens", "window_output_tokens")}
COLUMNS = ("step", "phase", *(column for columns in SIDES.values() for column in columns))
ALIKE = 0.001  # of the tokens that arrived; sums of fractions in another order differ by far less

Counts = dict[str, dict[str, float]]


def token_counts(run: Run, steps: Sequence[Measured]) -> Counts:
    """Per side: tokens of the run, of requests sent in windows, arrived in windows by rows and by live counts.

    The run's are of all requests of its steps, in any phase, also of steps that were cut short.
    """
    names = pa.array([step.record.step.id for step in steps], pa.string())
    found = {side: {"run": 0.0, "sent": 0.0, "arrived": 0.0} for side in SIDES}
    for table in run.lives(COLUMNS):
        finished = pc.is_in(table["step"], value_set=names)
        window = pc.and_(finished, pc.equal(table["phase"], "window"))
        for side, (used, arrived) in SIDES.items():
            counts = found[side]
            counts["run"] += _sum(table[used])
            counts["sent"] += _sum(table[used].filter(window))
            counts["arrived"] += _sum(table[arrived].filter(finished))
    for side, counts in found.items():
        counts["arrived_live"] = sum(float(getattr(step.tally, f"{side}_tokens")) for step in steps)
    return {side: counts for side, counts in found.items() if counts["run"] or counts["arrived_live"]}


def _sum(column: pa.ChunkedArray) -> float:
    return float(pc.sum(column).as_py() or 0.0)


def difference(counts: dict[str, float]) -> float:
    """How far the two sides of what arrived are apart, as a share of the larger one."""
    larger = max(counts["arrived"], counts["arrived_live"])
    return abs(counts["arrived"] - counts["arrived_live"]) / larger if larger else 0.0


def token_warnings(found: Counts) -> list[dict[str, Any]]:
    """That the two sides differ: rows are missing, or a worker's counts are."""
    return [
        {
            "code": f"tokens do not reconcile: {side}",
            "text": f"{count(round(counts['arrived']))} {side} tokens arrived in the windows by the rows, "
            f"{count(round(counts['arrived_live']))} by the workers' live counts ({share(difference(counts))} apart).",
            "advice": "Look for workers whose rows were lost: sent and received rows are in steps.json.",
            "steps": [],
        }
        for side, counts in found.items()
        if difference(counts) > ALIKE
    ]


def token_table(summary: dict[str, Any]) -> Table | None:
    """Both counts beside the run's; None without a token."""
    found = summary["run"].get("tokens", {})
    if not found:
        return None
    columns = (
        Column("tokens", "tokens", False), Column("of requests sent in windows", "tokens_sent"),
        Column("arrived in windows", "tokens_arrived"), Column("of the whole run"),
        Column("arrived: rows against live counts", "tokens_arrived", essential=False),
    )  # fmt: skip
    return Table("Tokens, counted twice", columns, tuple(_row(side, counts) for side, counts in found.items()))


def _row(side: str, counts: dict[str, float]) -> tuple[Shown, ...]:
    apart = difference(counts)
    agree = Shown("agree") if apart <= ALIKE else Shown(f"{share(apart)} apart", tone="bad")
    whole = (Shown(count(round(counts[name]))) for name in ("sent", "arrived", "run"))
    return (Shown(side), *whole, agree)
