"""A soak as pictures over its time: latency, and requests per second with those that were bad; events are marked."""

from __future__ import annotations

from typing import Any

import altair as alt

from reports.charts import COLOURS, FAINT, LIMIT, Chart, Rules, data, rules_for, svg_of
from reports.soak_words import named
from reports.units import Scale, count, duration, duration_scale, plain, span

Entry = dict[str, Any]
Row = dict[str, Any]
METRICS = (("ttft_s", "TTFT"), ("e2e_s", "E2E"))
LONG_S = 600.0  # from here on the axis has minutes


def soak_charts(summary: dict[str, Any], manifest: dict[str, Any]) -> list[tuple[str, list[Chart]]]:
    """Per soak its name and its pictures."""
    entries = summary.get("soaks", [])
    return [(_name(entry, entries), _charts(entry, rules_for(manifest, entry["cell"]))) for entry in entries]


def _name(entry: Entry, entries: list[Entry]) -> str:
    several = len({one["block"] for one in entries}) > 1
    return plain(entry["arm"], 40) + (f", block {entry['block']}" if several else "")


def _charts(entry: Entry, rules: Rules) -> list[Chart]:
    drawn = [_latency(entry, metric, name, rules.limits.get(metric)) for metric, name in METRICS]
    return [chart for chart in (*drawn, _requests(entry)) if chart is not None]


def _latency(entry: Entry, metric: str, name: str, limit: float | None) -> Chart | None:
    """Median and 95th percentile of each piece of the soak; the SLO's limit where it is near."""
    known = [piece for piece in entry["timeline"] if metric in piece]
    if not known:
        return None
    scale = duration_scale(piece[metric]["p50"] for piece in known)
    rows = [
        {"at": _at(entry, piece["at_s"]), "low": piece[metric]["p50"] / scale.seconds,
         "high": piece[metric]["p95"] / scale.seconds}
        for piece in known
    ]  # fmt: skip
    highest = max(row["high"] for row in rows) * scale.seconds
    near = limit if limit is not None and limit < 3 * highest else None
    base = alt.Chart(data(rows)).encode(x=_x(entry))
    y = alt.Y("low:Q", title=None, scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=5))
    layers = [
        *_events(entry),
        base.mark_area(opacity=0.22, color=COLOURS[0], interpolate="step-after").encode(y=y, y2="high:Q"),
        base.mark_line(strokeWidth=1.6, color=COLOURS[0], interpolate="step-after").encode(y=y),
        *_limit(near, scale),
    ]
    words = f"{_said(known, metric)} {_marks(entry)}"
    return Chart(f"{name} median, shaded up to p95, {scale.unit}", _draw(layers), words)


def _requests(entry: Entry) -> Chart | None:
    """Requests per second by outcome: good, beyond the SLO, failed."""
    pieces = entry["timeline"][:-1]  # the last one may be a part
    if not pieces:
        return None
    width = pieces[1]["at_s"] - pieces[0]["at_s"] if len(pieces) > 1 else entry["bin_s"]
    rows = [row for piece in pieces for row in _stacked(entry, piece, width)]
    base = alt.Chart(data(rows)).encode(x=_x(entry, "at:Q"), x2="end:Q")
    colour = alt.Color("what:N", scale=alt.Scale(domain=["good", "bad"], range=[COLOURS[0], LIMIT]), legend=None)
    y = alt.Y("low:Q", title=None, scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=5))
    bars = base.mark_rect(opacity=0.75).encode(y=y, y2="high:Q", color=colour)
    bad = sum(piece["bad"] for piece in entry["timeline"])
    words = f"{count(bad)} of {count(entry['sent'])} requests were not good. {_marks(entry)}"
    return Chart("Requests/s, those that were not good in red", _draw([bars, *_events(entry)]), words)


def _stacked(entry: Entry, piece: Row, width: float) -> list[Row]:
    """What was not good stands at the bottom, where it is seen."""
    at, end = _at(entry, piece["at_s"]), _at(entry, piece["at_s"] + width)
    bad, whole = piece["bad"] / width, piece["sent"] / width
    return [
        {"at": at, "end": end, "what": "bad", "low": 0.0, "high": bad},
        {"at": at, "end": end, "what": "good", "low": bad, "high": whole},
    ]


def _events(entry: Entry) -> list[alt.Chart]:
    """A rule for each thing that was done, numbered as they come."""
    rows = [
        {"at": _at(entry, event["at_s"]), "name": str(number)} for number, event in enumerate(entry["events"], start=1)
    ]
    if not rows:
        return []
    base = alt.Chart(data(rows)).encode(x=_x(entry))
    return [
        base.mark_rule(strokeDash=[2, 3], color=FAINT, strokeWidth=1.2),
        base.mark_text(align="left", dx=3, dy=8, color=FAINT, fontSize=11).encode(y=alt.value(0), text="name:N"),
    ]


def _limit(limit: float | None, scale: Scale) -> list[alt.Chart]:
    if limit is None:
        return []
    there = alt.Chart(data([{"limit": limit / scale.seconds}]))
    return [
        there.mark_rule(color=LIMIT, strokeWidth=1.2, strokeDash=[5, 3]).encode(y="limit:Q"),
        there.mark_text(align="left", baseline="top", dx=4, dy=4, color=LIMIT, fontSize=11)
        .encode(x=alt.value(0), y="limit:Q", text=alt.value("SLO limit")),
    ]  # fmt: skip


def _x(entry: Entry, field: str = "at:Q") -> alt.X:
    title = "minutes" if entry["seconds"] >= LONG_S else "seconds"
    domain = alt.Scale(domain=[0, _at(entry, entry["seconds"])], nice=False)
    return alt.X(field, title=title, scale=domain, axis=alt.Axis(tickCount=8, grid=False))


def _at(entry: Entry, seconds: float) -> float:
    return seconds / 60 if entry["seconds"] >= LONG_S else seconds


def _said(known: list[Row], metric: str) -> str:
    medians = [piece[metric]["p50"] for piece in known]
    highest = max(piece[metric]["p95"] for piece in known)
    return f"medians from {duration(min(medians))} to {duration(max(medians))}, p95 up to {duration(highest)}."


def _marks(entry: Entry) -> str:
    named_all = [f"{number}: {named(event)}" for number, event in enumerate(entry["events"], start=1)]
    return f"Marked: {'; '.join(named_all)}." if named_all else f"Nothing was done to it in {span(entry['seconds'])}."


def _draw(layers: list[alt.Chart]) -> str:
    return svg_of(layers)
