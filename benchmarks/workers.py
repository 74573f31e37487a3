"""Four workers against a server that counts: every request in one row, and the percentiles of one process.

python -m benchmarks.workers        must hold: rows on disk == chats that the server counted, exactly, over a ladder to
                                    400 streams; merged sketches within their stated error of the rows' own quantiles
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from benchmarks.clock import build
from exporters.record import Run
from exporters.sketch import RELATIVE_ERROR
from exporters.tally import StepTally
from reports.stats import quantile

RUNGS = (50, 100, 200, 400)
SCENARIO = """
name = "four workers"
[arms.known]
url = "{url}"
model = "known"
[ladder]
concurrency = {rungs}
at = 50
[matrix]
input = {{ short = 32 }}
output = {{ stream = 100 }}
[plan]
cell = "short/stream"
[prompts]
tokenizer = "o200k_base"
[window]
duration = 5
turns = 2
retries = 0
[limits]
max_errors = 1.0
"""


@contextmanager
def counting_server(counts: dict[str, int]) -> Iterator[str]:
    """The known-answer server; what it counted is in `counts` afterwards."""
    command = [str(build()), "0", "50000", "10000", "100"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        counts.update(json.loads(process.communicate(timeout=10)[0]))


def measured(processes: int, folder: Path) -> tuple[Run, dict[str, int]]:
    """One whole run, and what the server counted."""
    counts: dict[str, int] = {}
    with counting_server(counts) as url:
        path, out = folder / "scenario.toml", folder / f"run{processes}"
        path.write_text(SCENARIO.format(url=url, rungs=list(RUNGS)), encoding="utf-8")
        command = [sys.executable, "-m", "tokenswarm", "run", str(path), "--out", str(out)]
        subprocess.run([*command, "--processes", str(processes)], check=False, capture_output=True)
    return Run.open(out), counts


def figures(run: Run) -> Iterator[tuple[int, dict[str, Any]]]:
    """By rung: TTFT and gap from the merged sketches, TTFT from the rows, the worst difference between both."""
    rows = run.requests()
    for record in run.steps:
        ours = rows.filter(pc.and_(pc.equal(rows["step"], record.step.id), pc.equal(rows["phase"], "window")))
        exact, tally = np.sort(ours["ttft_s"].to_numpy()), StepTally.from_wire(record.tally)
        off = 0.0
        for q in (0.5, 0.9, 0.95, 0.99):
            off = max(off, abs((tally.ttft.quantile(q) or 0.0) / (quantile(exact, 0, q) or 1.0) - 1))
        yield (
            record.step.concurrency,
            {
                "ttft": [tally.ttft.quantile(q) for q in (0.5, 0.99)],
                "gap_p99": tally.gap.quantile(0.99),
                "off": off,
                "whole": all(part.whole for part in record.workers.values()),
                "why": record.why_invalid,
            },
        )


def main() -> bool:
    """Print the figures; True if they hold."""
    held = True
    with tempfile.TemporaryDirectory(prefix="tokenswarm-") as folder:
        for processes in (1, 4):
            run, counts = measured(processes, Path(folder))
            rows = run.requests()
            ok = pc.sum(pc.equal(rows["outcome"], "ok")).as_py()
            held = held and (rows.num_rows, ok) == (counts["chats"], counts["answered"])
            print(f"{processes} process(es): {rows.num_rows} rows, {ok} ok; the server counted {counts}")
            for rung, found in figures(run):
                held = held and found["off"] <= RELATIVE_ERROR and found["whole"]
                p50, p99 = (value * 1e3 for value in found["ttft"])
                print(
                    f"  {rung:>4} streams  TTFT p50 {p50:.2f} p99 {p99:.2f} ms  "
                    f"gap p99 {found['gap_p99'] * 1e3:.2f} ms  "
                    f"sketch off {found['off']:.2%}  rows received = sent: {found['whole']}  "
                    f"{'; '.join(found['why']) or 'valid'}"
                )
    return held


if __name__ == "__main__":
    sys.exit(not main())
