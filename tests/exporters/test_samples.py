"""Samples of engines and GPUs on disk."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from exporters.files import RecordError
from exporters.samples import SCHEMAS, SampleLog, finish, read_samples

ONE = {"at_ns": 2_000, "error_s": 0.001, "arm": "a", "instance": "127.0.0.1:8000", "running": 3.0}


def older(column: str) -> pa.Schema:
    """The schema of a version that did not know a column yet."""
    schema = SCHEMAS["server"]
    return schema.remove(schema.get_field_index(column))


@pytest.mark.parametrize("column", ["reserved_share", "slots"])
def test_samples_of_an_older_version_are_read_and_what_it_did_not_write_is_null(tmp_path: Path, column: str) -> None:
    """A column that came later is null in the file and in the streams of an older run; nothing else is lost."""
    schema = older(column)
    pq.write_table(pa.Table.from_pylist([ONE], schema=schema), tmp_path / "server.parquet")
    with pa.OSFile(str(tmp_path / "server.0.arrows"), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
        stream.write_batch(pa.RecordBatch.from_pylist([{**ONE, "at_ns": 1_000, "running": 5.0}], schema=schema))

    table = read_samples(tmp_path, "server")

    assert table.schema == SCHEMAS["server"]
    assert table["at_ns"].to_pylist() == [1_000, 2_000]
    assert table["running"].to_pylist() == [5.0, 3.0]
    assert table[column].to_pylist() == [None, None]


def test_what_was_logged_is_read_before_and_after_it_is_made_one_file(tmp_path: Path) -> None:
    """Two streams and their Parquet file hold the same samples in the order of their times."""
    for number in (2, 1):
        log = SampleLog(tmp_path, "server")
        log.append([{**ONE, "at_ns": number}])
        log.close()

    before = read_samples(tmp_path, "server")
    finish(tmp_path, "server")

    assert before["at_ns"].to_pylist() == [1, 2]
    assert read_samples(tmp_path, "server") == before
    assert [path.name for path in tmp_path.iterdir()] == ["server.parquet"]


def test_a_file_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    """Bytes that are no Parquet end in one line that names the file."""
    (tmp_path / "server.parquet").write_bytes(b"nothing of ours")

    with pytest.raises(RecordError, match=r"server\.parquet cannot be read"):
        read_samples(tmp_path, "server")
