"""What if it were otherwise, and what would flip: tables of the assumptions behind a month's cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.tables import Column, Shown, Table, Tone, absent, in_order, label
from reports.units import money, number, plain, share

Cost = Mapping[str, Any]
NAMES = {
    "gpu_price": "GPU price", "traffic": "traffic", "output": "output length", "headroom": "use of a replica",
    "power": "power",
}  # fmt: skip
STATES: dict[str, Tone] = {"met": "good", "breached": "bad", "undecided": "warn", "missing": "warn"}
CHEAPER = "cheaper than the baseline"


def doubt_tables(summary: dict[str, Any]) -> list[Table]:
    """Gates, what-if, sensitivity; those that there are."""
    cost = summary.get("cost") or {}
    tables = [gates_table(cost), what_if_table(cost), sensitivity_table(cost)]
    return [table for table in tables if table is not None]


def gates_table(cost: Cost) -> Table | None:
    """What the cost is held against, and whether it holds."""
    rows = tuple(
        (
            label(gate["arm"]),
            label(gate["limit"]),
            Shown(gate["state"], tone=STATES.get(gate["state"], "")),
            Shown(plain(gate["text"], 400)),
        )
        for gate in cost.get("gates", [])
    )
    columns = tuple(Column(title, None, False) for title in ("arm", "limit", "state", "why"))
    return Table("Limits of cost", columns, rows, heads=3) if rows else None


def what_if_table(cost: Cost) -> Table | None:
    """The bill, and what the change is judged on, under other assumptions."""
    rows = cost.get("what_if", [])
    if not rows:
        return None
    arms = in_order(arm for row in rows for arm in row["bill"])
    stated = rows[0]["bill"]
    unit = plain(cost["currency"], 12)
    columns = (Column("what if", None, False), *(Column(f"{label(arm).text}, {unit} a month", "month") for arm in arms))
    if len(arms) > 1:
        columns += tuple(Column(f"{label(arm).text} against {label(arms[0]).text}", "replicas") for arm in arms[1:])
    shown = tuple(
        (
            Shown(_assumption(row)),
            *(_bill(row["bill"].get(arm), stated.get(arm)) for arm in arms),
            *(_against(row["judged"], arms[0], arm) for arm in arms[1:]),
        )
        for row in rows
    )
    remark = (
        "From the same measurements: capacities stay, longer replies take TTFT and TPOT as measured. Bills are of "
        "whole replicas, changes of fractional ones."
    )
    return Table("What if", columns, shown, remark=remark)


def _assumption(row: Cost) -> str:
    name, value = row["assumption"], row["value"]
    if name == "headroom":
        return f"a replica is used to {share(value, 0)}"
    return name if name not in NAMES else f"{NAMES[name]} × {value:g}"


def _bill(value: float | None, stated: float | None) -> Shown:
    if value is None:
        return absent("its capacity is not known")
    same = stated is None or abs(value - stated) < 0.005
    return Shown(money(value), detail=None if same or not stated else f"{value / stated - 1:+.0%}".replace("-", "−"))


def _against(judged: Cost, baseline: str, arm: str) -> Shown:
    if not judged.get(baseline) or arm not in judged:
        return absent("its capacity is not known")
    ratio = judged[arm] / judged[baseline] - 1
    return Shown(f"{ratio:+.1%}".replace("-", "−").replace("%", " %"))


def sensitivity_table(cost: Cost) -> Table | None:
    """The nearest factor on each assumption that would flip what is claimed."""
    rows = cost.get("sensitivity", [])
    names = in_order(name for row in rows for name in row["flips"])
    if not names:
        return None
    columns = (
        Column("arm", None, False), Column("what is claimed", None, False),
        *(Column(f"{NAMES[name]}", "sensitivity") for name in names),
    )  # fmt: skip
    shown = tuple(
        (label(row["arm"]), Shown(_claim(row)), *(_flip(row["flips"], name) for name in names)) for row in rows
    )
    remark = "The factor, nearest to 1, that would make the claim false; of the estimates, whatever their intervals."
    return Table("Which assumption would flip it", columns, shown, heads=2, remark=remark)


def _claim(row: Cost) -> str:
    question, holds = row["question"], row["holds"]
    if question == CHEAPER:
        return "not dearer than the baseline" if holds else "dearer than the baseline"
    return f"{'within' if holds else 'beyond'} {question}"


def _flip(flips: Cost, name: str) -> Shown:
    if name not in flips:
        return absent("it is not part of this arm's cost")
    value = flips[name]
    return Shown(
        f"× {number(value)}" if value is not None else "none up to × 10", tone="" if value is not None else "quiet"
    )
