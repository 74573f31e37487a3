"""Useless tokens, request by request: what was asked, and paid for, and came to nothing. From the rows of the tasks.

A request sent in a window is in at most one of failed, aborted, truncated and over-length; what was written twice is
`retried` as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from exporters.record import Run
from reports.measured import floats
from reports.waste_figures import Found, Looked, Values
from reports.waste_spread import numbered

COLUMNS = ("step", "outcome", "finish_reason", "attempt", "prompt_id", "input_tokens", "cached_tokens", "output_tokens")
ENDED = ("ok", "aborted", "truncated")  # every other outcome is a failure

Flags = npt.NDArray[np.bool_]


class Rows(msgspec.Struct, frozen=True):
    """Requests of the tasks, one entry each."""

    steps: npt.NDArray[np.str_]
    outcomes: npt.NDArray[np.str_]
    finishes: npt.NDArray[np.str_]
    attempts: Values
    looked: Looked


def task_rows(run: Run, blocks: Mapping[str, int]) -> Rows | None:
    """The requests sent in the windows of these steps, with the block of each; None where there are none."""
    wanted = pa.array(list(blocks), pa.string())
    tables = [table.filter(pc.is_in(table["step"], value_set=wanted)) for table in run.windows(COLUMNS)]
    tables = [table for table in tables if table.num_rows]
    if not tables:
        return None
    table = pa.concat_tables(tables)
    steps, prompts, outcomes, finishes = (
        table[name].to_numpy().astype(str) for name in ("step", "prompt_id", "outcome", "finish_reason")
    )
    attempts, given, cached, made = (
        floats(table[name]) for name in ("attempt", "input_tokens", "cached_tokens", "output_tokens")
    )
    block = np.array([blocks[step] for step in steps.tolist()])
    return Rows(steps, outcomes, finishes, attempts, Looked(numbered(prompts), block, given, cached, made))


def rows_of(rows: Rows, steps: Sequence[str]) -> Rows:
    """The rows of some steps: those of one arm."""
    here, looked = np.isin(rows.steps, steps), rows.looked
    kept = Looked(*(getattr(looked, name)[here] for name in looked.__struct_fields__))
    return Rows(rows.steps[here], rows.outcomes[here], rows.finishes[here], rows.attempts[here], kept)


def of_requests(rows: Rows) -> list[Found]:
    """The categories that need no text."""
    given, made = np.nan_to_num(rows.looked.input), np.nan_to_num(rows.looked.output)
    cached, told = np.nan_to_num(rows.looked.cached), ~np.isnan(rows.looked.input) | ~np.isnan(rows.looked.output)
    found = [
        Found(name, given * hit, made * hit, hit, cached * hit, int((hit & ~told).sum()))
        for name, hit in lost(rows).items()
    ]
    again = np.nan_to_num(rows.attempts - 1)
    hit = again > 0
    untold = int((hit & np.isnan(rows.looked.input)).sum())
    return [*found, Found("retried", given * again, np.zeros(len(again)), hit, None, untold)]


def lost(rows: Rows) -> dict[str, Flags]:
    """By category, which requests came to nothing."""
    return {
        "failed": ~np.isin(rows.outcomes, ENDED),
        "aborted": rows.outcomes == "aborted",
        "truncated": rows.outcomes == "truncated",
        "over_length": (rows.outcomes == "ok") & (rows.finishes == "length"),
    }
