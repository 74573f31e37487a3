"""Many runs of one scenario in the order of their nights: per point the series of its means, and where they moved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from exporters.files import SUMMARY, RecordError, read_manifest, read_summary
from reports.tables import cell_name
from reports.trend import Move, moves

METRICS = ("ttft_s", "tpot_s", "e2e_s")
MOST_RUNS = 400  # the newest


class Night(msgspec.Struct, frozen=True):
    """One run: when it began, its verdict, its points."""

    directory: Path
    started: str
    scenario: str
    status: str
    points: list[dict[str, Any]]
    at: float | None  # the operating point


class Series(msgspec.Struct, frozen=True):
    """A mean of one point over the runs that have it; `nights` are their places in the history, in order."""

    scenario: str
    arm: str
    cell: str
    load: float
    metric: str
    nights: list[int]
    values: list[float]
    moves: list[Move]
    operating: bool  # at the scenario's operating point


def read_nights(directory: Path) -> tuple[list[Night], list[str]]:
    """Every run below a directory in the order of their starts, and which summaries could not be read."""
    found, unread = [], []
    for file in sorted(directory.glob(f"**/{SUMMARY}")):
        try:
            found.append(_night(file))
        except (RecordError, KeyError, TypeError) as error:
            what = str(error) if isinstance(error, RecordError) else f"{error.__class__.__name__}: {error}"
            unread.append(f"{file.parent.name}: {what}")
    return sorted(found, key=lambda night: night.started)[-MOST_RUNS:], unread


def _night(file: Path) -> Night:
    summary = read_summary(file.parent)
    run = summary["run"]
    return Night(
        file.parent, run["started"], run["scenario"], summary["verdict"]["status"], summary["points"], _at(file)
    )


def _at(file: Path) -> float | None:
    at = read_manifest(file.parent)["scenario"].get("ladder", {}).get("at")
    return None if at is None else float(at)


def all_series(nights: Sequence[Night]) -> list[Series]:
    """The series of every point and metric; runs that were invalid have no say."""
    found: dict[tuple[Any, ...], list[tuple[int, float, bool]]] = {}
    for place, night in enumerate(nights):
        for point in night.points if night.status != "invalid" else ():
            for key, value, operating in _values(night, point):
                found.setdefault(key, []).append((place, value, operating))
    return [_series(key, rows) for key, rows in found.items()]


def _values(night: Night, point: dict[str, Any]) -> Iterable[tuple[tuple[Any, ...], float, bool]]:
    load = float(point.get("rate") or point["concurrency"])
    for metric in METRICS:
        value = point.get(metric, {}).get("mean")
        if value:
            yield (night.scenario, point["arm"], cell_name(point["cell"]), load, metric), value, load == night.at


def _series(key: tuple[Any, ...], rows: Sequence[tuple[int, float, bool]]) -> Series:
    scenario, arm, cell, load, metric = key
    values = [value for _, value, _ in rows]
    return Series(
        scenario=scenario, arm=arm, cell=cell, load=load, metric=metric, nights=[place for place, _, _ in rows],
        values=values, moves=moves(values), operating=rows[-1][2],
    )  # fmt: skip
