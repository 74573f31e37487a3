"""`record = "chunks"`: every stamp of a run, from two workers' own files, in one table."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from exporters.record import Run
from tests.end_to_end.service import front_door, scenario


def test_every_stamp_agrees_with_its_row(tmp_path: Path, simulated: str) -> None:
    """As many chunks as the row counts, the first is its TTFT, the last its E2E, the widest gap its gap_max."""
    out = tmp_path / "run"
    path = scenario(tmp_path, simulated, more="")
    path.write_text('record = "chunks"\n' + path.read_text())
    done = front_door("run", path, "--out", out, "--processes", "2")
    run = Run.open(out)
    stamps = {one["request_id"]: one["chunk_ns"] for one in run.chunks().to_pylist()}
    rows = {row["request_id"]: row for row in run.requests().to_pylist() if row["chunks"] and row["phase"] != "check"}

    assert done.returncode == 0, done.stderr
    assert stamps.keys() == rows.keys()
    for name, row in rows.items():
        seconds = [stamp / 1e9 for stamp in stamps[name]]
        assert len(seconds) == row["chunks"]
        assert (seconds[0], seconds[-1]) == pytest.approx((row["ttft_s"], row["e2e_s"]), abs=1e-9)
        if not row["coalesced"]:
            assert max(after - before for before, after in pairwise(seconds)) == pytest.approx(
                row["gap_max_s"], abs=1e-9
            )
    assert {row["worker"] for row in rows.values()} == {0, 1}
