"""A search as a picture: each load's share of good requests with its bounds, what must be good, and the knee."""

from __future__ import annotations

from typing import Any

import altair as alt

from reports.charts import COLOURS, FAINT, LIMIT, SHAPES, Chart, by_arm, data, svg_of
from reports.search_tables import load_text
from reports.tables import cell_key, cell_name, in_order
from reports.units import plain, share

Entry = dict[str, Any]


def search_charts(summary: dict[str, Any], manifest: dict[str, Any]) -> list[tuple[str, Chart]]:
    """Per cell its name and its picture, all arms in it; a search without a valid probe has none."""
    attain = float((manifest.get("scenario") or {}).get("slo", {}).get("attain", 0.95))
    entries = [entry for entry in summary.get("search", []) if entry["loads"]]
    arms = in_order(one["arm"] for one in [*summary.get("points", []), *summary.get("search", [])])  # as in the legend
    cells = {cell_key(entry["cell"]): entry["cell"] for entry in entries}
    return [
        (cell_name(cell), _chart([entry for entry in entries if cell_key(entry["cell"]) == key], arms, attain))
        for key, cell in cells.items()
    ]


def _chart(entries: list[Entry], arms: list[str], attain: float) -> Chart:
    rows = [_row(entry, load, arms) for entry in entries for load in entry["loads"]]
    knees = [_knee(entry, arms) for entry in entries if "interval" in entry and entry["state"] == "found"]
    words = " ".join(_words(entry) for entry in entries)
    return Chart("Share of good requests, with 90 % bounds", _draw(rows, knees, arms, attain), words)


def _row(entry: Entry, load: dict[str, Any], arms: list[str]) -> dict[str, Any]:
    low, high = load["bounds"]
    known = {"load": load["load"], "arm": str(arms.index(entry["arm"])), "low": low, "high": high}
    axis = "users at once" if entry["by"] == "concurrency" else "requests/s"
    return {**known, "value": load["good"] / load["sent"] if load["sent"] else 0.0, "axis": axis}


def _knee(entry: Entry, arms: list[str]) -> dict[str, Any]:
    low, high = entry["interval"]
    return {"arm": str(arms.index(entry["arm"])), "knee": entry["knee"], "from": low, "to": high}


def _words(entry: Entry) -> str:
    said = [
        f"{share(load['good'] / load['sent'], 0)} good at {load_text(load['load'])}"
        for load in entry["loads"]
        if load["sent"]
    ]
    return f"{plain(entry['arm'], 40)}: {', '.join(said)}."


def _draw(rows: list[dict[str, Any]], knees: list[dict[str, Any]], arms: list[str], attain: float) -> str:
    names = [str(index) for index in range(len(arms))]  # names may be equal once they are made printable
    colour = alt.Color("arm:N", scale=by_arm(names, COLOURS), legend=None)
    shape = alt.Shape("arm:N", scale=by_arm(names, SHAPES), legend=None)
    loads = _ticks(sorted({row["load"] for row in rows}))
    x = alt.X(
        "load:Q",
        title=rows[0]["axis"],
        scale=alt.Scale(type="log", base=2, nice=False, padding=12),
        axis=alt.Axis(values=loads, labelExpr="format(datum.value, '~g')", grid=False),
    )
    percent = alt.Axis(tickCount=5, labelExpr="format(datum.value * 100, '~g') + ' %'")
    y = alt.Y("value:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=percent)
    base = alt.Chart(data(rows)).encode(x=x)
    layers = [
        *_knee_layers(knees, colour),
        base.encode(y=alt.Y("low:Q", title=None), y2="high:Q", color=colour).mark_rule(strokeWidth=1.5),
        base.encode(y=y, color=colour).mark_line(strokeWidth=1.2, opacity=0.5),
        base.encode(y=y, color=colour, shape=shape).mark_point(filled=True, size=44, opacity=1),
        *_attain_layers(attain),
    ]
    return svg_of(layers)


def _knee_layers(knees: list[dict[str, Any]], colour: Any) -> list[alt.Chart]:
    """The band in which the knee lies with 90 %, and its middle."""
    if not knees:
        return []
    base = alt.Chart(data(knees))
    return [
        base.mark_rect(opacity=0.2).encode(x="from:Q", x2="to:Q", color=colour),
        base.mark_rule(strokeWidth=1.2, strokeDash=[2, 3]).encode(x="knee:Q", color=colour),
    ]


def _attain_layers(attain: float) -> list[alt.Chart]:
    there = alt.Chart(data([{"attain": attain}]))
    name = f"{share(attain, 0)} must be good"
    return [
        there.mark_rule(color=LIMIT, strokeWidth=1.2, strokeDash=[5, 3]).encode(y="attain:Q"),
        there.mark_text(align="left", baseline="top", dx=4, dy=26, color=FAINT, fontSize=11)
        .encode(x=alt.value(0), y="attain:Q", text=alt.value(name)),
    ]  # fmt: skip


def _ticks(loads: list[float]) -> list[float]:
    """Loads that are far enough apart for their numbers: a factor of 1.5 at least."""
    kept: list[float] = []
    for load in loads:
        if not kept or load / kept[-1] >= 1.5:
            kept.append(load)
    return kept
