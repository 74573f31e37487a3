"""Distributions as pictures: the share of requests that had a latency of at most so much, all arms in one chart."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import altair as alt

from reports.charts import COLOURS, DASHES, INK, LIMIT, Chart, arm_key, by_arm, data, drawn, rules_for, svg_of
from reports.definitions import name_of
from reports.latency import load_of
from reports.prominent import prominent
from reports.tables import cell_key, cell_name, in_order
from reports.units import Scale, duration, duration_scale, plain

PANEL = (230, 96)
LOG_FROM = 12.0  # largest / smallest from which the axis is logarithmic

Point = dict[str, Any]


def ecdf_charts(points: list[Point], manifest: dict[str, Any], at: float | None) -> list[tuple[str, list[Chart]]]:
    """A name and a chart of each latency: of the plan's cell, then of all cells beside each other.

    At the operating point, or else at the highest load; of many arms the prominent ones.
    """
    arms = prominent(points, in_order(point["arm"] for point in points))
    known = [point for point in points if point.get("ecdf") and point.get("cell") and point["arm"] in arms]
    if not known:
        return []
    loads = {load_of(point) for point in known}
    load = at if at in loads else max(loads)
    here = [point for point in known if load_of(point) == load]
    planned = ((manifest.get("scenario") or {}).get("plan") or {}).get("cell")
    first = next((point for point in here if cell_name(point["cell"]) == planned), here[0])
    of_first = [point for point in here if cell_key(point["cell"]) == cell_key(first["cell"])]
    limits = rules_for(manifest, first["cell"]).limits
    found = [(f"{cell_name(first['cell'])}, {load:g} {_unit(first)}", _charts(of_first, arms, limits))]
    if len({cell_key(point["cell"]) for point in here}) > 1:
        found.append((f"Every cell, {load:g} {_unit(first)}", _charts(here, arms, {}, many=True)))
    return [(name, charts) for name, charts in found if charts]


def _charts(points: list[Point], arms: list[str], limits: dict[str, float], many: bool = False) -> list[Chart]:
    found = [_chart(points, arms, metric, limits.get(metric), many) for metric in ("ttft_s", "tpot_s", "e2e_s")]
    return [chart for chart in found if chart]


def _unit(point: Point) -> str:
    return "at once" if point.get("rate") is None else "requests/s"


def _chart(points: list[Point], arms: list[str], metric: str, limit: float | None, many: bool) -> Chart | None:
    known = [point for point in points if metric in point["ecdf"]]
    values = [value for point in known for value in point["ecdf"][metric] if value]
    if not values:
        return None
    scale = duration_scale(values)
    rows = [row for point in known for row in _rows(point, arms, metric, scale)]
    near = limit / scale.seconds if limit is not None and limit < 3 * max(values) else None
    words = " ".join(_words(point, metric, many) for point in known)
    svg = _draw_many(rows, arms, points) if many else svg_of([*_limit(near), _curves(rows, arms)])
    return Chart(f"{name_of(metric)}, {scale.unit}", svg, words)


def _rows(point: Point, arms: list[str], metric: str, scale: Scale) -> list[dict[str, Any]]:
    curve, key = point["ecdf"][metric], arm_key(arms, point["arm"])
    last = len(curve) - 1
    into, out = (_size(point["cell"], side) for side in ("input", "output"))
    where = {"input": into, "output": out}
    return [
        {"arm": key, "value": value / scale.seconds, "share": part / last, **where}
        for part, value in enumerate(curve)
        if value is not None
    ]


def _size(cell: dict[str, Any], side: str) -> str:
    """A size of prompts or replies as the head of a row or column of charts."""
    return f"{plain(cell[side], 10)} {'in' if side == 'input' else 'out'}"


def _words(point: Point, metric: str, many: bool) -> str:
    curve = point["ecdf"][metric]
    middle = curve[len(curve) // 2]
    half = "more than half failed" if middle is None else f"half within {duration(middle)}"
    most = [value for value in curve if value is not None][-1]
    rest = "all" if curve[-1] is not None else "those that were ok"
    cell = f" in {cell_name(point['cell'])}" if many else ""
    return f"{plain(point['arm'], 40)}{cell}: {half}, {rest} within {duration(most)}."


def _curves(rows: list[dict[str, Any]], arms: list[str]) -> alt.Chart:
    names = [arm_key(arms, arm) for arm in arms]
    values = [row["value"] for row in rows if row["value"] > 0]
    wide = max(values) / min(values) > LOG_FROM
    ticks = {"values": _ticks(min(values), max(values))} if wide else {"tickCount": 4}
    x = alt.X(
        "value:Q", title=None, axis=alt.Axis(grid=False, labelExpr=_PLAIN, **ticks),
        scale=alt.Scale(type="log", nice=False) if wide else alt.Scale(zero=False, nice=True),
    )  # fmt: skip
    percent = alt.Axis(values=[0, 0.5, 1], labelExpr="format(datum.value * 100, '~g') + ' %'")
    y = alt.Y("share:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=percent)
    colour = alt.Color("arm:N", scale=by_arm(names, COLOURS), legend=None)
    dash = alt.StrokeDash("arm:N", scale=by_arm(names, DASHES), legend=None)
    line = alt.Chart(data(rows)).mark_line(strokeWidth=1.8)
    curves: alt.Chart = line.encode(x=x, y=y, color=colour, strokeDash=dash, order="share:Q")
    return curves


def _ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 of each power of ten between both; of more than three decades the powers alone."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(decades) <= 3 else (1,)
    return [step * 10.0**power for power in decades for step in steps if low <= step * 10.0**power <= high]


_PLAIN = "format(datum.value, '~g')"


def _draw_many(rows: list[dict[str, Any]], arms: list[str], points: list[Point]) -> str:
    """A panel for each cell: prompts down, replies across, one scale for all."""
    down, across = (
        list(dict.fromkeys(_size(cell, side) for cell in sorted((p["cell"] for p in points), key=_tokens(side))))
        for side in ("input", "output")
    )
    head = alt.Header(title=None, labelColor=INK, labelFontSize=12, labelPadding=4)
    panels = _curves(rows, arms).properties(width=PANEL[0], height=PANEL[1]).facet(
        row=alt.Row("input:N", sort=down, header=head),
        column=alt.Column("output:N", sort=across, header=head),
        spacing=14,
    )  # fmt: skip
    return drawn(panels.properties(background="transparent"))


def _tokens(side: str) -> Callable[[dict[str, Any]], int]:
    return lambda cell: int(cell[f"{side}_tokens"])


def _limit(limit: float | None) -> list[alt.Chart]:
    if limit is None:
        return []
    there = alt.Chart(data([{"value": limit}]))
    return [
        there.mark_rule(color=LIMIT, strokeWidth=1.2, strokeDash=[5, 3]).encode(x="value:Q"),
        there.mark_text(align="right", dx=-4, dy=8, color=LIMIT, fontSize=11)
        .encode(x="value:Q", y=alt.value(0), text=alt.value("SLO limit")),
    ]  # fmt: skip
