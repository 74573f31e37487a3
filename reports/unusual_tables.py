"""Requests that are unlike the others of their step, and what a doubling of users brings, as tables."""

from __future__ import annotations

from typing import Any

from reports.capacity import users
from reports.definitions import name_of
from reports.tables import Column, Shown, Table, cell_name, label
from reports.units import count, duration, number

TOKENS = "output_tokens"  # of one answer here, where elsewhere it is a rate


def unusual_tables(summary: dict[str, Any]) -> list[Table]:
    """The tables that there is something for."""
    found = [growth_table(summary.get("growth", [])), anomalies_table(summary)]
    return [table for table in found if table is not None]


def anomalies_table(summary: dict[str, Any]) -> Table | None:
    """The most unusual requests; None where there is none."""
    if not summary["anomalies"]:
        return None
    columns = (
        Column("request", "anomaly", False), Column("step", None, False), Column("what", None, False),
        Column("value"), Column("the step's median", essential=False), Column("times", "anomaly", essential=False),
        Column("modified z"), Column("reply", None, False, essential=False),
    )  # fmt: skip
    rows = tuple(_anomaly_row(one) for one in summary["anomalies"])
    return Table("Requests unlike the others of their step", columns, rows, heads=2, remark=by_chance(summary))


def by_chance(summary: dict[str, Any]) -> str | None:
    """How many there are and how many chance alone would show, in a sentence; None where nobody looked."""
    counts = summary.get("anomaly_counts")
    if not counts:
        return None
    return (
        f"{count(counts['found'])} of {count(counts['looked'])} values are unlike the others of their step; "
        f"chance alone shows about {number(counts['expected'], digits=2)} where logs are normal."
    )


def _anomaly_row(one: dict[str, Any]) -> tuple[Shown, ...]:
    show = count if one["metric"] == TOKENS else duration
    z = Shown(number(one["z"])) if "z" in one else Shown("∞", note="more than half of the step's values are equal")
    return (
        label(one.get("request_id", "")), label(one["step"]), Shown(_what(one["metric"])), Shown(show(one["value"])),
        Shown(show(one["typical"])), Shown(f"×{number(one['value'] / one['typical'])}"), z,
        label(one.get("text", ""), 80),
    )  # fmt: skip


def _what(metric: str) -> str:
    return "output tokens" if metric == TOKENS else name_of(metric)


def growth_table(entries: list[dict[str, Any]]) -> Table | None:
    """Per ladder its knee and what each doubling of users brings; None without a ladder of three rungs."""
    if not entries:
        return None
    columns = (
        Column("cell", "cell", False), Column("arm", None, False), Column("knee", "growth_knee", False),
        Column("gain there", "growth"), Column("gains per doubling", "growth", False, essential=False),
    )  # fmt: skip
    return Table("What a doubling of users brings", columns, tuple(map(_growth_row, entries)), heads=2)


def _growth_row(entry: dict[str, Any]) -> tuple[Shown, ...]:
    knee = entry.get("knee")
    gains = ", ".join(f"{count(one['from'])} to {count(one['to'])}: {_times(one)}" for one in entry["gains"])
    if knee is None:
        where, gain = Shown("beyond the ladder", note="no doubling brings less than ×1.2"), Shown("–", tone="quiet")
    else:
        ends = f"×{knee['ci'][0]:.2f} to ×{knee['ci'][1]:.2f}" if "ci" in knee else None
        where, gain = Shown(users(knee["rung"])), Shown(_times(knee), detail=ends)
    return Shown(cell_name(entry["cell"])), label(entry["arm"]), where, gain, Shown(gains)


def _times(one: dict[str, Any]) -> str:
    return f"×{one['gain']:.2f}"
