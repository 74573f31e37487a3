"""A table as data: what a terminal, a Markdown comment and a page print from. No layout, no colours: only meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from reports.units import ABSENT, BEYOND, gist, plain

Tone = Literal["", "good", "bad", "warn", "quiet"]
REQUESTS_NEEDED = {"p50": 10, "p90": 50, "p95": 100, "p99": 500}  # n(1 - q) >= 5 (METRICS)


@dataclass(frozen=True, slots=True)
class Shown:
    """One entry: its text, why it is absent or what to know (`note`), further lines, how it should be taken."""

    text: str
    note: str | None = None
    detail: str | None = None
    tone: Tone = ""
    term: str | None = None  # its definition
    shade: int | None = None  # 0 (lightest) .. 8 of a heat map


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head; `term` names its definition; a narrow terminal leaves out what is not essential."""

    title: str
    term: str | None = None
    numeric: bool = True
    essential: bool = True
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; the first `heads` entries of a row name the row."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Shown, ...], ...]
    heads: int = 1
    remark: str | None = None
    _notes: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        notes = dict.fromkeys(cell.note for row in self.rows for cell in row if cell.note)
        object.__setattr__(self, "_notes", tuple(n for n in notes if n))

    @property
    def notes(self) -> tuple[str, ...]:
        """The distinct notes of all entries in the order in which they are met: the table's footnotes."""
        return self._notes

    def mark(self, entry: Shown) -> str:
        """The footnote sign of an entry; empty when it has no note."""
        return self.mark_of(entry.note) if entry.note else ""

    def mark_of(self, note: str) -> str:
        """The footnote sign of a note: a, b, ... z, aa, ..."""
        index, sign = self._notes.index(note), ""
        while index >= 0:
            sign, index = chr(97 + index % 26) + sign, index // 26 - 1
        return sign


def absent(why: str) -> Shown:
    """An entry that was not measured, with the reason."""
    return Shown(ABSENT, note=why, tone="quiet")


def label(text: object, limit: int = 60) -> Shown:
    """An entry of foreign text."""
    return Shown(plain(text, limit) or ABSENT)


def cell_key(where: dict[str, Any] | None) -> tuple[str, str]:
    """What tells a cell from every other: its names as they are, however odd. The tasks have two empty ones."""
    return (where["input"], where["output"]) if where else ("", "")


def cell_name(where: dict[str, Any] | None) -> str:
    """A cell as people write it; the tasks have none."""
    return f"{plain(where['input'], 20)}/{plain(where['output'], 20)}" if where else "tasks"


def reading(of: dict[str, Any], metric: str, stat: str, show: Callable[[float], str]) -> Shown:
    """One statistic of one metric of a step or point: its value, "> timeout", or a dash with the reason."""
    values = of.get(metric)
    if values is None or not values.get("n"):
        return absent(why_absent(of))
    if stat not in values:
        return absent(_too_few(stat, values["n"]))
    if values[stat] is None:
        ok = values.get("ok", {}).get(stat)
        return Shown(BEYOND, detail=None if ok is None else f"ok only: {show(ok)}", tone="bad")
    return Shown(show(values[stat]))


def why_absent(of: dict[str, Any]) -> str:
    """Why a step or point has no value for a metric at all."""
    if of.get("valid_blocks") == 0 or of.get("valid") is False:
        reasons = of.get("why_invalid") or ["see “Is this run valid?”"]
        return f"no valid block: {plain(gist(reasons[0]))}"
    if of.get("requests", {}).get("ok") == 0:
        return "no request succeeded"
    return "not measured: no reply had it (not streamed, or a single token)"


def _too_few(stat: str, n: int) -> str:
    if stat in REQUESTS_NEEDED and n < REQUESTS_NEEDED[stat]:
        return f"too few requests: {stat} needs {REQUESTS_NEEDED[stat]}"
    return "no request succeeded" if stat == "mean" else f"{stat} was not computed"


def in_order(names: Iterable[str]) -> list[str]:
    """The distinct names in the order in which they are first met."""
    return list(dict.fromkeys(names))
