"""What the service adds, for readers: tables, the sentence and the numbers of the first screen."""

from __future__ import annotations

from typing import Any

from reports.definitions import name_of
from reports.tables import Column, Shown, Table, absent, cell_name, label
from reports.units import count, duration, number, share

Summary = dict[str, Any]
PARTS = (
    ("processing_s", "processing time"), ("before_first_s", "of it before the first token"),
    ("more_input_s", "more input tokens"), ("more_output_s", "more output tokens"), ("own_work_s", "own work"),
)  # fmt: skip
ONE_BLOCK = "one block: no interval; raise [plan] blocks"


def added_tables(summary: Summary) -> list[Table]:
    """The processing time in its parts at 1 user, then the service effect at higher rungs."""
    found = summary.get("isolation")
    if not found:
        return []
    return [table for table in (_processing(found), _effects(found)) if table is not None]


def _processing(found: dict[str, Any]) -> Table | None:
    cells = found["processing"]
    if not cells:
        return None
    columns = (
        Column("cell", "cell", False), Column("pairs", "isolation"),
        *(Column(name, "isolation") for _, name in PARTS if name != PARTS[3][1] or _has(cells, "more_output_s")),
    )  # fmt: skip
    rows = tuple(_row(one, found.get("why_no_split"), _has(cells, "more_output_s")) for one in cells)
    model, service = found["arms"]
    return Table(f"What {service} adds to {model}, at 1 user, with 95 % intervals", columns, rows)


def _has(cells: list[dict[str, Any]], part: str) -> bool:
    return any(part in one for one in cells)


def _row(one: dict[str, Any], why: str | None, with_output: bool) -> tuple[Shown, ...]:
    shown = [Shown(cell_name(one["cell"])), Shown(count(one["pairs"]), detail=f"{count(one['blocks'])} blocks")]
    for part, _ in PARTS:
        if part != "more_output_s" or with_output:
            shown.append(_time(one, part, why or "not streamed, or tokens are not told"))
    return tuple(shown)


def _time(one: dict[str, Any], part: str, why: str) -> Shown:
    if part not in one:
        return absent(why)
    tokens = one.get(f"{part.removesuffix('_s')}_tokens")
    extra = f"{number(tokens)} tokens" if tokens is not None else None
    text, half = _estimate(one[part])
    lines = "\n".join(filter(None, (half, extra)))
    return Shown(text, None if half else ONE_BLOCK, lines or None)


def _estimate(value: dict[str, Any]) -> tuple[str, str | None]:
    """A duration, and ± half its interval."""
    low, high = value.get("ci") or (None, None)
    if low is None or high is None:
        return duration(value["mean"]), None
    half = (high - low) / 2
    return duration(value["mean"], half), f"± {duration(half)}"


def _effects(found: dict[str, Any]) -> Table | None:
    if not found["effects"]:
        return None
    columns = (
        Column("cell", "cell", False), Column("users", "rung"), Column("metric", None, False),
        Column("service effect", "isolation"), Column("blocks", "blocks"),
    )  # fmt: skip
    rows = []
    for one in found["effects"]:
        text, half = _estimate(one)
        rows.append((
            Shown(cell_name(one["cell"])), Shown(f"{one['concurrency']:g}"), Shown(name_of(one["metric"])),
            Shown(text, None if half else ONE_BLOCK, half), Shown(count(one["blocks"])),
        ))  # fmt: skip
    return Table("Service effect at higher rungs: other requests' time is part of it", columns, tuple(rows), heads=3)


def added_words(summary: Summary) -> str:
    """The processing time of the first cell in a sentence; empty without one."""
    found = summary.get("isolation") or {}
    if not found.get("processing"):
        return ""
    one, (model, service) = found["processing"][0], found["arms"]
    text, half = _estimate(one["processing_s"])
    said = f"{service} adds {text} ({half or 'one block'}) to {model} in {cell_name(one['cell'])} at 1 user"
    if "own_work_s" not in one:
        return said
    parts = [f"{_estimate(one[part])[0]} for {name}" for part, name in PARTS[2:4] if part in one]
    return f"{said}: {', '.join(parts)}, {_estimate(one['own_work_s'])[0]} of its own work"


def added_figures(summary: Summary) -> list[tuple[str, str, str]]:
    """Label, value and detail of the large numbers."""
    found = summary.get("isolation") or {}
    if not found.get("processing"):
        return []
    one = found["processing"][0]
    shown = []
    for part, name in (PARTS[0], PARTS[2], PARTS[4]):
        if part in one:
            text, half = _estimate(one[part])
            shown.append((name[:1].upper() + name[1:], text, f"{cell_name(one['cell'])}, 1 user; {half or ONE_BLOCK}"))
    return shown


def life_tables(summary: Summary) -> list[Table]:
    """Warm-up, and what the engines do when nobody asks."""
    life = summary.get("life") or {}
    return [table for table in (_warm_up(life.get("warm_up")), _rest(life.get("rest"))) if table is not None]


def _warm_up(found: list[dict[str, Any]] | None) -> Table | None:
    if not found:
        return None
    columns = (
        Column("arm", None, False), Column("visits"), Column("after idle"), Column("first request"),
        Column("those after it"), Column("warm-up", "life"),
    )  # fmt: skip
    rows = []
    for one in found:
        text, half = _estimate(one["extra_s"])
        idle = Shown(duration(one["idle_s"])) if "idle_s" in one else absent("only one visit")
        rows.append((
            label(one["arm"]), Shown(count(one["passes"])), idle, Shown(duration(one["first_s"])),
            Shown(duration(one["following_s"])), Shown(text, None if half else ONE_BLOCK, half),
        ))  # fmt: skip
    return Table("Warm-up: the first request of a visit, alone, against those after it", columns, tuple(rows))


def _rest(found: list[dict[str, Any]] | None) -> Table | None:
    if not found:
        return None
    columns = (
        Column("arm", None, False), Column("times"), Column("cool-down", "life"), Column("sampled every"),
        Column("KV in use before", "life"), Column("KV in use after", "life"),
    )  # fmt: skip
    rows = tuple(
        (
            label(one["arm"]), Shown(count(one["gaps"])), Shown(f"≤ {duration(one['cool_down_s'])}"),
            Shown(duration(one["resolution_s"])), _share(one.get("kv_before")), _share(one.get("kv_after")),
        )
        for one in found
    )  # fmt: skip
    return Table("At rest: the engine after the last request of a visit", columns, rows)


def _share(value: float | None) -> Shown:
    return (
        absent("the engine does not tell, or was never seen at rest before") if value is None else Shown(share(value))
    )
