"""The workers as tables: whose rows are here, how they fared, and where the users of each rung ran."""

from __future__ import annotations

from typing import Any

from reports.tables import Column, Shown, Table, absent, label
from reports.units import ABSENT, count, duration, plain, share

MOST_WORKERS = 40  # rows of a table that people still read
UNKNOWN = "this worker was lost before it told"


def workers_table(summary: dict[str, Any]) -> Table | None:
    """One row per worker; None for a single process, of which the other table says everything."""
    fleet = summary["run"].get("fleet") or {}
    workers = fleet.get("workers") or []
    if len(workers) < 2:
        return None
    columns = (
        Column("worker", None, False), Column("users at most"), Column("sent"), Column("ok"), Column("failed"),
        Column("aborted"), Column("rows here / sent", "identity"), Column("CPU"), Column("longest stall"),
        Column("reads late by", "lag"), Column("clock ahead by"),
    )  # fmt: skip
    left = len(workers) - MOST_WORKERS
    remark = "; ".join(filter(None, [_changes(fleet), f"{count(left)} more workers" if left > 0 else ""]))
    return Table("Workers", columns, tuple(map(_row, workers[:MOST_WORKERS])), remark=remark or None)


def rows_line(summary: dict[str, Any]) -> Shown | None:
    """Whether every row that the workers sent is here; None for a single process, which sends nothing."""
    workers = (summary["run"].get("fleet") or {}).get("workers") or []
    if len(workers) < 2:
        return None
    here, sent = (sum(worker[key] for worker in workers) for key in ("rows_received", "rows_sent"))
    text = f"{count(len(workers))} workers: {count(here)} rows received of {count(sent)} sent"
    return Shown(
        text + _lost(sum(worker["lost_reports"] for worker in workers)), tone="quiet" if here == sent else "bad"
    )


def _lost(reports: int) -> str:
    return f", {count(reports)} {'report' if reports == 1 else 'reports'} lost" if reports else ""


def _row(worker: dict[str, Any]) -> tuple[Shown, ...]:
    here, sent = worker["rows_received"], worker["rows_sent"]
    text = f"{count(here)} / {count(sent)}{_lost(worker['lost_reports'])}"
    counted = Shown(text, tone="good" if here == sent else "bad")
    names = ("users", "sent", "ok", "failed", "aborted")
    clock = _known(worker, "clock_offset_s", duration)
    if "clock_error_s" in worker and clock.text != ABSENT:
        clock = Shown(f"{clock.text} ± {duration(worker['clock_error_s'])}")
    return (
        label(worker.get("index", worker["worker"])), *(_known(worker, name, count) for name in names), counted,
        _known(worker, "cpu", lambda cpu: share(cpu, 0)), _known(worker, "stall_s", duration),
        _known(worker, "lag_s", duration), clock,
    )  # fmt: skip


def _known(worker: dict[str, Any], name: str, show: Any) -> Shown:
    return absent(UNKNOWN) if worker.get(name) is None else Shown(show(worker[name]))


def _changes(fleet: dict[str, Any]) -> str:
    changes = fleet.get("changes") or []
    said = [f"{plain(one['worker'], 40)} {plain(one['what'], 10)} at {plain(one['at'], 30)}" for one in changes[:4]]
    return "; ".join([*said, *([f"{count(len(changes) - 4)} more changes"] if len(changes) > 4 else [])])


def placement_table(summary: dict[str, Any]) -> Table | None:
    """Where the users of each rung ran: users per worker, least to most, over all steps of the rung."""
    places: dict[int, list[list[int]]] = {}
    for step in [*summary["steps"], *summary.get("tasks", [])]:
        if len(step.get("users_by_worker") or []) > 1 and step.get("rate") is None:
            places.setdefault(step["concurrency"], []).append(step["users_by_worker"])
    if not places:
        return None
    rows = tuple(
        (Shown(count(rung)), Shown(_spread(found[0])), Shown(_worst(found))) for rung, found in sorted(places.items())
    )
    columns = (Column("users", "rung"), Column("on each worker", None, False), Column("most uneven step", None, False))
    return Table("Where the users ran", columns, rows)


def _spread(users: list[int]) -> str:
    return " ".join(map(str, users[:MOST_WORKERS])) + (" …" if len(users) > MOST_WORKERS else "")


def _worst(found: list[list[int]]) -> str:
    uneven = max(found, key=lambda users: max(users) - min(users))
    return f"{count(min(uneven))} to {count(max(uneven))} per worker"
