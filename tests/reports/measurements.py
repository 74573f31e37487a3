"""Steps as the reports see them, made of plain arrays: what a run would have to be for one figure to have one value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from exporters.record import StepRecord
from exporters.sample import Step
from exporters.tally import StepTally
from reports.measured import COLUMNS, Measured
from reports.pairs import Pairs
from scenarios.load import scenario_of
from scenarios.scenario import Cell, Scenario

CELL = Cell(input="short", output="long", input_tokens=128, output_tokens=1024)


def cell(number: int) -> Cell:
    return Cell(input=f"i{number}", output="o", input_tokens=100 + number, output_tokens=10)


def scenario(arms: tuple[str, ...] = ("baseline", "candidate"), **tables: Any) -> Scenario:
    asked = {"name": "s", "arms": {arm: {"url": f"http://{arm}:1", "model": "m"} for arm in arms}, **tables}
    return scenario_of(asked, Path("s.toml"), (), {})


def measured(
    ttft: Any = (), failed: int = 0, aborted: int = 0, good: Any = None, streamed: bool = True, **place: Any
) -> Measured:
    """A step of ok requests with these TTFTs (and E2E ten times as long), then failed and aborted ones.

    Further arguments are fields of the Step, of its record (valid, why_invalid, marks, window_s) or columns.
    """
    ttft = np.asarray(ttft, dtype=float)
    count = len(ttft) + failed + aborted
    ok = np.arange(count) < len(ttft)
    columns = {name: np.full(count, np.nan) for name in COLUMNS}
    columns["ttft_s"][ok], columns["tpot_s"][ok], columns["e2e_s"][ok] = ttft, ttft / 10, ttft * 10
    columns |= {name: np.asarray(place.pop(name), dtype=float) for name in COLUMNS if name in place}
    record = {name: place.pop(name) for name in ("valid", "why_invalid", "marks", "window_s") if name in place}
    tally = StepTally()
    tally.finished = place.pop("finished", float(len(ttft)))
    asked = {"id": "s", "workload": "matrix", "arm": "baseline", "block": 1, "cell": CELL, "concurrency": 8, **place}
    known = {"started": "", "ended": "", "phases": {}, "window_s": 10.0, "open_ns": 1, "close_ns": 2, "valid": True,
             "why_invalid": (), "marks": (), "tally": tally.to_wire(), "client": {}, "workers": {}}  # fmt: skip
    outcomes = {"ok": len(ttft), "timeout": failed, "aborted": aborted}
    return Measured(
        record=StepRecord(step=Step(**asked), **{**known, **record}),
        tally=tally,
        columns=columns,
        ok=ok,
        good=ok if good is None else np.concatenate([good, np.zeros(count - len(ttft))]).astype(bool),
        outcomes={name: number for name, number in outcomes.items() if number},
        finish={},
        streamed=streamed,
    )


def pairs(values: Any, metric: str = "ttft_s", **fields: Any) -> Pairs:
    """One comparison of these log ratios."""
    known = {"level": "cell", "cell": CELL, "concurrency": 8, "arms": ("baseline", "candidate"), "means": (1.0, 1.0)}
    values = tuple(float(value) for value in values)
    return Pairs(**{**known, "metric": metric, "values": values, "blocks": tuple(range(len(values))), **fields})
