"""Where the time goes: stacked bars and tables of a service's stages and model calls, from the summary alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from reports.charts import COLOURS
from reports.latency import load_column, load_shown, load_words
from reports.tables import Column, Shown, Table, Tone, absent, cell_name, in_order, label, reading
from reports.units import MINUS, count, duration, number, plain, share

REST = "unexplained_s"
REST_COLOUR = "var(--line)"
BAR, HIGH = 1000, 22  # of a bar's view box

Point = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bar:
    """One point's time as a stacked bar, with the sentence that says the same."""

    title: str
    svg: str
    words: str


Shares = dict[str, dict[str, Any]]  # by part, its share of the whole


def staged(points: list[Point]) -> list[tuple[Point, Shares]]:
    """The points whose service tells of its stages."""
    return [(point, point["stages"]) for point in points if point.get("stages")]


def clocked(points: list[Point]) -> list[tuple[Point, Shares]]:
    """The points whose time our own clock divides."""
    timed = [(point, point["time"]) for point in points if point.get("time", {}).get("whole_s")]
    return [
        (point, {name: {"share": part / time["whole_s"]} for name, part in time["parts"].items()})
        for point, time in timed
    ]


def bars(divided: list[tuple[Point, Shares]]) -> list[Bar]:
    """One bar for each point."""
    names = part_names(divided)
    return [Bar(_title(point), _bar(parts, names), _words(parts)) for point, parts in divided]


def part_names(divided: list[tuple[Point, Shares]]) -> list[str]:
    """Every part of these points in the order in which it is met; the rest is none."""
    return in_order(name for _, parts in divided for name in parts if name != REST)


def legend(divided: list[tuple[Point, Shares]]) -> list[tuple[str, str]]:
    """Each part's name with a swatch of its colour."""
    names = part_names(divided)
    known = [(plain(name.removesuffix("_s"), 40), _fill(names, name)) for name in names]
    if not known:
        return []
    return [(name, _swatch(fill)) for name, fill in [*known, ("unexplained", _fill(names, REST))]]


def _title(point: Point) -> str:
    whole = point.get("time", {}).get("whole_s")
    took = "" if whole is None else f": {duration(whole)}"
    return f"{plain(point['arm'], 40)}, {cell_name(point.get('cell'))}, {load_words(point)}{took}"


def _words(stages: dict[str, Any]) -> str:
    said = [f"{plain(name.removesuffix('_s'), 40)} {share(one.get('share'))}" for name, one in stages.items()]
    return ", ".join(said) + "."


def _bar(stages: dict[str, Any], names: list[str]) -> str:
    """Shares side by side; when they add up to more than the whole, the whole bar is their sum."""
    parts = [(name, max(one.get("share") or 0.0, 0.0)) for name, one in stages.items()]
    whole = max(sum(part for _, part in parts), 1.0)
    drawn, left = [], 0.0
    for name, part in parts:
        width = BAR * part / whole
        drawn.append(f'<rect x="{left:.1f}" y="0" width="{width:.1f}" height="{HIGH}" {_fill(names, name)}/>')
        left += width
    box = f'viewBox="0 0 {BAR} {HIGH}" preserveAspectRatio="none"'
    return f'<svg {box} width="100%" height="{HIGH}" aria-hidden="true" class="stack">{"".join(drawn)}</svg>'


def _fill(names: list[str], name: str) -> str:
    """A stage's colour as SVG attributes; beyond six stages the colours come again, fainter each time."""
    if name == REST:
        return f'fill="{REST_COLOUR}"'
    cycle, number = divmod(names.index(name), len(COLOURS))
    return f'fill="{COLOURS[number]}" fill-opacity="{0.62**cycle:.2g}"'


def _swatch(fill: str) -> str:
    box = f'<rect width="14" height="14" {fill}/>'
    return f'<svg viewBox="0 0 14 14" width="14" height="14" aria-hidden="true" class="swatch">{box}</svg>'


def time_table(points: list[Point]) -> Table | None:
    """Per point the mean time of a request and of each of its parts, which add up to it."""
    timed = [point for point in points if point.get("time")]
    if not timed:
        return None
    names = [*in_order(name for point in timed for name in point["time"]["parts"] if name != REST), REST]
    columns = (
        Column("cell", "cell", False), load_column(timed), Column("arm", "arm", False), Column("replies"),
        Column("end − sent", "time"), *(Column(name.removesuffix("_s"), "time") for name in names),
    )  # fmt: skip
    rows = tuple(_time_row(point, names) for point in timed)
    return Table("Where the time goes, by our clock and the engine's counters", columns, rows, heads=3)


def _time_row(point: Point, names: list[str]) -> tuple[Shown, ...]:
    time = point["time"]
    heads = (Shown(cell_name(point.get("cell"))), Shown(load_shown(point)), label(point["arm"]))
    untold = absent("the engine's counters do not tell it, or nobody gave its address: add `metrics` to the arm")
    parts = (
        untold if name not in time["parts"] else Shown(signed(time["parts"][name]), tone=_tone(name, time))
        for name in names
    )
    return (*heads, Shown(count(time["n"])), Shown(duration(time["whole_s"])), *parts)


def signed(seconds: float) -> str:
    """A duration that may be negative: more was told than there was."""
    return duration(seconds) if seconds >= 0 else f"{MINUS}{duration(-seconds)}"


def _tone(name: str, time: dict[str, Any]) -> Tone:
    """The rest is worth a look when it is negative or a fifth of all."""
    rest = time["parts"][name] / time["whole_s"] if name == REST and time["whole_s"] else 0.0
    return "warn" if rest < -0.01 or rest > 0.2 else ""


def stages_table(points: list[Point]) -> Table | None:
    """Per point and stage: mean, p50, p95, and its share of end - sent."""
    telling = [point for point in points if point.get("stages")]
    if not telling:
        return None
    columns = (
        Column("cell", "cell", False), load_column(telling), Column("arm", "arm", False),
        Column("stage", "stages", False), Column("replies"), Column("mean", "mean"), Column("p50", "quantile"),
        Column("p95", "quantile"), Column("share", "stages"),
    )  # fmt: skip
    rows = tuple(row for point in telling for row in _stage_rows(point))
    return Table("Where the time goes, stage by stage", columns, rows, heads=4)


def _stage_rows(point: Point) -> Iterator[tuple[Shown, ...]]:
    heads = (Shown(cell_name(point.get("cell"))), Shown(load_shown(point)), label(point["arm"]))
    for name, one in point["stages"].items():
        part = one.get("share")
        yield (
            *heads, Shown(plain(name.removesuffix("_s"), 40), _doubt(point, name, one)), Shown(count(one["n"])),
            *(reading(point["stages"], name, stat, duration) for stat in ("mean", "p50", "p95")),
            absent("no reply has every stage") if part is None else Shown(share(part)),
        )  # fmt: skip


def _doubt(point: Point, name: str, one: dict[str, Any]) -> str | None:
    """What to know of a stage's figures."""
    if one.get("over"):
        return f"in {count(one['over'])} replies the stages add up to more than the request took: they overlap"
    if name != REST and one["n"] < point.get("requests", {}).get("ok", 0):
        return "not every ok reply tells it: figures are of those that do"
    return None


def calls_table(points: list[Point]) -> Table | None:
    """Per point: model calls of one service request, their tokens, how many at once, and what they cost."""
    known = [point for point in points if point.get("fan_out")]
    if not known:
        return None
    columns = (
        Column("cell", "cell", False), load_column(known), Column("arm", None, False), Column("model calls", "fan_out"),
        Column("most"), Column("input tokens", "tokens"), Column("output tokens", "tokens"),
        Column("at once", "fan_out"), Column("cost", "fan_out", detail="scenario’s currency"),
        Column("told by", None, False),
    )  # fmt: skip
    return Table("Model calls of one request", columns, tuple(map(_call_row, known)), heads=3)


def _call_row(point: Point) -> tuple[Shown, ...]:
    out = point["fan_out"]
    heads = (Shown(cell_name(point.get("cell"))), Shown(load_shown(point)), label(point["arm"]))
    source = {"reply": "each reply", "counters": "the engine's counters"}.get(out["source"], out["source"])
    return (
        *heads, _number(out.get("calls", {}).get("mean"), "calls are not counted"),
        _number(out.get("calls", {}).get("max"), "only a mean is known from counters"),
        _number(out.get("input_tokens", {}).get("mean"), "not told"),
        _number(out.get("output_tokens", {}).get("mean"), "not told"),
        _number(out.get("at_once"), "needs the engine's counters: give the arm `metrics`"),
        _number(out.get("cost"), "no prices: add [cost.api]"), label(source),
    )  # fmt: skip


def _number(value: float | None, why: str) -> Shown:
    return absent(why) if value is None else Shown(number(value))
