"""Readings -> Prometheus text format 0.0.4. Pure.

Not prometheus_client's: it appends `_total` to the name of every counter, and dcgm's counters have none.
"""

from __future__ import annotations

from collections.abc import Iterable

from exporters.gpu_words import Field, Reading

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def page(readings: Iterable[Reading]) -> bytes:
    """The page: each name once with its help and kind, then its series, which come with all their labels."""
    series: dict[Field, list[str]] = {}
    for field, labels, value in readings:
        series.setdefault(field, []).append(f"{field.name}{{{labels}}} {value}" if labels else f"{field.name} {value}")
    lines: list[str] = []
    for field, values in series.items():
        lines += (f"# HELP {field.name} {field.help}", f"# TYPE {field.name} {field.kind}", *values)
    return ("\n".join(lines) + "\n").encode()
