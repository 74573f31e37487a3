"""Heat maps at the operating point: latency, throughput and cost by prompt and reply size, one scale for all arms."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reports.definitions import name_of
from reports.latency import load_of, scale_of, tokens_per_s
from reports.tables import Column, Shown, Table, absent, cell_key, cell_name, in_order, label, reading, why_absent
from reports.units import count, number, plain

SHADES = 9
LEAST_SPAN = math.log(2)  # a map whose values differ by less than a factor of 2 does not use its whole scale
MOST_GRIDS = 3  # of more arms each is a row

Point = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """One figure in every cell: a grid for each arm, or of many arms one table."""

    title: str
    term: str
    tables: list[Table]
    wide: bool


def heat_maps(points: list[Point], at: float | None, currency: str = "") -> list[HeatMap]:
    """Latencies, output tokens per second and cost at the operating point `at`; what no point has is left out."""
    here = [p for p in points if p.get("cell") and (at is None or load_of(p) == at)]
    arms = in_order(p["arm"] for p in here)
    if len({cell_key(p["cell"]) for p in here}) < 2:
        return []
    figures = [*(_latency(here, metric) for metric in ("ttft_s", "tpot_s", "e2e_s")), _TOKENS, _cost(currency)]
    drawn = [(title, term, _tables(here, arms, value, show)) for title, term, value, show in figures]
    wide = len(arms) > MOST_GRIDS
    return [HeatMap(title, term, tables, wide) for title, term, tables in drawn if _shaded_at_all(tables)]


def _shaded_at_all(tables: list[Table]) -> bool:
    """Whether a map has any value to show."""
    return any(shown.shade is not None for table in tables for row in table.rows for shown in row)


Value = Callable[[Point], float | None]
Show = Callable[[Point], Shown]
Figure = tuple[str, str, Value, Show]


def _latency(points: list[Point], metric: str) -> Figure:
    scale = scale_of(points, metric)
    title = f"{name_of(metric)} mean, {scale.unit}"
    return (
        title, metric, lambda p: p.get(metric, {}).get("mean"), lambda p: reading(p, metric, "mean", scale.bare)
    )  # fmt: skip


_TOKENS: Figure = (
    "Output tokens/s", "output_tokens", lambda p: p.get("throughput", {}).get("output_tokens"), tokens_per_s
)  # fmt: skip


def _cost(currency: str) -> Figure:
    title = f"{plain(currency, 12)} per 1,000 good requests".strip()
    return title, "per_good_request", per_thousand_good, _cost_shown


def per_thousand_good(point: Point) -> float | None:
    """What 1,000 good requests cost at this point, in the scenario's currency."""
    each = point.get("cost", {}).get("total", {}).get("per_good_request")
    return None if each is None else float(1000 * each)


def _cost_shown(point: Point) -> Shown:
    value = per_thousand_good(point)
    if value is not None:
        return Shown(number(value))
    return absent("no prices, or no good request" if point.get("requests", {}).get("ok") else why_absent(point))


def _tables(points: list[Point], arms: list[str], value: Value, show: Show) -> list[Table]:
    known = [v for p in points if (v := value(p))]
    span = (min(known), max(known)) if known else (1.0, 1.0)
    entries = {(p["arm"], cell_key(p["cell"])): _shaded(show(p), value(p), span) for p in points}
    cells = [p["cell"] for p in points]
    if len(arms) > MOST_GRIDS:
        return [_by_arm(arms, cells, entries)]
    return [grid(label(arm).text, cells, {cell: e for (of, cell), e in entries.items() if of == arm}) for arm in arms]


def _by_arm(arms: list[str], cells: list[dict[str, Any]], entries: dict[tuple[str, Any], Shown]) -> Table:
    """Arms down, cells across."""
    names = {cell_key(cell): cell_name(cell) for cell in by_size(cells)}
    rows = tuple((label(arm), *(entries.get((arm, key), _NOT_PLANNED) for key in names)) for arm in arms)
    return Table("every arm", (Column("arm", "arm", False), *(Column(name, "cell") for name in names.values())), rows)


def by_size(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cells from small prompts to large ones, of each from short replies to long ones."""
    return sorted(cells, key=lambda cell: (cell["input_tokens"], cell["output_tokens"]))


_NOT_PLANNED = absent("not in the plan")


def grid(caption: str, cells: list[dict[str, Any]], entries: dict[tuple[str, str], Shown]) -> Table:
    """Entries by cell name as a grid: input sizes down, output sizes across, each in the order of its tokens."""
    down = sorted({(c["input_tokens"], c["input"]) for c in cells})
    across = sorted({(c["output_tokens"], c["output"]) for c in cells})
    rows = []
    for tokens, into in down:
        found = [entries.get((into, out), _NOT_PLANNED) for _, out in across]
        rows.append((Shown(label(into, 20).text, detail=f"{count(tokens)} in"), *found))
    heads = [Column(label(out, 20).text, "cell", detail=f"{count(tokens)} out") for tokens, out in across]
    return Table(caption, (Column("input", "cell", False), *heads), tuple(rows))


def _shaded(shown: Shown, value: float | None, span: tuple[float, float]) -> Shown:
    """The entry with its shade: the value's place on a log scale that all arms share."""
    if not value:
        return shown
    low, high = span
    place = math.log(value / low) / max(math.log(high / low), LEAST_SPAN)
    return Shown(shown.text, shown.note, shown.detail, shown.tone, shade=round(place * (SHADES - 1)))
