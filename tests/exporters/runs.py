"""Small pieces of a run for the tests of this room: rows, records, a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from exporters.record import RunWriter, StepRecord, pack
from exporters.sample import Sample, Step
from exporters.tally import StepTally

MANIFEST = {"format": 1, "id": "r", "ended": None, "stopped": None}


def row(number: int = 1, **fields: Any) -> Sample:
    asked = {"request_id": f"0-{number}", "workload": "matrix", "step": "s", "arm": "a", "block": 1,
             "cell_input": "short", "cell_output": "long", "concurrency": 8, "worker": 0, "sent_ns": number,
             "phase": "window", "outcome": "ok"}  # fmt: skip
    return Sample(**{**asked, **fields})


def rows(first: int, count: int, **fields: Any) -> bytes:
    """A packed batch of numbered rows."""
    return pack([row(number, **fields) for number in range(first, first + count)])


def record(step_id: str = "s", **fields: Any) -> StepRecord:
    step = Step(id=step_id, workload="matrix", arm="a", block=1, cell=None, concurrency=1)
    known = {"step": step, "started": "2026-11-23T06:15:00Z", "ended": "2026-11-23T06:16:00Z", "phases": {},
             "window_s": 30.0, "open_ns": 1, "close_ns": 2, "valid": True, "why_invalid": (), "marks": (),
             "tally": StepTally().to_wire(), "client": {"cpu": 0.5}, "workers": {}}  # fmt: skip
    return StepRecord(**{**known, **fields})


def begun(directory: Path, **manifest: Any) -> RunWriter:
    return RunWriter.create(directory, {**MANIFEST, **manifest})
