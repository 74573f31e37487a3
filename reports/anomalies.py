"""Requests that are unlike the others of their step: a modified z-score on the logarithm (Iglewicz and Hoaglin 1993).

At most 20 a run, ranked; how many there were in all, and how many chance alone would show, go with them: of normal logs
one in 2,150 lies beyond 3.5, of heavy-tailed ones more.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import stats

from exporters.record import Run
from reports.measured import LATENCIES, Measured, counting

BEYOND, TO_SD = 3.5, 0.6745
MOST, FEWEST = 20, 20  # listed a run; requests that a step needs for a median to be one
CHANCE = 2 * float(stats.norm.sf(BEYOND))
ROUNDING = 1e-9
SHOWN = 300  # characters of a kept text
WHO = ("request_id", "worker", "replica", "prompt_id")

Values = npt.NDArray[np.float64]


class Unusual(msgspec.Struct, frozen=True):
    """One value of one request that is unlike its step's."""

    score: float  # modified z; infinite when more than half of the others are equal
    step: str
    arm: str
    metric: str
    value: float
    typical: float  # the step's median
    row: int  # of the step's window

    @property
    def rank(self) -> tuple[float, float]:
        """By score; infinite ones by how many times the step's median they are."""
        return abs(self.score), abs(math.log(self.value / self.typical))


def anomalies(run: Run, steps: Sequence[Measured]) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """The most unusual ones as summary.json has them, and the counts of all: looked at, found, expected by chance."""
    found: list[Unusual] = []
    looked = count = 0
    for step in counting(steps):
        for metric in _metrics(step):
            here, values = unusual(step, metric)
            looked, count = looked + values, count + len(here)
            found = heapq.nlargest(MOST, [*found, *here], key=lambda one: one.rank)
    named = _named(run, found)
    counts = {"looked": looked, "found": count, "expected": looked * CHANCE}
    return [{**_told(one), **named.get((one.step, one.row), {})} for one in found], counts


def _metrics(step: Measured) -> tuple[str, ...]:
    """Latencies; of tasks also the lengths of answers, which nobody forced."""
    return LATENCIES if step.record.step.cell is not None else (*LATENCIES, "output_tokens")


def unusual(step: Measured, metric: str) -> tuple[list[Unusual], int]:
    """The ok requests of a step beyond 3.5, and among how many values."""
    rows = np.flatnonzero(step.ok & (step.columns[metric] > 0))
    values = step.columns[metric][rows]
    if len(values) < FEWEST:
        return [], 0
    scores = modified_z(np.log(values))
    typical, place = float(np.median(values)), step.record.step
    return [
        Unusual(float(scores[i]), place.id, place.arm, metric, float(values[i]), typical, int(rows[i]))
        for i in np.flatnonzero(np.abs(scores) > BEYOND)
    ], len(values)


def modified_z(values: Values) -> Values:
    """0.6745 (x - median) / MAD; where more than half are equal, any difference is infinite."""
    off = values - np.median(values)
    mad = float(np.median(np.abs(off)))
    if mad > ROUNDING:
        return np.asarray(TO_SD * off / mad, dtype=np.float64)
    return np.where(np.abs(off) <= ROUNDING, 0.0, np.copysign(math.inf, off))


def _told(one: Unusual) -> dict[str, Any]:
    known = {"step": one.step, "arm": one.arm, "metric": one.metric, "value": one.value, "typical": one.typical}
    return known if math.isinf(one.score) else {**known, "z": one.score}


def _named(run: Run, found: Sequence[Unusual]) -> dict[tuple[str, int], dict[str, Any]]:
    """Who they are: request, worker, replica, prompt, and what is kept of the reply."""
    wanted: dict[str, set[int]] = {}
    for one in found:
        wanted.setdefault(one.step, set()).add(one.row)
    named: dict[tuple[str, int], dict[str, Any]] = {}
    passed: Counter[str] = Counter()
    for table in run.windows(("step", *WHO)) if wanted else ():
        for step, rows in wanted.items():
            named.update({(step, row): who for row, who in _rows(table, step, rows, passed)})
    texts = {text["request_id"]: str(text.get("text", ""))[:SHOWN] for text in run.responses()} if named else {}
    return {
        place: {**who, "text": texts[who["request_id"]]} if texts.get(who["request_id"]) else who
        for place, who in named.items()
    }


def _rows(table: pa.Table, step: str, rows: set[int], passed: Counter[str]) -> list[tuple[int, dict[str, Any]]]:
    """Those of the wanted rows of a step that are in this piece; `passed` counts the step's rows before it."""
    here = np.flatnonzero(np.asarray(table["step"].to_numpy(), dtype=object) == step)
    first = passed[step]
    passed[step] += len(here)
    inside = sorted(row for row in rows if first <= row < first + len(here))
    found = table.select(WHO).take([int(here[row - first]) for row in inside]).to_pylist() if inside else []
    return [(row, {k: v for k, v in who.items() if v is not None}) for row, who in zip(inside, found, strict=True)]
