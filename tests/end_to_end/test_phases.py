"""Phases end by messages: within 50 ms of their condition, with four workers, by the rows' own times."""

from __future__ import annotations

from pathlib import Path

from exporters.record import Run
from tests.end_to_end.service import front_door, read, scenario

WITHIN_S = 0.050


def test_phases_end_within_50_ms_of_their_condition(tmp_path: Path, simulated: str) -> None:
    """Settle ends with the last worker's first whole request, the tail with the last request that the window saw."""
    out = tmp_path / "run"
    done = front_door(
        "run", scenario(tmp_path, simulated, duration="1s"), "--out", out, "--processes", "4",
        "--set", "ladder.concurrency=[4, 8]", "--set", "ladder.at=4",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows, run = read(out / "run.json")["rows"], Run.open(out)
    assert rows["sent"] == rows["received"] > 0
    rows = [{**row, "ended": row["sent_ns"] + row["end_s"] * 1e9} for row in run.requests().to_pylist() if row["end_s"]]
    late = []
    # The first rung begins with nobody in flight: each worker's first row there is its first whole request.
    for record in (record for record in run.steps if record.step.concurrency == 4):
        assert [part.users for part in record.workers.values()] == [1, 1, 1, 1]
        ours = [row for row in rows if row["step"] == record.step.id]
        first = [min(row["ended"] for row in ours if row["worker"] == worker) for worker in range(4)]
        seen = [row["ended"] for row in ours if row["sent_ns"] < record.close_ns]
        late.append(
            {
                "settle": (record.open_ns - max(first)) / 1e9,
                "window": record.phases["window"] - 1.0,
                "tail": (record.close_ns + record.phases["tail"] * 1e9 - max(seen)) / 1e9,
            }
        )

    best = {phase: min(step[phase] for step in late) for phase in ("settle", "window", "tail")}
    assert all(-0.005 <= delay <= WITHIN_S for delay in best.values()), late
