"""Cost at every point of the matrix and the tasks, and every price with its source and date; from the summary alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.cost_tables import KINDS, NO_GOOD, SOURCES
from reports.latency import load_column, load_shown
from reports.tables import Column, Shown, Table, absent, cell_name, label
from reports.units import money, number, plain

Cost = Mapping[str, Any]
NO_POWER = "no power: give the arm `gpu` addresses to sample, or state [cost.gpu] gpu_watts"


def running_table(points: list[dict[str, Any]], currency: str) -> Table | None:
    """What serving costs at each point of the matrix and the tasks; None where nothing has a price."""
    known = [point for point in points if point.get("cost")]
    if not known:
        return None
    unit = plain(currency, 12)
    columns = (
        Column("cell", "cell", False), load_column(known), Column("arm", None, False),
        Column(f"{unit} per 1,000 requests", "gpu_cost"), Column("per 1,000 good ones", "gpu_cost"),
        Column("per 1M tokens", "gpu_cost"), Column("per 1M output tokens", "gpu_cost"),
        Column("W with host and overhead", "energy"), Column("J per good request", "energy"),
        Column("J per output token", "energy"),
    )  # fmt: skip
    rows = tuple(_running_row(point) for point in known)
    return Table("What serving costs at every point", columns, rows, heads=3)


def _running_row(point: dict[str, Any]) -> tuple[Shown, ...]:
    cost, total = point["cost"], point["cost"].get("total", {})
    energy = cost.get("energy", {})
    known = SOURCES.get(energy.get("from", ""), "") if energy.get("assumed") else None
    return (
        Shown(cell_name(point.get("cell"))),
        Shown(load_shown(point)),
        label(point["arm"]),
        _thousand(total, "per_request", "no request was answered"),
        _thousand(total, "per_good_request", NO_GOOD),
        _thousand(total, "per_1m_tokens", "tokens are not known", 1),
        _thousand(total, "per_1m_output_tokens", "API money is not of output tokens alone, or there were none", 1),
        Shown(number(energy["watts"]), note=known) if energy else absent(NO_POWER),
        _joules(energy, "j_per_good_request", NO_GOOD),
        _joules(energy, "j_per_output_token", "there were no output tokens"),
    )  # fmt: skip


def _thousand(total: Cost, name: str, why: str, many: int = 1000) -> Shown:
    return Shown(money(many * total[name])) if name in total else absent(why)


def _joules(energy: Cost, name: str, why: str) -> Shown:
    if not energy:
        return absent(NO_POWER)
    return Shown(number(energy[name])) if name in energy else absent(why)


def prices_table(cost: Cost) -> Table | None:
    """Every price with its source and its date, said once for the arms that share it."""
    shared: dict[str, tuple[Cost, list[str]]] = {}
    for one in cost.get("prices", []):
        key = repr((one["kind"], one["price"], one["source"], one["date"]))
        shared.setdefault(key, (one, []))[1].append(one["arm"])
    rows = tuple(
        (
            label(", ".join(arms), 80),
            Shown(KINDS[one["kind"]]),
            label(_price(one["price"]), 200),
            label(one["source"], 120),
            label(one["date"], 20),
        )
        for one, arms in shared.values()
    )
    columns = tuple(Column(title, None, False) for title in ("arm", "kind", "price", "source", "as of"))
    unit = plain(cost.get("currency", ""), 12)
    remark = f"In {unit}. A price that names no source is what the scenario stated on the day of the run."
    return Table("Prices", columns, rows, heads=2, remark=remark) if rows else None


def _price(price: Cost) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_value_of(value)}" for name, value in price.items())


def _value_of(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, (int, float)) else plain(value, 60)
