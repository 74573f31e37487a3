"""How long a report's figures take: a million rows of 400 steps, summarized. Run: python -m benchmarks.summary."""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from exporters.record import Run
from reports.summary import summarize
from tests.exporters.synthetic import synthetic_run

ROWS, BLOCKS = 1_000_000, 36  # 36 blocks of 2 arms x (5 points + tasks)


def main() -> None:
    """Make the run, then take the time."""
    with tempfile.TemporaryDirectory() as directory:
        run = Run.open(synthetic_run(Path(directory) / "run", blocks=BLOCKS))
        rows = run.requests()
        pq.write_table(pa.concat_tables([rows] * (ROWS // rows.num_rows + 1)), run.directory / "requests.parquet")
        begun = time.perf_counter()
        summary = summarize(run)
        seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    steps = len(summary["steps"]) + len(summary["tasks"])
    print(f"{ROWS:,} rows, {steps} steps: {seconds:.2f} s, {peak:.0f} MiB at most")


if __name__ == "__main__":
    main()
