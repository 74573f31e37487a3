"""`tokenswarm history`: the trend over many runs as a table, and as one page of charts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
from markupsafe import Markup
from rich.console import Console

from exporters.files import replace
from exporters.record import RecordError
from reports.charts import COLOURS, FAINT, by_arm, data, legend, svg_of
from reports.definitions import name_of
from reports.history import Night, Series, all_series, read_nights
from reports.html import page
from reports.search_tables import load_text
from reports.tables import Column, Shown, Table, in_order, label
from reports.terminal import print_table
from reports.units import change, count, duration, duration_scale, plain

CAUTION = (
    "A move says that something changed around then: the service, its machine, the network or this client. Only arms "
    "of one run, in turns, prove which."
)
MOST_CHARTS = 60


def write_history(directory: Path) -> None:
    """Print what moved and write history.html beside the runs; RecordError when there are none."""
    nights, unread = read_nights(directory)
    if not nights:
        why = f"; {len(unread)} could not be read, the first: {unread[0]}" if unread else ""
        raise RecordError(f"no run with a summary.json below {directory}{why}")
    series = all_series(nights)
    table, console = moves_table(series, nights), Console()
    console.print(f"{len(nights)} runs, {_day(nights[0])} to {_day(nights[-1])}")
    console.print(CAUTION, style="yellow")
    print_table(table, console)
    for line in unread:
        console.print(f"left out: {plain(line, 200)}", style="dim", markup=False)
    target = directory / "history.html"
    replace(target, render(series, nights, table, unread).encode())
    print(target)  # noqa: T201 (the last line on stdout is the file)


def moves_table(series: Sequence[Series], nights: Sequence[Night]) -> Table:
    """Every move of every point, the newest first."""
    columns = (
        Column("since", None, False), Column("arm", None, False), Column("cell", "cell", False), Column("load"),
        Column("metric", None, False), Column("moved by"), Column("runs", essential=False),
    )  # fmt: skip
    found = [(nights[one.nights[move.at]], one, move) for one in series for move in one.moves]
    found.sort(key=lambda item: item[0].started, reverse=True)
    rows = tuple(
        (
            Shown(_day(night)), label(one.arm), Shown(one.cell),
            Shown(load_text(one.load)), Shown(name_of(one.metric)),
            Shown(change(move.ratio), tone="bad" if move.ratio > 1 else "good"), Shown(count(len(one.values))),
        )
        for night, one, move in found
    )  # fmt: skip
    title = "Where a level moved, the newest first" if rows else "No level moved by more than chance would have it"
    return Table(title, columns, rows, heads=5)


def render(series: Sequence[Series], nights: Sequence[Night], table: Table, unread: Sequence[str]) -> str:
    """One self-contained page: the moves, then a chart per cell and metric at the operating point."""
    arms = in_order(one.arm for one in series)
    shown = [one for one in series if one.operating] or list(series)
    places = list(dict.fromkeys(_place(one) for one in shown))
    drawn = [_chart([one for one in shown if _place(one) == place], nights, arms) for place in places[:MOST_CHARTS]]
    return page(
        "history.html",
        caution=CAUTION,
        runs=f"{len(nights)} runs, {_day(nights[0])} to {_day(nights[-1])}",
        table=table if table.rows else None,
        legend=[(name, Markup(swatch)) for name, swatch in legend(arms)] if len(arms) > 1 else [],
        charts=[(title, Markup(svg), words) for title, svg, words in drawn],
        unread=[plain(line, 200) for line in unread],
        left_out=max(len(places) - MOST_CHARTS, 0),
    )


def _place(one: Series) -> tuple[str, str, float, str]:
    return one.scenario, one.cell, one.load, one.metric


def _chart(series: Sequence[Series], nights: Sequence[Night], arms: list[str]) -> tuple[str, str, str]:
    """Title, SVG and the same in words: a line per arm, a rule where it moved."""
    first = series[0]
    scale = duration_scale(value for one in series for value in one.values)
    rows = [
        {"run": place, "arm": str(arms.index(one.arm)), "value": value / scale.seconds}
        for one in series
        for place, value in zip(one.nights, one.values, strict=True)
    ]
    moved = [
        {"run": one.nights[move.at] - 0.5, "arm": str(arms.index(one.arm))} for one in series for move in one.moves
    ]
    where = f"{first.cell} at {load_text(first.load)}, {plain(first.scenario, 40)}"
    title = f"{name_of(first.metric)} mean, {scale.unit}, {where}"
    return title, _draw(rows, moved, arms, nights), "; ".join(_words(one) for one in series) + "."


def _draw(rows: list[dict[str, Any]], moved: list[dict[str, Any]], arms: list[str], nights: Sequence[Night]) -> str:
    colour = alt.Color("arm:N", scale=by_arm([str(i) for i in range(len(arms))], COLOURS), legend=None)
    last = max(len(nights) - 1, 1)
    labels = {0: _day(nights[0]), last: _day(nights[-1])}
    named = f"datum.value == 0 ? '{labels[0]}' : '{labels[last]}'"
    x = alt.X(
        "run:Q", title=None, scale=alt.Scale(domain=[-0.5, last + 0.5], nice=False),
        axis=alt.Axis(values=[0, last], labelExpr=named, grid=False, labelFlush=True),
    )  # fmt: skip
    y = alt.Y("value:Q", title=None, scale=alt.Scale(zero=True, nice=True), axis=alt.Axis(tickCount=5))
    base = alt.Chart(data(rows)).encode(x=x, y=y, color=colour)
    layers = [base.mark_line(strokeWidth=1.4, opacity=0.6), base.mark_point(filled=True, size=30, opacity=1)]
    if moved:
        layers.append(alt.Chart(data(moved)).mark_rule(strokeDash=[3, 3], color=FAINT).encode(x="run:Q"))
    return svg_of(layers)


def _day(night: Night) -> str:
    """The date of a run: it stands in a file that anybody may have written."""
    return "".join(letter for letter in night.started[:10] if letter.isdigit() or letter == "-")


def _words(one: Series) -> str:
    moved = ", ".join(f"{change(move.ratio)} at run {move.at + 1}" for move in one.moves) or "no move"
    return f"{plain(one.arm, 40)}: from {duration(one.values[0])} to {duration(one.values[-1])}, {moved}"
