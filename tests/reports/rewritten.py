"""Synthetic runs whose rows say something else: from there on everything is what a real run goes through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from exporters.record import Run
from exporters.rows import SCHEMA
from tests.exporters.synthetic import synthetic_run

TOLD = ("input_tokens", "output_tokens", "output_chars", "cached_tokens", "chunks")


def retold(directory: Path, tell: Callable[[dict[str, np.ndarray], np.ndarray], None], **asked: Any) -> Run:
    """A synthetic run whose rows say something else: `tell` is given their columns, and which are the candidate's."""
    run = Run.open(synthetic_run(directory, blocks=4, rungs=(1, 4), cells=("short/short", "medium/medium"), **asked))
    rows = run.requests()
    columns = {name: np.array(rows[name].to_pylist(), dtype=float) for name in TOLD}
    tell(columns, np.array(rows["arm"].to_pylist()) == "candidate")
    for name, values in columns.items():
        told = pa.array(values, from_pandas=True).cast(SCHEMA.field(name).type, safe=False)
        rows = rows.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), told)
    pq.write_table(rows, run.directory / "requests.parquet")
    return run
