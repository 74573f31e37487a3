"""summary.json as flat tables: one for each list in it, a row for each entry, a column for each value. Pure.

`ttft_s.p95` is a column; an interval is two (`ttft_s.mean_ci.low`, `.high`); a list of words is one text. What hangs
below an entry as a list is a table of its own (`growth_gains`), whose rows repeat what tells the entry from others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from reports.units import plain

LONGEST = 2_000  # characters of a text
WHO = ("id", "arm", "arms", "cell.input", "cell.output", "block", "concurrency", "rate", "metric", "kind", "category")
_QUANTILE = re.compile(r"p\d+")
_INTERVAL = re.compile(r"(.*_)?(ci|interval)")

Value = str | int | float | bool | None
Row = dict[str, Value]
Tables = dict[str, list[Row]]


def tables_of(summary: dict[str, Any]) -> Tables:
    """Every table that has a value, by its name; a quantile beyond the timeout is infinite."""
    found: Tables = {}
    for name, value in summary.items():
        for entry in entries(value):
            _collect(name, entry, {}, found)
    return found


def columns_of(rows: list[Row]) -> list[str]:
    """The columns of a table in the order in which they are first met."""
    return list(dict.fromkeys(name for row in rows for name in row))


def entries(value: Any) -> list[dict[str, Any]]:
    """What becomes rows: the objects of a list, or an object alone."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def _collect(name: str, entry: dict[str, Any], of: Row, found: Tables) -> None:
    below: list[tuple[str, list[dict[str, Any]]]] = []
    row = dict(_values(entry, "", below))
    if row:
        found.setdefault(name, []).append({**of, **row})
    told = {**of, **{key: row[key] for key in WHO if key in row}}
    for key, inner in below:
        for one in inner:
            _collect(f"{name}_{key}", one, told, found)


def _values(
    entry: dict[str, Any], at: str, below: list[tuple[str, list[dict[str, Any]]]]
) -> Iterator[tuple[str, Value]]:
    """The columns of one entry; lists of objects are put aside, under the names of their tables."""
    for name, value in entry.items():
        key = f"{at}{plain(name, 80)}"
        if isinstance(value, dict):
            yield from _values(value, f"{key}.", below)
        elif isinstance(value, list) and entries(value):
            below.append((key.replace(".", "_"), entries(value)))
        elif isinstance(value, list) and len(value) == 2 and _INTERVAL.fullmatch(name):
            yield f"{key}.low", value[0]
            yield f"{key}.high", value[1]
        else:
            yield key, _value(name, value)


def _value(name: str, value: Any) -> Value:
    if value is None:
        return math.inf if _QUANTILE.fullmatch(name) else None
    if isinstance(value, list):
        return plain("; ".join(str(one) for one in value), LONGEST) or None
    return value if isinstance(value, int | float) else plain(value, LONGEST)
