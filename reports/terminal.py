"""The report on a terminal: verdict first, then points, comparisons and warnings. The caller names the path."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from reports import effects, latency, scaling_tables, search_tables, soak_tables, swarm, trust, unusual_tables
from reports.headline import Figure, Headline, headline
from reports.operating import operating_load
from reports.tables import Column, Shown, Table, Tone

WIDE = 150  # columns a terminal needs for every column of the points
MOST_POINTS = 40
_STYLES: dict[Tone, str] = {"good": "green", "bad": "red", "warn": "yellow", "quiet": "dim", "": ""}


def print_terminal(summary: dict[str, Any], manifest: dict[str, Any], console: Console) -> None:
    """Prints the run to the console; foreign text never becomes markup or an escape sequence."""
    for banner in trust.banners(summary, manifest):
        console.print(Text(banner, style="bold yellow"))
    _print_headline(headline(summary, manifest), console)
    points, left_out = _worth_printing(summary["points"], operating_load(manifest))
    tables = [
        *search_tables.search_tables(summary),
        *soak_tables.soak_tables(summary),
        *scaling_tables.scaling_tables(summary),
        latency.points_table(points) if points else None,
        _comparisons(summary["comparisons"]),
        effects.capacity_table(summary),
        unusual_tables.growth_table(summary.get("growth", [])),
        latency.tasks_table(summary.get("tasks", [])),
        latency.outcomes_table(trust.all_steps(summary)),
        trust.invalid_table(trust.all_steps(summary)),
    ]
    for table in tables:
        if table:
            print_table(table, console)
    if left_out:
        console.print(Text(f"{left_out} more points are in report.html.", style="dim"))
    if rows := swarm.rows_line(summary):
        console.print(Text(rows.text, style=_STYLES[rows.tone]))
    if unusual := unusual_tables.by_chance(summary):
        console.print(Text(unusual, style="dim"))
    _print_warnings(trust.warning_texts(summary["warnings"]), console)


def _print_headline(first: Headline, console: Console) -> None:
    console.print()
    console.print(Text(first.word.upper(), style=f"bold {_STYLES[first.tone]}"))
    console.print(Text(first.paragraph))
    console.print()
    for figure in first.figures:
        console.print(_figure_line(figure))
    console.print(Text(first.validity, style=_STYLES[first.validity_tone]))


def _figure_line(figure: Figure) -> Padding:
    line = Text(f"{figure.label}  ")
    line.append(figure.value, style=f"bold {_STYLES[figure.tone]}")
    line.append(f"  {figure.detail}", style="dim")
    return Padding(line, (0, 0, 0, 2))


def _worth_printing(points: list[dict[str, Any]], at: float | None) -> tuple[list[dict[str, Any]], int]:
    """All points of a run of ordinary size, else those at the operating point; and how many are left out."""
    if len(points) <= MOST_POINTS:
        return points, 0
    here = [p for p in points if latency.load_of(p) == at] or points
    return here[:MOST_POINTS], len(points) - len(here[:MOST_POINTS])


def _comparisons(comparisons: list[dict[str, Any]]) -> Table | None:
    """The comparisons that found something or could not; all of them when that is none."""
    cells = [c for c in comparisons if c["level"] != "rung"]
    found = [c for c in cells if c["verdict"] != "same"]
    if not found:
        return effects.comparisons_table(cells)
    return effects.comparisons_table(found, f"{len(found)} of {len(cells)} comparisons that are not “same”")


def print_table(table: Table, console: Console) -> None:
    """The table, without its inessential columns on a narrow terminal, and its footnotes."""
    wide = console.width >= WIDE
    kept = [i for i, column in enumerate(table.columns) if wide or column.essential]
    drawn = RichTable(
        title=Text(table.caption, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for i in kept:
        _add_column(drawn, table.columns[i], i < table.heads)
    for row in table.rows:
        drawn.add_row(*(_entry(table, row[i], wide or table.columns[i].term == "ratio") for i in kept))
    console.print(drawn)
    for note in table.notes:
        console.print(Text(f"{table.mark_of(note)}  {note}", style="dim"))


def _add_column(drawn: RichTable, column: Column, heads: bool) -> None:
    """A column; numbers and names of rows never wrap, so their heads break at every space instead."""
    title = column.title.replace(" ", "\n") if column.numeric else column.title
    drawn.add_column(
        Text(title), justify="right" if column.numeric else "left", no_wrap=column.numeric or heads, overflow="fold"
    )


def _entry(table: Table, shown: Shown, detailed: bool) -> Text:
    entry = Text(shown.text, style=_STYLES[shown.tone])
    if shown.note:
        entry.append(f" {table.mark(shown)}", style="dim")
    if shown.detail and detailed:
        entry.append(f" {shown.detail}", style="dim")
    return entry


def _print_warnings(warnings: list[str], console: Console) -> None:
    for warning in warnings[:MOST_POINTS]:
        console.print(Text.assemble(("warning  ", "yellow"), warning))
