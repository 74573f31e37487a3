"""`tokenswarm export`: the tables of summary.json as CSV, Excel or Parquet; its points as llm-d's Benchmark Reports."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from exporters.files import read_manifest, read_summary, refusals, replace_json
from reports.export_files import write_csv, write_parquet, write_xlsx
from reports.export_llmd import documents, place_of
from reports.export_tables import tables_of

Format = Literal["csv", "xlsx", "parquet", "llm-d"]
WRITERS = {"csv": write_csv, "xlsx": write_xlsx, "parquet": write_parquet}


def export(run: Path, to: Format, out: Path | None) -> Path:
    """Write a run's figures in another format, by default below the run; where they are."""
    summary = read_summary(run)
    place = out or run / "export" / to
    with refusals(place):
        place.mkdir(parents=True, exist_ok=True)
    if to == "llm-d":
        for number, document in enumerate(documents(summary, read_manifest(run))):
            name = re.sub(r"[^A-Za-z0-9.]+", "-", place_of(document)).strip("-.")
            replace_json(place / f"{number:03}-{name[:80]}.json", document, indent=2)
        return place
    WRITERS[to](tables_of(summary), place)
    return place
