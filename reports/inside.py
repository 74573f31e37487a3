"""What replies tell of a service's inside, per step: how long each stage took, and the calls that it made to models.

A request's stages add up to end - sent with the rest named *unexplained*. Nested or overlapping stages add up to more:
that is counted and said, and nothing is clipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from exporters.record import Run
from reports.stats import needed
from scenarios.stages import MOST_STAGES, REST

Values = npt.NDArray[np.float64]
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
CALLS = ("model_calls", "model_input_tokens", "model_output_tokens")
COLUMNS = ("step", "outcome", "end_s", "stages", "stages_unread", *CALLS)
LOST_SHARE = 0.1  # a stage missing in up to so many of the replies was lost on its way; in more, it is not always there
OVERLAP_SHARE, OVERLAP_S = 0.01, 0.001  # beyond both, stages that exceed their request's time overlap


class Inside(msgspec.Struct, frozen=True):
    """The ok requests of a step's window that tell of stages or calls; columns are aligned, NaN = not told."""

    total: Values  # end - sent
    stages: dict[str, Values]
    calls: dict[str, Values]  # CALLS
    unread: int = 0

    @property
    def telling(self) -> npt.NDArray[np.bool_]:
        """The requests that tell of any stage."""
        told = np.zeros(len(self.total), dtype=bool)
        for values in self.stages.values():
            told |= ~np.isnan(values)
        return told


def insides(run: Run) -> dict[str, Inside]:
    """By step, what its requests tell; a step whose requests tell nothing is not there."""
    found: dict[str, list[Inside]] = {}
    for table in run.windows(COLUMNS):  # in pieces: ten million rows are arrays, never as many objects
        rows: dict[str, list[dict[str, Any]]] = {}
        for row in _telling(table).to_pylist():
            rows.setdefault(row["step"], []).append(row)
        for step, part in rows.items():
            found.setdefault(step, []).append(_inside(part))
    return {step: whole for step, parts in found.items() if (whole := pooled(parts)) is not None}


def _telling(table: pa.Table) -> pa.Table:
    """The ok rows that tell anything; of most runs there are none, and nothing of them is decoded."""
    told = pc.or_(pc.is_valid(table["stages"]), pc.is_valid(table["model_calls"]))
    told = pc.or_(told, pc.is_valid(table["stages_unread"]))
    return table.filter(pc.and_(told, pc.equal(table["outcome"], "ok")))


def _inside(rows: Sequence[Mapping[str, Any]]) -> Inside:
    told = [msgspec.json.decode(row["stages"], type=dict[str, float]) if row["stages"] else {} for row in rows]
    kept, left_out = _most_told(Counter(name for stages in told for name in stages))
    return Inside(
        total=_column(rows, "end_s"),
        stages={name: _column(told, name) for name in kept},
        calls={name: _column(rows, name) for name in CALLS},
        unread=sum(row["stages_unread"] or 0 for row in rows) + left_out,
    )


def _most_told(often: Counter[str]) -> tuple[list[str], int]:
    """The names that are told most, in their order; and how many values the others have: a name made up for each
    request is no stage, and must not become a column of millions."""
    kept = {name for name, _ in often.most_common(MOST_STAGES)}
    return [name for name in often if name in kept], sum(count for name, count in often.items() if name not in kept)


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> Values:
    return np.array([np.nan if (value := row.get(name)) is None else value for row in rows], dtype=np.float64)


def pooled(parts: Sequence[Inside]) -> Inside | None:
    """Several steps as one; None without any."""
    if not parts:
        return None
    often = Counter[str]()
    for part in parts:
        often.update({name: int((~np.isnan(values)).sum()) for name, values in part.stages.items()})
    names, left_out = _most_told(often)
    absent = [np.full(len(part.total), np.nan) for part in parts]
    return Inside(
        total=np.concatenate([part.total for part in parts]),
        stages={
            name: np.concatenate([part.stages.get(name, nan) for part, nan in zip(parts, absent, strict=True)])
            for name in names
        },
        calls={name: np.concatenate([part.calls[name] for part in parts]) for name in CALLS},
        unread=sum(part.unread for part in parts) + left_out,
    )


def inside_figures(parts: Sequence[Inside | None]) -> dict[str, Any]:
    """`stages` and `fan_out` of a step or a point; what was not told is absent."""
    inside = pooled([part for part in parts if part is not None])
    if inside is None:
        return {}
    known = {"stages": stage_figures(inside), "fan_out": call_figures(inside)}
    return {name: figures for name, figures in known.items() if figures}


def stage_figures(inside: Inside) -> dict[str, Any]:
    """Per stage its distribution over the requests that tell it, and its share of the whole; then the rest."""
    rest, over = unexplained(inside)
    whole = complete(inside)
    total = float(inside.total[whole].sum())
    figures = {}
    for name, values in inside.stages.items():
        share = float(np.nansum(values[whole])) / total if total else None
        figures[f"{name}_s"] = {**distribution(values), **({} if share is None else {"share": share})}
    if figures and len(rest):
        share = float(rest.sum()) / total
        figures[f"{REST}_s"] = {**distribution(rest), "share": share, **({"over": over} if over else {})}
    return figures


def complete(inside: Inside) -> npt.NDArray[np.bool_]:
    """The requests whose stages are all there: those that lost one on its way would have it among the unexplained."""
    told = inside.telling
    for name in lost(inside):
        told &= ~np.isnan(inside.stages[name])
    return told & ~np.isnan(inside.total)


def lost(inside: Inside) -> dict[str, int]:
    """Stages that some replies lack which should have them, with how many replies do."""
    missing = {name: int(np.isnan(values).sum()) for name, values in inside.stages.items()}
    return {name: count for name, count in missing.items() if 0 < count <= LOST_SHARE * len(inside.total)}


def unexplained(inside: Inside) -> tuple[Values, int]:
    """end - sent less all stages, of complete requests; and how many of them have stages that exceed their time."""
    whole = complete(inside)
    total = inside.total[whole]
    if not len(total) or not inside.stages:
        return total[:0], 0
    parts = np.nansum(np.stack([values[whole] for values in inside.stages.values()]), axis=0)
    rest = total - parts
    return rest, int((rest < -np.maximum(OVERLAP_SHARE * total, OVERLAP_S)).sum())


def call_figures(inside: Inside) -> dict[str, Any]:
    """Model calls of one service request and their tokens, by the service's own account."""
    names = {"model_calls": "calls", "model_input_tokens": "input_tokens", "model_output_tokens": "output_tokens"}
    known = {name: inside.calls[column] for column, name in names.items() if (~np.isnan(inside.calls[column])).any()}
    if "calls" not in known:
        return {}
    return {"source": "reply", **{name: distribution(values) for name, values in known.items()}}


def distribution(values: Values) -> dict[str, Any]:
    """n, mean, the quantiles that n allows, max; of what is known."""
    known = np.sort(values[~np.isnan(values)])
    quantiles = {
        name: float(np.quantile(known, q, method="inverted_cdf"))
        for name, q in QUANTILES.items()
        if len(known) >= needed(q)
    }
    return {"n": len(known), "mean": float(known.mean()), **quantiles, "max": float(known[-1])}
