"""The rows of a run, grouped once by step: the arrays that every figure is computed from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from exporters.record import Run, StepRecord
from exporters.tally import StepTally
from scenarios.scenario import Cell, CellSlo, Scenario, Slo

Values = npt.NDArray[np.float64]
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
    def point(self) -> tuple[str, Cell | None, int]:
        """Where it was measured: arm, cell (None: tasks), rung."""
        return self.record.step.arm, self.record.step.cell, self.record.step.concurrency


def measured_steps(run: Run) -> list[Measured]:
    """Every finished step of a run, in order."""
    scenario, records = run.scenario, run.steps
    by_step = dict(_by_step(run.requests()))
    return [_measured(record, by_step.get(record.step.id), scenario) for record in records]


def counting(steps: Sequence[Measured]) -> list[Measured]:
    """The steps that count: of each point and block the last try, if it is valid."""
    last: dict[tuple[object, ...], Measured] = {}
    for step in steps:
        place = (*step.point, step.record.step.block)
        if place not in last or last[place].record.step.try_ <= step.record.step.try_:
            last[place] = step
    return [step for step in last.values() if step.record.valid]


def _by_step(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Rows of windows, one table per step (steps that were cut short have other names): sorted once, then sliced."""
    inside = pc.and_(pc.equal(rows["phase"], "window"), pc.is_valid(rows["step"]))
    names = ["step", "outcome", "finish_reason", "prompt_id", *(name for name in COLUMNS if name != "prompt")]
    window = rows.select(names).filter(inside)
    if not window.num_rows:
        return
    prompts = window["prompt_id"].combine_chunks().dictionary_encode().indices
    window = window.drop_columns(["prompt_id"]).append_column("prompt", prompts)
    codes = window["step"].combine_chunks().dictionary_encode()
    order = np.argsort(codes.indices.to_numpy(zero_copy_only=False), kind="stable")
    window = window.take(pa.array(order))
    counts = np.bincount(codes.indices.to_numpy(zero_copy_only=False), minlength=len(codes.dictionary))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    for name, start, count in zip(codes.dictionary.to_pylist(), starts.tolist(), counts.tolist(), strict=True):
        yield name, window.slice(start, count)


def _measured(record: StepRecord, rows: pa.Table | None, scenario: Scenario) -> Measured:
    columns = {name: _floats(rows, name) for name in COLUMNS}
    ok = _is_ok(rows)
    slo = slo_of(scenario, record.step.cell.name if record.step.cell else "tasks")
    return Measured(
        record=record,
        tally=StepTally.from_wire(record.tally),
        columns=columns,
        ok=ok,
        good=ok & _within(columns, slo),
        outcomes=_counts(rows, "outcome"),
        finish=_counts(rows, "finish_reason"),
        streamed=scenario.request.stream,
    )


def _floats(rows: pa.Table | None, name: str) -> Values:
    if rows is None:
        return np.empty(0)
    return np.asarray(rows[name].cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy(), dtype=np.float64)


def _is_ok(rows: pa.Table | None) -> npt.NDArray[np.bool_]:
    return (
        np.empty(0, dtype=bool) if rows is None else np.asarray(pc.equal(rows["outcome"], "ok").to_numpy(), dtype=bool)
    )


def _counts(rows: pa.Table | None, name: str) -> dict[str, int]:
    if rows is None:
        return {}
    counts = rows[name].drop_null().value_counts().to_pylist()
    return {entry["values"]: entry["counts"] for entry in sorted(counts, key=lambda entry: -entry["counts"])}


def slo_of(scenario: Scenario, cell: str) -> CellSlo:
    """The per-request limits of a cell: the common ones, changed key by key by the patterns that match, last wins."""
    slo = CellSlo(ttft=scenario.slo.ttft, tpot=scenario.slo.tpot, e2e=scenario.slo.e2e)
    for pattern, limits in scenario.slo.cells.items():
        if fnmatchcase(cell, pattern):
            given = {
                name: getattr(limits, name) for name in limits.__struct_fields__ if getattr(limits, name) is not None
            }
            slo = msgspec.structs.replace(slo, **given)
    return slo


def has_slo(scenario: Scenario) -> bool:
    """Whether a request can be ok and yet not good."""
    limits: list[Slo | CellSlo] = [scenario.slo, *scenario.slo.cells.values()]
    return any(part.ttft or part.tpot or part.e2e for part in limits)


def _within(columns: dict[str, Values], slo: CellSlo) -> npt.NDArray[np.bool_]:
    """Requests within every limit; a duration that was not measured breaches nothing."""
    within = np.ones(len(columns["ttft_s"]), dtype=bool)
    for metric, limit in (("ttft_s", slo.ttft), ("tpot_s", slo.tpot), ("e2e_s", slo.e2e)):
        if limit is not None:
            within &= ~(columns[metric] > limit)  # NaN > limit is False
    return within
