"""The run over time as a picture: strips of load, requests, engines and GPUs above one another; events are numbered."""

from __future__ import annotations

from typing import Any

import altair as alt

from reports.charts import COLOURS, FAINT, INK, LIMIT, Chart, by_arm, data, drawn
from reports.prominent import prominent
from reports.tables import Column, Shown, Table, Tone, label
from reports.units import count, plain, share, span

WIDTH, STRIP = 860, 74
HOUR, LONG_S = 3600.0, 600.0

Timeline = dict[str, Any]
Row = dict[str, Any]


def timeline_chart(summary: dict[str, Any], arms: list[str]) -> Chart | None:
    """All strips in one chart; None for a run without a step that is over."""
    line = summary.get("timeline")
    if not line:
        return None
    shown = prominent(summary["points"], arms)
    strips = [_loads(line, shown), _requests(line), _lines(line, _OF_ENGINE), _lines(line, _SHARES)]
    kept = [strip for strip in strips if strip is not None]
    drawn_strips = []
    for place, strip in enumerate(kept):
        layers = alt.layer(*strip[1], *_events(line, place == 0)).properties(
            width=WIDTH, height=STRIP, title=alt.Title(strip[0], anchor="start", fontSize=12, color=INK, offset=4)
        )
        drawn_strips.append(layers)
    chart = (
        alt.vconcat(*drawn_strips, spacing=12).resolve_scale(color="independent").properties(background="transparent")
    )
    return Chart("The run over time", drawn(chart), words(line))


_OF_ENGINE = {"in_engine": ("requests in the engine, running and waiting", COLOURS[1])}
_SHARES = {"gpu_busy": ("GPU busy", COLOURS[1]), "kv_used_share": ("KV pool in use", COLOURS[2])}


def words(line: Timeline) -> str:
    """The picture in words: how long, the loads, failures, the highest shares."""
    loads = [load for load in line.get("load", []) if load is not None]
    said = [f"{span(line['seconds'])}, loads from {min(loads):g} to {max(loads):g}" if loads else span(line["seconds"])]
    bad = sum(value or 0.0 for value in line.get("bad_per_s", [])) * line["piece_s"]
    said.append(f"about {count(round(bad))} requests failed")
    for name, (what, _) in _SHARES.items():
        known = [value for value in line.get(name, []) if value is not None]
        said += [f"{what} at most {share(max(known), 0)}"] if known else []
    said.append(f"{count(len(line['events']) + line.get('more_events', 0))} events")
    return ", ".join(said) + "."


def events_table(line: Timeline | None) -> Table | None:
    """What the numbers in the picture stand for; None when nothing happened."""
    if not line or not line["events"]:
        return None
    rows = tuple(
        (Shown(count(place)), Shown(span(one["at_s"])), Shown(plain(one["what"], 40), tone=_tone(one["what"])),
         label(one["said"], 200))
        for place, one in enumerate(line["events"], start=1)
    )  # fmt: skip
    more = line.get("more_events")
    columns = (Column("event"), Column("after"), Column("what", None, False), Column("which", None, False))
    return Table("What happened", columns, rows, remark=f"{count(more)} more are in steps.json." if more else None)


def _tone(what: str) -> Tone:
    return "warn" if what in ("worker lost", "stopped") else ""


def _at(line: Timeline, seconds: float) -> float:
    return seconds / _unit(line)[0]


def _unit(line: Timeline) -> tuple[float, str]:
    """What one of the axis is in seconds, and its name."""
    if line["seconds"] >= 4 * HOUR:
        return HOUR, "hours"
    return (60.0, "minutes") if line["seconds"] >= LONG_S else (1.0, "seconds")


def _pieces(line: Timeline, name: str) -> list[Row]:
    """Each piece in which a figure is known: from, to, its value."""
    width = line["piece_s"]
    return [
        {"at": _at(line, place * width), "to": _at(line, (place + 1) * width), "value": value, "place": place}
        for place, value in enumerate(line.get(name, []))
        if value is not None
    ]


def _x(line: Timeline, field: str = "at:Q") -> alt.X:
    domain = alt.Scale(domain=[0, _at(line, line["seconds"])], nice=False)
    return alt.X(field, title=_unit(line)[1], scale=domain, axis=alt.Axis(tickCount=8, grid=False, titlePadding=2))


def _y(field: str, percent: bool = False) -> alt.Y:
    if percent:
        axis = alt.Axis(values=[0, 0.5, 1], labelExpr="format(datum.value * 100, '~g') + ' %'")
        return alt.Y(field, title=None, scale=alt.Scale(domain=[0, 1]), axis=axis)
    return alt.Y(field, title=None, scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=3))


def _loads(line: Timeline, arms: list[str]) -> tuple[str, list[alt.Chart]] | None:
    """Load by arm; hollow where the step does not count."""
    rows = _pieces(line, "load")
    if not rows:
        return None
    for row in rows:
        arm, valid = line["arm"][row["place"]], line["valid"][row["place"]]
        row |= {"arm": str(arms.index(arm)) if arm in arms else "other", "opacity": 0.8 if valid else 0.3}
    names = [*(str(place) for place in range(len(arms))), "other"]
    colour = alt.Color("arm:N", scale=by_arm(names, [*COLOURS[: len(arms)], FAINT]), legend=None)
    bars = alt.Chart(data(rows)).mark_rect().encode(
        x=_x(line), x2="to:Q", y=_y("value:Q"), y2=alt.datum(0), color=colour,
        opacity=alt.Opacity("opacity:Q", scale=None, legend=None),
    )  # fmt: skip
    return "load, by arm; pale where the step does not count", [bars]


def _requests(line: Timeline) -> tuple[str, list[alt.Chart]] | None:
    rows, bad = _pieces(line, "sent_per_s"), [row for row in _pieces(line, "bad_per_s") if row["value"]]
    if not rows:
        return None
    marks = [
        alt.Chart(data(found)).mark_rect(color=colour, opacity=0.75).encode(
            x=_x(line), x2="to:Q", y=_y("value:Q"), y2=alt.datum(0)
        )
        for found, colour in ((rows, COLOURS[0]), (bad, LIMIT)) if found
    ]  # fmt: skip
    return "requests sent per second; failed ones in red", marks


def _lines(line: Timeline, of: dict[str, tuple[str, str]]) -> tuple[str, list[alt.Chart]] | None:
    found = {name: rows for name in of if (rows := _pieces(line, name))}
    if not found:
        return None
    percent = of is _SHARES
    marks = [
        alt.Chart(data(rows)).mark_line(
            strokeWidth=1.4, color=of[name][1], interpolate="step-after", strokeDash=[1, 0] if place == 0 else [4, 2]
        ).encode(x=_x(line), y=_y("value:Q", percent))
        for place, (name, rows) in enumerate(found.items())
    ]  # fmt: skip
    said = [f"{of[name][0]}{'' if place == 0 else ' (dashed)'}" for place, name in enumerate(found)]
    return ", ".join(said), marks


def _events(line: Timeline, named: bool) -> list[alt.Chart]:
    """A rule for each event in every strip, its number in the first where there is room for it."""
    rows = [{"at": _at(line, one["at_s"]), "name": str(n)} for n, one in enumerate(line["events"], start=1)]
    if not rows:
        return []
    rules = alt.Chart(data(rows)).mark_rule(strokeDash=[2, 3], color=FAINT, strokeWidth=1).encode(x=_x(line))
    if not named:
        return [rules]
    kept = _apart(rows, _at(line, line["seconds"]) / 45)
    names = alt.Chart(data(kept)).mark_text(align="left", dx=2, dy=-3, color=FAINT, fontSize=10)
    return [rules, names.encode(x=_x(line), y=alt.value(0), text="name:N")]


def _apart(rows: list[Row], least: float) -> list[Row]:
    """Those of the rows that have room for their number."""
    kept: list[Row] = []
    for row in rows:
        if not kept or row["at"] - kept[-1]["at"] >= least:
            kept.append(row)
    return kept
