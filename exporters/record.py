"""The run on disk, the only contract between the swarm and the reports: append while running, read afterwards.

While running, rows go to `requests.arrows`, an Arrow stream that is readable at any length; the end makes a Parquet
file of it. Every JSON file is replaced atomically.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from exporters.chunks import read_chunks
from exporters.files import RESPONSES, RecordError, StepRecord, WorkerPart, read_manifest, read_steps
from exporters.rows import pack, read_rows, step_rows, unpack, warm_up_rows, window_rows
from exporters.samples import read_samples
from exporters.writer import RunWriter, convert
from scenarios.load import scenario_from_wire
from scenarios.scenario import Scenario

__all__ = ["RecordError", "Run", "RunWriter", "StepRecord", "WorkerPart", "convert", "pack", "unpack"]


class Run:
    """A run directory, read: also one that is still being written, or was cut by a kill."""

    def __init__(self, directory: Path, manifest: dict[str, Any]) -> None:
        self.directory, self.manifest = directory, manifest

    @classmethod
    def open(cls, directory: Path) -> Run:
        """The run in a directory; RecordError when there is none."""
        return cls(Path(directory), read_manifest(Path(directory)))

    @property
    def scenario(self) -> Scenario:
        """What was asked."""
        return scenario_from_wire(self.manifest["scenario"])

    @property
    def steps(self) -> list[StepRecord]:
        """The finished steps."""
        return read_steps(self.directory)

    def requests(self) -> pa.Table:
        """All rows, in the order in which they arrived; those of a step that was cut and done again are `...-cut`."""
        return read_rows(self.directory)

    def windows(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Some columns of the requests sent in a step's window, in pieces: ten million rows need not fit at once."""
        return window_rows(self.directory, columns)

    def responses(self) -> list[dict[str, Any]]:
        """The kept texts; a line that was cut is left out."""
        try:
            lines = (self.directory / RESPONSES).read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RecordError(f"{self.directory / RESPONSES} cannot be read: {error.strerror}") from None
        return [text for line in lines if (text := _text(line)) is not None]

    def lives(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Some columns of every request of a step, in its window or around it, in pieces."""
        return step_rows(self.directory, columns)

    def warm_ups(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Some columns of the requests that warmed a service up, in pieces."""
        return warm_up_rows(self.directory, columns)

    def server(self) -> pa.Table:
        """Samples of the engines' own metrics in the order of their times; empty when none were taken."""
        return read_samples(self.directory, "server")

    def gpu(self) -> pa.Table:
        """Samples of the GPUs in the order of their times; empty when none were taken."""
        return read_samples(self.directory, "gpu")

    def chunks(self) -> pa.Table:
        """Every chunk's time of arrival, of a run with record = "chunks": request_id, chunk_ns, uncertainty_ns."""
        return read_chunks(self.directory)


def _text(line: bytes) -> dict[str, Any] | None:
    try:
        text = json.loads(line)
    except ValueError:
        return None
    return text if isinstance(text, dict) else None
