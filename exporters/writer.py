"""Writing a run: append rows, replace small JSON files atomically, say clearly when the disk does not take it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from exporters.rows import SCHEMA, unpack
from exporters.sample import Step

MANIFEST, STEPS, RESPONSES, PARQUET = "run.json", "steps.json", "responses.jsonl", "requests.parquet"
STREAMS = "requests*.arrows"
ROWS_PER_GROUP = 65_536


class RecordError(Exception):
    """A run that cannot be written or read; the text is one clear line."""


class StepRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One step that is over: when, how long each phase took, whether it counts, and what its requests add up to."""

    step: Step
    started: str  # RFC 3339, UTC
    ended: str
    phases: dict[str, float]  # seconds of fill, settle, window, tail
    window_s: float | None
    open_ns: int | None  # wall clock of the window, for joining other samples
    close_ns: int | None
    valid: bool
    why_invalid: tuple[str, ...]
    marks: tuple[str, ...]
    tally: dict[str, Any]
    client: dict[str, float]
    workers: dict[str, int]


class RunWriter:
    """Appends to one run directory."""

    def __init__(self, directory: Path, manifest: dict[str, Any], steps: list[StepRecord]) -> None:
        self.directory, self._manifest, self._steps = directory, manifest, steps
        with _clear(directory):
            self._stream = (directory / _next_stream(directory)).open("wb")
            self._rows = pa.ipc.new_stream(self._stream, SCHEMA)
            self._stream.flush()
            self._responses = (directory / RESPONSES).open("a", encoding="utf-8")

    @classmethod
    def create(cls, directory: Path, manifest: dict[str, Any]) -> RunWriter:
        """Begin a run; RecordError when the directory holds one already."""
        if (directory / MANIFEST).exists():
            raise RecordError(f"{directory} holds a run already: choose another --out, or --resume it")
        with _clear(directory):
            directory.mkdir(parents=True, exist_ok=True)
        replace_json(directory / MANIFEST, manifest)
        return cls(directory, manifest, [])

    @classmethod
    def reopen(cls, directory: Path) -> RunWriter:
        """Go on with a run: its rows stay where they are, new ones go to a stream of their own."""
        return cls(directory, {**read_manifest(directory), "ended": None, "stopped": None}, read_steps(directory))

    def rows(self, packed: bytes) -> None:
        """Append one packed batch."""
        with _clear(self.directory):
            self._rows.write_batch(unpack(packed))
            self._stream.flush()

    def step(self, record: StepRecord) -> None:
        """Append a finished step."""
        self._steps.append(record)
        replace_json(self.directory / STEPS, {"format": 1, "steps": msgspec.to_builtins(self._steps)})

    def response(self, response: dict[str, Any]) -> None:
        """Append one kept text."""
        with _clear(self.directory):
            self._responses.write(json.dumps(response, ensure_ascii=False) + "\n")

    def update(self, changes: dict[str, Any]) -> None:
        """Change keys of the manifest."""
        self._manifest = {**self._manifest, **changes}
        replace_json(self.directory / MANIFEST, self._manifest)

    def finish(self) -> None:
        """Close the stream and make Parquet of it; on failure the stream stays."""
        with _clear(self.directory):
            self._rows.close()
            self._stream.close()
            self._responses.close()
        convert(self.directory)


def convert(directory: Path) -> None:
    """All rows of a run that is not being written into one Parquet file; then the streams go."""
    streams = sorted(directory.glob(STREAMS))
    if not streams:
        return
    target, part = directory / PARQUET, directory / f"{PARQUET}.part"
    strings = [field.name for field in SCHEMA if pa.types.is_string(field.type) and field.name != "request_id"]
    with _clear(directory):
        with pq.ParquetWriter(part, SCHEMA, compression="zstd", use_dictionary=strings) as writer:
            if target.exists():
                writer.write_table(pq.read_table(target, schema=SCHEMA))
            for stream in streams:
                batches = list(read_stream(stream))
                if batches:
                    writer.write_table(pa.Table.from_batches(batches, SCHEMA).combine_chunks(), ROWS_PER_GROUP)
        os.replace(part, target)
        for stream in streams:
            stream.unlink()


def read_stream(path: Path) -> Iterator[pa.RecordBatch]:
    """The whole batches of a stream, up to where it was cut."""
    try:
        reader = pa.ipc.open_stream(pa.memory_map(str(path)))
        while True:
            yield reader.read_next_batch()
    except (StopIteration, pa.ArrowInvalid, OSError):
        return


def read_manifest(directory: Path) -> dict[str, Any]:
    """run.json; RecordError when there is none, or of a format that this version does not read."""
    try:
        manifest: dict[str, Any] = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(f"{directory} holds no run: there is no {MANIFEST} in it") from None
    except (OSError, ValueError) as error:
        raise RecordError(f"{directory / MANIFEST} cannot be read: {error}") from None
    if manifest.get("format") != 1:
        raise RecordError(f"{directory / MANIFEST} has format {manifest.get('format')!r}: this version reads format 1")
    return manifest


def read_steps(directory: Path) -> list[StepRecord]:
    """The finished steps, in order."""
    try:
        wire = json.loads((directory / STEPS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise RecordError(f"{directory / STEPS} cannot be read: {error}") from None
    return msgspec.convert(wire["steps"], list[StepRecord])


def replace_json(path: Path, data: Any) -> None:
    """Write beside, sync, rename: a reader sees the old file or the new one, never half of it."""
    part = path.with_name(f"{path.name}.part")
    with _clear(path.parent):
        with part.open("wb") as file:
            file.write(msgspec.json.encode(data))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)


def _next_stream(directory: Path) -> str:
    number = len(list(directory.glob(STREAMS)))
    return f"requests.{number}.arrows" if number else "requests.arrows"


@contextlib.contextmanager
def _clear(directory: Path) -> Iterator[None]:
    """An operating system's refusal (disk full, no permission) as one line."""
    try:
        yield
    except OSError as error:
        raise RecordError(f"cannot write the run to {directory}: {error.strerror or error}") from None
