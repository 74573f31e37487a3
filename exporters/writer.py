"""Writing a run: append rows and texts, replace small JSON files, one writer at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from exporters.chunks import ChunkFiles
from exporters.files import (
    FORMAT,
    MANIFEST,
    RESPONSES,
    STEPS,
    Appended,
    BusyError,
    RecordError,
    StepRecord,
    lock,
    locked_unless_failed,
    read_manifest,
    read_steps,
    refusals,
    replace_json,
)
from exporters.rows import STREAM_HEAD, convert_rows, head_size, next_stream, unpack

__all__ = ["RunWriter", "convert", "replace_json"]


class RunWriter:
    """Appends to one run directory, which it holds locked until `finish`."""

    def __init__(self, directory: Path, manifest: dict[str, Any], steps: list[StepRecord], locked: int) -> None:
        self.directory, self._manifest, self._lock = directory, manifest, locked
        self._steps = [msgspec.Raw(msgspec.json.encode(step)) for step in steps]  # each is encoded once
        self._heads: set[int] = set()  # lengths of batches' heads that belong to our schema
        replace_json(directory / MANIFEST, manifest, indent=2)
        with refusals(directory):
            stream = next_stream(directory)
            self._stream, self._rows = stream.name, Appended(stream)
            self._rows.append(STREAM_HEAD)
            self._responses = Appended(directory / RESPONSES)
            self.chunks = ChunkFiles(directory)
            _end_line(directory / RESPONSES, self._responses)

    @classmethod
    def create(cls, directory: Path, manifest: dict[str, Any]) -> RunWriter:
        """Begin a run; RecordError when the directory holds one already."""
        with refusals(directory):
            directory.mkdir(parents=True, exist_ok=True)
        with locked_unless_failed(directory) as locked:
            if (directory / MANIFEST).exists():
                raise RecordError(f"{directory} holds a run already: choose another --out, or --resume it")
            return cls(directory, manifest, [], locked)

    @classmethod
    def reopen(cls, directory: Path) -> RunWriter:
        """Go on with a run: its rows become Parquet, those of unfinished steps are marked, new ones get a stream."""
        manifest, steps = read_manifest(directory), read_steps(directory)
        with locked_unless_failed(directory) as locked:
            with refusals(directory):
                convert_rows(directory, finished={record.step.id for record in steps})
            return cls(directory, {**manifest, "ended": None, "stopped": None}, steps, locked)

    def rows(self, packed: bytes) -> None:
        """Append one packed batch: a copy into the kernel; of batches with heads alike, the first was read through."""
        head = head_size(packed)
        if head not in self._heads:
            unpack(packed)
            self._heads.add(head)
        with refusals(self.directory):
            self._rows.append(packed)

    @property
    def row_sizes(self) -> dict[str, int]:
        """Bytes of the stream of rows that is being written, all of them whole batches."""
        return {self._stream: self._rows.size}

    def steps(self, records: Sequence[StepRecord]) -> None:
        """Append finished steps that belong together: all of them are on disk, or none."""
        self._steps += [msgspec.Raw(msgspec.json.encode(record)) for record in records]
        replace_json(self.directory / STEPS, {"format": FORMAT, "steps": self._steps})

    def response(self, response: dict[str, Any]) -> None:
        """Append one kept text."""
        line = json.dumps(response, ensure_ascii=False) + "\n"
        with refusals(self.directory):
            self._responses.append(line.encode("utf-8", "replace"))

    def update(self, changes: dict[str, Any]) -> None:
        """Change keys of the manifest."""
        self._manifest = {**self._manifest, **changes}
        replace_json(self.directory / MANIFEST, self._manifest, indent=2)

    def finish(self) -> None:
        """Make Parquet of the rows and let go of the directory; on failure the streams stay, and are readable."""
        self._rows.close()
        self._responses.close()
        try:
            with refusals(self.directory):
                convert_rows(self.directory)
            self.chunks.finish()
        finally:
            os.close(self._lock)


def convert(directory: Path) -> None:
    """The rows of a run that was killed as one Parquet file; a run that is still being written is left alone."""
    try:
        locked = lock(directory)
    except BusyError:
        return
    try:
        with refusals(directory):
            convert_rows(directory)
    finally:
        os.close(locked)


def _end_line(path: Path, file: Appended) -> None:
    """End a line that a kill has cut, so that the next one is whole."""
    if file.size and path.read_bytes()[-1:] != b"\n":
        file.append(b"\n")
