"""The run on disk, the only contract between the swarm and the reports: append while running, read afterwards.

While running, rows go to `requests.arrows`, an Arrow stream that is readable at any length; the end makes a Parquet file
of it. Every JSON file is replaced atomically.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from exporters.rows import SCHEMA, pack, unpack
from exporters.writer import (
    PARQUET,
    RESPONSES,
    STREAMS,
    RecordError,
    RunWriter,
    StepRecord,
    convert,
    read_manifest,
    read_steps,
    read_stream,
)
from scenarios.load import scenario_from_wire
from scenarios.scenario import Scenario

__all__ = ["RecordError", "Run", "RunWriter", "StepRecord", "convert", "pack", "unpack"]


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
        """All rows: the Parquet file's, then those of streams that were not converted."""
        tables = [pa.Table.from_batches([], SCHEMA)]
        if (self.directory / PARQUET).exists():
            tables.append(pq.read_table(self.directory / PARQUET, schema=SCHEMA))
        for stream in sorted(self.directory.glob(STREAMS)):
            tables.append(pa.Table.from_batches(list(read_stream(stream)), SCHEMA))
        return pa.concat_tables(tables)

    def responses(self) -> list[dict[str, Any]]:
        """The kept texts; a half-written last line is left out."""
        try:
            lines = (self.directory / RESPONSES).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines if line.endswith("}")]
