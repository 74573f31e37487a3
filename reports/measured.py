"""The rows of a run, grouped once by step: the arrays that every figure is computed from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from exporters.record import Run, StepRecord
from exporters.tally import StepTally
from reports.inside import Inside, insides
from reports.sampled import Sampled, sampled_steps
from reports.spent import Spent, spent_by_step
from scenarios.arm_prices import prices_of
from scenarios.prices import Prices
from scenarios.scenario import Cell, CellSlo, Scenario
from scenarios.slo import slo_of

replace = msgspec.structs.replace
Values = npt.NDArray[np.float64]
Texts = npt.NDArray[Any]  # of str or None
LATENCIES = ("ttft_s", "tpot_s", "e2e_s")
COLUMNS = (
    *LATENCIES, "sent_ns", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "client_output_tokens",
    "requested_tokens", "chunks", "schedule_lag_s", "worker", "lag_max_s", "output_chars",
    "prompt",  # a number for each prompt_id of the run
)  # fmt: skip


class Measured(msgspec.Struct, frozen=True):
    """One step: its record, its tally, and the columns of the requests sent in its window (NaN = not measured)."""

    record: StepRecord
    tally: StepTally
    columns: dict[str, Values]
    ok: npt.NDArray[np.bool_]
    good: npt.NDArray[np.bool_]
    outcomes: dict[str, int]
    finish: dict[str, int]
    streamed: bool  # asked for as a stream: only then can there be a TTFT and a TPOT
    inside: Inside | None = None  # what replies tell of the service's stages and calls
    spent: Spent | None = None  # where the time of its ok requests went
    sampled: Sampled = Sampled()  # what its engines and GPUs told meanwhile
    prices: Prices | None = None  # of its arm

    @property
    def sent(self) -> int:
        """Requests sent in the window."""
        return len(self.ok)

    def mean(self, metric: str) -> float | None:
        """Mean of a latency over the ok requests of this step."""
        values = self.columns[metric][self.ok]
        values = values[~np.isnan(values)]
        return float(values.mean()) if len(values) else None

    @property
    def s_per_1k_chars(self) -> float | None:
        """Mean over the ok requests of (last - first) / output characters x 1000; E2E in place of a missing first.

        Absent where TPOT is (a stream that came in one piece), and without characters. The first chunk's characters
        count, though they took no time: one part in as many as there are chunks, on either arm.
        """
        spans = self.columns["e2e_s"]
        if self.streamed:
            spans = np.where(np.isnan(self.columns["tpot_s"]), np.nan, spans - self.columns["ttft_s"])
        known = self.ok & ~np.isnan(spans) & (self.columns["output_chars"] > 0)
        return float((spans[known] / self.columns["output_chars"][known]).mean()) * 1000 if known.any() else None

    @property
    def requests_per_s(self) -> float | None:
        """Ok requests by the share of their life inside the window, per second."""
        return self.tally.finished / self.record.window_s if self.record.window_s else None

    @property
    def good_per_s(self) -> float | None:
        """Good requests per second: ok requests per second x good / ok (failures are not in the first factor)."""
        rate, ok = self.requests_per_s, int(self.ok.sum())
        return None if rate is None or not self.sent else rate * int(self.good.sum()) / ok if ok else 0.0

    @property
    def point(self) -> tuple[str, Cell | None, float]:
        """Where it was measured: arm, cell (None: tasks), rung."""
        return self.record.step.arm, self.record.step.cell, self.record.step.load


def measured_steps(run: Run) -> list[Measured]:
    """Every finished step of a run, in order."""
    scenario, names = run.scenario, [name for name in COLUMNS if name != "prompt"]
    by_step = _rows_by_step(run.windows(["step"]))
    _fill(by_step, run.windows(["step", "outcome", "finish_reason", "prompt_id", *names]))
    told, spent, sampled = insides(run), spent_by_step(run), sampled_steps(run, run.steps)
    steps = [
        _measured(record, by_step.get(record.step.id, Rows()), scenario, told.get(record.step.id))
        for record in run.steps
    ]
    return [
        replace(step, sampled=sampled.get(step.record.step.id, Sampled()), spent=spent.get(step.record.step.id))
        for step in steps
    ]


def counting(steps: Sequence[Measured]) -> list[Measured]:
    """The steps that count: of each point and block the last try, if it is valid."""
    last: dict[tuple[object, ...], Measured] = {}
    for step in steps:
        place = (*step.point, step.record.step.block, step.record.step.part)  # each probe of a search is its own
        if place not in last or last[place].record.step.try_ <= step.record.step.try_:
            last[place] = step
    return [step for step in last.values() if step.record.valid]


class Rows:
    """What the rows of one step's window hold, filled piece by piece; a column that nobody fills takes no memory."""

    def __init__(self, count: int = 0) -> None:
        self._columns: dict[str, Values] = {}
        self.ok = np.zeros(count, dtype=bool)
        self._filled = 0
        self.outcomes: Counter[str] = Counter()
        self.finish: Counter[str] = Counter()

    def add(self, columns: Mapping[str, Values], outcomes: Texts, finish: Texts) -> None:
        """Some more rows."""
        here = slice(self._filled, self._filled + len(outcomes))
        for name, values in columns.items():
            if name not in self._columns and not np.isnan(values).all():
                self._columns[name] = np.full(len(self.ok), np.nan)
            if name in self._columns:
                self._columns[name][here] = values
        self.ok[here] = outcomes == "ok"
        self._filled = here.stop
        self.outcomes.update(outcomes.tolist())
        self.finish.update(text for text in finish.tolist() if text is not None)

    def column(self, name: str) -> Values:
        """One column: NaN where it was not measured."""
        return self._columns[name] if name in self._columns else np.broadcast_to(np.nan, len(self.ok))


def _rows_by_step(tables: Iterable[pa.Table]) -> dict[str, Rows]:
    """Room for the rows of each step."""
    counts: Counter[str] = Counter()
    for table in tables:
        counts.update({entry["values"]: entry["counts"] for entry in table["step"].value_counts().to_pylist()})
    return {name: Rows(count) for name, count in counts.items()}


def _fill(found: Mapping[str, Rows], tables: Iterable[pa.Table]) -> None:
    """Rows of windows to their steps (steps that were cut short have other names): each piece is sorted, then cut."""
    prompts: dict[str | None, int] = {}
    for table in tables:
        if not table.num_rows:  # a piece without a row of any window: a run that was cut short may have no other
            continue
        codes = table["step"].combine_chunks().dictionary_encode()
        order = np.argsort(codes.indices.to_numpy(zero_copy_only=False), kind="stable")
        columns = {name: floats(table[name])[order] for name in COLUMNS if name != "prompt"}
        columns["prompt"] = _numbered(table["prompt_id"], prompts)[order]
        outcomes, finish = (table[name].to_numpy()[order] for name in ("outcome", "finish_reason"))
        ends = np.cumsum(np.bincount(codes.indices.to_numpy(zero_copy_only=False), minlength=len(codes.dictionary)))
        for name, start, end in zip(codes.dictionary.to_pylist(), [0, *ends[:-1].tolist()], ends.tolist(), strict=True):
            here = {column: values[start:end] for column, values in columns.items()}
            found[name].add(here, outcomes[start:end], finish[start:end])


def _numbered(names: pa.ChunkedArray, known: dict[str | None, int]) -> Values:
    """A number for each name, the same in every piece; NaN for none."""
    codes = names.combine_chunks().dictionary_encode()
    numbers = np.array([known.setdefault(name, len(known)) for name in codes.dictionary.to_pylist()], dtype=np.float64)
    places = codes.indices.to_numpy(zero_copy_only=False)
    return np.where(np.isnan(places), np.nan, np.append(numbers, np.nan)[np.nan_to_num(places, nan=-1).astype(int)])


def _measured(record: StepRecord, rows: Rows, scenario: Scenario, inside: Inside | None) -> Measured:
    columns = {name: rows.column(name) for name in COLUMNS}
    slo = slo_of(scenario, record.step.cell.name if record.step.cell else "tasks")
    return Measured(
        record=record,
        tally=StepTally.from_wire(record.tally),
        columns=columns,
        ok=rows.ok,
        good=rows.ok & within_limits(columns, slo),
        outcomes=dict(rows.outcomes.most_common()),
        finish=dict(rows.finish.most_common()),
        streamed=scenario.request.stream,
        inside=inside,
        prices=prices_of(scenario, record.step.arm),
    )


def floats(column: pa.ChunkedArray) -> Values:
    """A column as numbers, NaN where it is empty."""
    return np.asarray(column.cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(), dtype=np.float64)


def within_limits(columns: dict[str, Values], slo: CellSlo) -> npt.NDArray[np.bool_]:
    """Requests within every limit; a duration that was not measured breaches nothing."""
    within = np.ones(len(columns["ttft_s"]), dtype=bool)
    for metric, limit in (("ttft_s", slo.ttft), ("tpot_s", slo.tpot), ("e2e_s", slo.e2e)):
        if limit is not None:
            within &= ~(columns[metric] > limit)  # NaN > limit is False
    return within
