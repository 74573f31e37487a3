"""Lengths that were sent and answered where they differ from request to request: drawn sizes, data sets, tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reports.latency import load_column, load_shown
from reports.measured import Measured
from reports.tables import Column, Shown, Table, absent, cell_name, label
from reports.units import count, number

SIDES = {"input": "input_tokens", "output": "output_tokens"}


def lengths(steps: Sequence[Measured]) -> dict[str, Any]:
    """`lengths` of the summary: tokens of the ok requests by usage, where they are not all the same; else nothing."""
    found = {}
    for side, column in SIDES.items():
        tokens = np.concatenate([step.columns[column][step.ok] for step in steps])
        tokens = tokens[~np.isnan(tokens)]
        if len(tokens) and (tokens != tokens[0]).any():
            p50, p95 = np.quantile(tokens, (0.5, 0.95), method="inverted_cdf")
            found[side] = {
                "n": len(tokens), "mean": float(tokens.mean()), "p50": float(p50), "p95": float(p95),
                "max": float(tokens.max()),
            }  # fmt: skip
    return {"lengths": found} if found else {}


def lengths_table(points: list[dict[str, Any]]) -> Table | None:
    """Tokens in and out of every point whose requests differ; None when all are alike."""
    known = [point for point in points if point.get("lengths")]
    if not known:
        return None
    heads = (Column("cell", "cell", False), load_column(known), Column("arm", None, False))
    columns = [Column(f"{side} {stat}", "tokens") for side in SIDES for stat in ("mean", "p50", "p95", "max")]
    return Table("Tokens of requests that differ", (*heads, *columns), tuple(map(_row, known)), heads=3)


def _row(point: dict[str, Any]) -> tuple[Shown, ...]:
    heads = (Shown(cell_name(point.get("cell"))), Shown(load_shown(point)), label(point["arm"]))
    return (*heads, *(_shown(point, side, stat) for side in SIDES for stat in ("mean", "p50", "p95", "max")))


def _shown(point: dict[str, Any], side: str, stat: str) -> Shown:
    of_side = point["lengths"].get(side)
    if of_side is None:
        return absent("all are of one length, or nobody counted them")
    return Shown(number(of_side[stat]) if stat == "mean" else count(of_side[stat]))
