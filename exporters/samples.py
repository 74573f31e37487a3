"""Samples of engines and GPUs on disk: streams while a run lasts, `server.parquet` and `gpu.parquet` afterwards."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from exporters.files import Appended, RecordError, refusals, removed_on_failure
from exporters.server import ENGINE, GPU, MEMORY

TAKEN: Final = [
    pa.field("at_ns", pa.int64()),  # wall clock of the master's machine: the middle of the exchange
    pa.field("error_s", pa.float64()),  # half of what the exchange took: the page was written within at +- this
    pa.field("arm", pa.string()),  # at whose place
    pa.field("instance", pa.string()),  # host:port
]
SCHEMAS: Final = {
    "server": pa.schema([
        *TAKEN, *(pa.field(name, pa.float64()) for name in (*ENGINE, "started_s", *MEMORY)),
    ]),
    "gpu": pa.schema([*TAKEN, pa.field("gpu", pa.string()), *(pa.field(name, pa.float64()) for name in GPU)]),
}  # fmt: skip
"""What is sampled: kind -> its columns. A figure that the source does not tell is null."""


class SampleLog:
    """One kind of samples of a run that is being taken."""

    def __init__(self, directory: Path, kind: str) -> None:
        self._directory, self._schema = directory, SCHEMAS[kind]
        number = len(list(directory.glob(f"{kind}.*.arrows")))
        with refusals(directory):
            self._file = Appended(directory / f"{kind}.{number}.arrows")
            self._file.append(self._schema.serialize().to_pybytes())

    def append(self, samples: Sequence[dict[str, Any]]) -> None:
        """Append samples as one batch; raises RecordError when the disk takes no more."""
        if samples:
            with refusals(self._directory):
                batch = pa.RecordBatch.from_pylist(list(samples), schema=self._schema)
                self._file.append(batch.serialize().to_pybytes())

    def close(self) -> None:
        """Write no more."""
        self._file.close()


def finish(directory: Path, kind: str) -> None:
    """One Parquet file of all streams of a kind; raises RecordError and leaves the streams, which are readable."""
    streams = sorted(directory.glob(f"{kind}.*.arrows"))
    if not streams:
        return
    table, part = read_samples(directory, kind), directory / f"{kind}.parquet.part"
    with refusals(directory), removed_on_failure(part):
        pq.write_table(table, part, compression="zstd")
        os.replace(part, directory / f"{kind}.parquet")
        for path in streams:
            path.unlink()


def read_samples(directory: Path, kind: str) -> pa.Table:
    """All samples of a kind in the order of their times, also of a run that was killed; empty when none were taken."""
    schema = SCHEMAS[kind]
    batches = [batch for path in sorted(directory.glob(f"{kind}.*.arrows")) for batch in _batches(path)]
    tables = [schema.empty_table(), *(_held(pa.Table.from_batches([batch]), schema) for batch in batches)]
    if (directory / f"{kind}.parquet").exists():
        try:
            tables.append(_held(pq.read_table(directory / f"{kind}.parquet"), schema))
        except (OSError, pa.ArrowException, ValueError) as error:
            raise RecordError(f"{directory / kind}.parquet cannot be read: {error}") from None
    return pa.concat_tables(tables).sort_by("at_ns")


def _held(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table under our schema: a column that an older version did not write was not measured, hence null."""
    unknown = pa.nulls(table.num_rows)
    columns = [table[field.name] if field.name in table.column_names else unknown for field in schema]
    return pa.table([column.cast(field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with contextlib.suppress(StopIteration, pa.ArrowInvalid, OSError), pa.OSFile(str(path)) as file:
        reader = pa.ipc.open_stream(file)
        while True:
            yield reader.read_next_batch()
