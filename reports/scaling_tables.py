"""How a service scales over its replicas, and how requests were spread over them, as tables."""

from __future__ import annotations

from typing import Any

from reports.search_tables import load_text
from reports.tables import Column, Shown, Table, absent, cell_name, label
from reports.units import count, number, plain, share

MOST_ROWS, MOST_SHOWN = 40, 4


def scaling_tables(summary: dict[str, Any]) -> list[Table]:
    """The tables that there is something for."""
    found = [efficiency_table(summary.get("scaling", [])), spread_table(summary.get("replicas", []))]
    return [table for table in found if table is not None]


def efficiency_table(entries: list[dict[str, Any]]) -> Table | None:
    """Per cell and arm what it carries, and what of it each replica carries against one of the smallest arm."""
    if not entries:
        return None
    searched = entries[0]["basis"] == "search"
    columns = (
        Column("cell", "cell", False), Column("load per replica"), Column("arm", None, False),
        Column("replicas", "efficiency"),
        Column("capacity" if searched else "ok requests/s", "knee" if searched else "efficiency"),
        Column("efficiency", "efficiency"), Column("blocks", "blocks", essential=False),
    )  # fmt: skip
    rows = tuple(_efficiency_row(entry, arm) for entry in entries for arm in entry["arms"])
    return Table("Efficiency over replicas", columns, rows, heads=3)


def _efficiency_row(entry: dict[str, Any], arm: dict[str, Any]) -> tuple[Shown, ...]:
    load = entry.get("load_per_replica")
    first = arm is entry["arms"][0]
    return (
        Shown(cell_name(entry["cell"])), Shown("at the knee" if load is None else load_text(load)), label(arm["arm"]),
        Shown(count(arm["replicas"])), Shown(number(arm["value"])), Shown("reference") if first else _efficiency(arm),
        Shown(count(arm["n_pairs"])),
    )  # fmt: skip


def _efficiency(arm: dict[str, Any]) -> Shown:
    value = share(arm["efficiency"])
    if "ci" not in arm:
        return Shown(value, note="one block: no interval; raise [plan] blocks")
    low, high = arm["ci"]
    from_knees = "one block: from the intervals of both knees" if arm["ci_from"] == "knees" else None
    return Shown(value, note=from_knees, detail=f"{share(low)} to {share(high)}")


def spread_table(steps: list[dict[str, Any]]) -> Table | None:
    """One row for each step: who served how many, and how unevenly."""
    if not steps:
        return None
    columns = (
        Column("cell", "cell", False), Column("arm", None, False), Column("load"), Column("replicas seen"),
        Column("busiest / mean", "imbalance"), Column("requests by replica", None, False),
        Column("without a name", essential=False),
    )  # fmt: skip
    worst = sorted(steps, key=lambda one: -float(one.get("imbalance", 0.0)))[:MOST_ROWS]
    kept = {one["step"] for one in worst}
    rows = tuple(_spread_row(one) for one in steps if one["step"] in kept)
    left = f", the {MOST_ROWS} most uneven of {count(len(steps))} steps" if len(steps) > MOST_ROWS else ""
    return Table(f"Who served the requests{left}", columns, rows, heads=2)


def _spread_row(one: dict[str, Any]) -> tuple[Shown, ...]:
    imbalance = absent("no reply named a replica")
    if "imbalance" in one:
        uneven = one["imbalance"] > 1.2 and one["p_even"] < 0.001
        imbalance = Shown(f"{one['imbalance']:.2f}", tone="warn" if uneven else "")
    seen = Shown(
        f"{count(one['seen'])} of {count(one['replicas'])}", tone="warn" if one["seen"] < one["replicas"] else ""
    )
    return (
        Shown(cell_name(one["cell"])), label(one["arm"]), Shown(load_text(one["load"])), seen, imbalance,
        Shown(_names(one["requests"])), Shown(count(one["unnamed"])),
    )  # fmt: skip


def _names(requests: dict[str, int]) -> str:
    """The busiest and how many more there are."""
    shown = [f"{plain(name, 30)} {count(served)}" for name, served in list(requests.items())[:MOST_SHOWN]]
    more = len(requests) - MOST_SHOWN
    return ", ".join([*shown, *([f"{more} more"] if more > 0 else [])])
