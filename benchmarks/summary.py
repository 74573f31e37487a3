"""How long a report takes: `tokenswarm report` as a whole process, on a run of many rows.

python -m benchmarks.summary [ROWS ...]      must hold: < 30 s and < 1.5 GiB at 1 million rows, < 120 s at 10 million;
                                             report.html < 6 MB

The rows are those of a synthetic run over and over, so each step has more requests than its tally says; the report
reads both. A run that was killed has its rows in a stream, which the report converts first.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from exporters.record import Run
from exporters.rows import PARQUET, STREAM_HEAD, STREAM_SCHEMA
from tests.exporters.synthetic import synthetic_run

BLOCKS = 36  # 36 blocks of 2 arms x (5 points + tasks)
BATCH = 100  # rows of one worker's report


def finished(directory: Path, rows: pa.Table, count: int) -> None:
    """One Parquet file, as a run leaves it at its end."""
    with pq.ParquetWriter(directory / PARQUET, rows.schema, compression="zstd") as writer:
        for _ in range(count // rows.num_rows + 1):
            writer.write_table(rows, row_group_size=65_536)


def killed(directory: Path, rows: pa.Table, count: int) -> None:
    """One stream of small batches, as a killed master leaves it."""
    (directory / PARQUET).unlink()
    sink = pa.BufferOutputStream()
    stream_writer = pa.ipc.new_stream(sink, STREAM_SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4"))
    for batch in rows.cast(STREAM_SCHEMA).combine_chunks().to_batches():
        for start in range(0, batch.num_rows, BATCH):
            stream_writer.write_batch(batch.slice(start, BATCH))
    packed = sink.getvalue().to_pybytes()[len(STREAM_HEAD) :]
    with (directory / "requests.arrows").open("wb") as stream:
        stream.write(STREAM_HEAD)
        for _ in range(count // rows.num_rows + 1):
            stream.write(packed)


def report(directory: Path) -> tuple[float, float, float]:
    """Seconds, those of them on a core (the machine may be busy), and peak MiB of the whole process."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "tokenswarm", "report", str(directory)], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) in (0, 3, 4), "the report failed"
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main(counts: list[int]) -> None:
    """Print both figures for each number of rows, of a run that ended and of one that was killed."""
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="tokenswarm-") as folder:
            directory = synthetic_run(Path(folder) / "run", blocks=BLOCKS)
            rows, steps = Run.open(directory).requests(), len(Run.open(directory).steps)
            for name, leave in (("ended", finished), ("killed", killed)):
                leave(directory, rows, count)
                seconds, cpu, peak = report(directory)
                page = (directory / "report.html").stat().st_size / 1e6
                figures = f"{seconds:.1f} s ({cpu:.1f} s of CPU), {peak:,.0f} MiB at most, report.html {page:.2f} MB"
                print(f"{count:>12,} rows, {steps} steps, {name}: {figures}", flush=True)


if __name__ == "__main__":
    main(list(map(int, sys.argv[1:])) or [1_000_000, 10_000_000])
