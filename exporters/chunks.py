"""Every chunk's time of arrival (`record = "chunks"`): kept by each worker in its own file, collected by the master.

Forty thousand stamps a second are no load for a disk and too many for a network that is being measured, so they stay
where they are until nobody sends: the master asks for them between the passes of a plan, and makes one Parquet file.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from exporters.files import Appended, RecordError, refusals, removed_on_failure
from exporters.sample import Sample, Timeline

PARQUET = "chunks.parquet"
PIECE = 512 * 1024  # bytes of one message: larger ones would hold up heartbeats
SCHEMA = pa.schema([
    pa.field("request_id", pa.string()),
    pa.field("chunk_ns", pa.list_(pa.int64())),  # arrival of each content chunk, ns after the request was sent
    pa.field("uncertainty_ns", pa.list_(pa.int64())),  # of each: 0, or how long before it may really have come
])  # fmt: skip
HEAD: bytes = SCHEMA.serialize().to_pybytes()


class ChunkLog:
    """The worker's side: a file of stamps, read once, piece by piece; gone when the process ends well."""

    def __init__(self, folder: Path | None = None) -> None:
        descriptor, name = tempfile.mkstemp(".arrows", f"tokenswarm-chunks-{os.getpid()}-", folder)
        os.close(descriptor)
        self.path = Path(name)
        self._file = Appended(self.path)
        self._ids: list[str] = []
        self._stamps: list[np.ndarray] = []
        self._uncertain: list[np.ndarray] = []
        self._sent = 0  # bytes that the master has been given

    def add(self, sample: Sample, timeline: Timeline) -> None:
        """Keep the stamps of one request; in memory until `flush`."""
        stamps = np.frombuffer(timeline.chunks, dtype=np.int64)
        if not len(stamps):
            return
        self._ids.append(sample.request_id)
        self._stamps.append(stamps - timeline.sent)
        self._uncertain.append(uncertainties(timeline))

    def flush(self) -> None:
        """Append what is in memory as one batch; raises RecordError when the disk takes no more."""
        if not self._ids:
            return
        ids, stamps, uncertain = self._ids, self._stamps, self._uncertain
        self._ids, self._stamps, self._uncertain = [], [], []
        batch = pa.record_batch([pa.array(ids, pa.string()), _lists(stamps), _lists(uncertain)], schema=SCHEMA)
        with refusals(self.path.parent):
            self._file.append(batch.serialize().to_pybytes())

    def pieces(self) -> Iterator[bytes]:
        """What the master has not been given yet."""
        self.flush()
        with self.path.open("rb") as file:
            file.seek(self._sent)
            while piece := file.read(PIECE):
                self._sent += len(piece)
                yield piece

    def close(self) -> None:
        """Remove the file when all of it was given away; else it stays where it is."""
        self._file.close()
        if self._sent == self._file.size:
            self.path.unlink(missing_ok=True)


def uncertainties(timeline: Timeline) -> np.ndarray:
    """Of each chunk: 0, or the uncertainty of the late, merged read that it came in (its last chunk is exact)."""
    found = np.zeros(len(timeline.chunks), dtype=np.int64)
    for start, count, uncertainty in timeline.merged:
        found[start : start + count - 1] = uncertainty
    return found


def _lists(arrays: list[np.ndarray]) -> pa.ListArray:
    """Arrays of numbers as one column of lists, without a Python object per number."""
    ends = np.cumsum([0, *map(len, arrays)], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(np.concatenate(arrays)))


class ChunkFiles:
    """The master's side: one stream per worker while the run lasts, one Parquet file at its end."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, Appended] = {}

    def append(self, worker: str, piece: bytes) -> None:
        """The next piece of a worker's file; they come in order."""
        with refusals(self._directory):
            if worker not in self._files:
                number = len(list(self._directory.glob("chunks.*.arrows")))
                self._files[worker] = Appended(self._directory / f"chunks.{number}.arrows")
                self._files[worker].append(HEAD)
            self._files[worker].append(piece)

    def finish(self) -> None:
        """One Parquet file of all; raises RecordError and leaves the streams, which are readable, when it cannot."""
        for file in self._files.values():
            file.close()
        streams = sorted(self._directory.glob("chunks.*.arrows"))
        if not streams:
            return
        target, part = self._directory / PARQUET, self._directory / f"{PARQUET}.part"
        earlier = [target] if target.exists() else []  # of a run that was resumed
        with refusals(self._directory), removed_on_failure(part):
            with pq.ParquetWriter(part, SCHEMA, compression="zstd") as writer:
                for path in [*earlier, *streams]:
                    for batch in _batches(path):
                        writer.write_batch(batch)
            os.replace(part, target)
            for path in streams:
                path.unlink()


def read_chunks(directory: Path) -> pa.Table:
    """All stamps of a run, also of one that was killed: request_id, chunk_ns, uncertainty_ns."""
    paths = [path for path in (directory / PARQUET,) if path.exists()] + sorted(directory.glob("chunks.*.arrows"))
    return pa.Table.from_batches([batch for path in paths for batch in _batches(path)], SCHEMA)


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    if path.name == PARQUET:
        try:
            yield from pq.ParquetFile(path).iter_batches()
        except (OSError, pa.ArrowException) as error:
            raise RecordError(f"{path} cannot be read: {error}") from None
        return
    with contextlib.suppress(StopIteration, pa.ArrowInvalid, OSError), pa.memory_map(str(path)) as file:
        reader = pa.ipc.open_stream(file)
        while True:
            yield reader.read_next_batch()
