"""`tokenswarm compare`: two runs as tables, with the caution that they are at different times, or a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from exporters.files import replace
from exporters.record import RecordError, Run
from reports.between import Beside, Differing, Side, beside, differences, sides_of
from reports.definitions import name_of
from reports.html import page
from reports.markdown import render_tables
from reports.search_tables import load_text
from reports.tables import Column, Shown, Table, Tone, absent, label
from reports.terminal import print_table
from reports.units import change, change_interval, in_unit, plain

CAUTION = (
    "Different time: not proof. Two runs differ by all that drifts; only arms of one run, in turns, prove a change."
)
ONE_BLOCK = "one block: no interval; raise [plan] blocks"
KINDS = ("scenario", "server", "gpu", "clock", "generator")


def compare_runs(
    base: Path, candidate: Path, arm: str | None, under_test: Sequence[str], markdown: Path | None
) -> None:
    """Print two runs beside each other; RecordError, in one line, when what differs was not said to be under test."""
    tables = compared(base, candidate, arm, under_test)
    console = Console()
    console.print(CAUTION, style="bold yellow")
    for table in tables:
        print_table(table, console)
    if markdown is not None:
        html = markdown.suffix == ".html"
        text = page("between.html", caution=CAUTION, tables=tables) if html else render_tables(CAUTION, tables)
        replace(markdown, text.encode())


def compared(base: Path, candidate: Path, arm: str | None, under_test: Sequence[str]) -> list[Table]:
    """Two runs' points beside each other, and what differs; RecordError when it was not said to be under test."""
    try:
        before, after = sides_of(Run.open(base), Run.open(candidate), arm)
    except LookupError as error:
        raise RecordError(str(error.args[0])) from None
    found = differences(before, after)
    refused = [one for one in found if not {one.kind, one.key} & set(under_test)]
    if refused:
        raise RecordError(_refusal(refused))
    points = beside(before, after)
    if not points:
        raise RecordError("the runs have no point in common: the same cell at the same load, valid in both")
    return [points_table(points, before, after), *([differing_table(found)] if found else [])]


def _refusal(refused: Sequence[Differing]) -> str:
    """The first difference, how many there are, and how to say that one of them is under test."""
    first, kinds = refused[0], ", ".join(dict.fromkeys(one.kind for one in refused))
    more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
    return (
        f"the runs differ in {first.key} ({_said(first.base)} against {_said(first.candidate)}){more}: if that is what "
        f"is under test, say so by --differs ({kinds})"
    )


def _said(value: object) -> str:
    return "nothing" if value is None else plain(value, 40)


def points_table(points: Sequence[Beside], base: Side, candidate: Side) -> Table:
    """Each metric of each point: both means, their ratio with Welch's interval."""
    columns = (
        Column("cell", "cell", False), Column("load"), Column("metric", None, False), Column(_named(base), "arm"),
        Column(_named(candidate), "arm"), Column("change", "ratio"), Column("blocks", essential=False),
    )  # fmt: skip
    return Table("Two runs beside each other", columns, tuple(_row(point) for point in points), heads=3)


def _named(side: Side) -> str:
    return plain(f"{side.run.manifest['id']}, {side.arm}", 60)


def _row(point: Beside) -> tuple[Shown, ...]:
    ratio = Shown(change(point.ratio), note=ONE_BLOCK) if point.ci is None else _change(point.ratio, point.ci, point)
    return (
        label(point.cell, 41), Shown(load_text(point.load)), Shown(name_of(point.metric)),
        Shown(in_unit(point.metric, point.base)), Shown(in_unit(point.metric, point.candidate)), ratio,
        Shown(f"{point.blocks[0]} and {point.blocks[1]}"),
    )  # fmt: skip


def _change(ratio: float, ci: tuple[float, float], point: Beside) -> Shown:
    low, high = ci
    apart = low > 1 or high < 1
    worse = (ratio > 1) != (point.metric == "good_per_s")
    tone: Tone = ("bad" if worse else "good") if apart else ""
    return Shown(change(ratio, ci), tone=tone, detail=change_interval(low, high))


def differing_table(found: Sequence[Differing]) -> Table:
    """What differs between the manifests, and was said to be under test."""
    columns = (Column("what differs", None, False), Column("base", None, False), Column("candidate", None, False))
    rows = tuple((label(one.key, 80), _value(one.base), _value(one.candidate)) for one in found)
    return Table("What differs, as was said", columns, rows)


def _value(value: object) -> Shown:
    return absent("this run does not know") if value is None else label(value, 80)
