"""`tokenswarm report` on what a kill has left."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from exporters.rows import PARQUET, STREAM_SCHEMA, read_rows
from reports.write import write_report
from tests.exporters.synthetic import synthetic_run


def killed(directory: Path) -> Path:
    """The rows in a stream, as a master leaves them that had no time for more."""
    rows = read_rows(directory)
    (directory / PARQUET).unlink()
    with pa.OSFile(str(directory / "requests.arrows"), "wb") as file, pa.ipc.new_stream(file, STREAM_SCHEMA) as stream:
        stream.write_table(rows.cast(STREAM_SCHEMA), max_chunksize=100)
    return directory


@pytest.mark.parametrize("full", [False, True])
def test_a_killed_run_is_converted_then_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool) -> None:
    """Its rows become one Parquet file before they are read; with no space for that, the figures are the same."""
    ended, cut = synthetic_run(tmp_path / "ended", blocks=2), killed(synthetic_run(tmp_path / "cut", blocks=2))
    code = write_report(ended)
    if full:
        monkeypatch.setattr(pq.ParquetWriter, "write_table", no_space)

    assert write_report(cut) == code
    assert {path.name for path in cut.glob("requests.*")} == {"requests.arrows" if full else PARQUET}
    here, there = (json.loads((run / "summary.json").read_text()) for run in (cut, ended))
    assert here["steps"] == there["steps"]
    assert here["steps"]


def no_space(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
