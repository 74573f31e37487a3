"""Who sent the load: workers, where their users ran, whether all of their rows are here, and one that is not well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from exporters.record import WorkerPart
from reports.measured import Measured, Values

LAGGING, LAG_FLOOR_S = 5.0, 0.001  # a worker that reads five times later than the others, and by more than 1 ms
SLOW = 1.5  # or whose median TTFT is half as long again
Mask = npt.NDArray[np.bool_]
ENOUGH = 10  # requests of a worker, below which nothing is said of it


class Sick(msgspec.Struct, frozen=True):
    """A worker that is unlike the others in one step, and what the step's TTFT would be without it."""

    index: int
    lag_s: float
    others_lag_s: float
    quantile: str
    ttft_s: float
    without_s: float


def fleet_figures(steps: Sequence[Measured], manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """The workers of a run: rows that came against rows that were sent, load, health, clocks; None where unknown."""
    fleet = manifest.get("fleet")
    if not fleet:
        return None
    lags = _lags_by_worker(steps)
    parts: dict[str, list[WorkerPart]] = {}
    for step in steps:
        for worker, part in step.record.workers.items():
            parts.setdefault(worker, []).append(part)
    names = sorted(fleet["workers"], key=lambda name: parts[name][0].index if name in parts else len(parts))
    workers = [_worker(name, fleet["workers"][name], parts.get(name, []), lags) for name in names]
    return {"expected": fleet["expected"], "changes": fleet["changes"], "workers": workers}


def _worker(name: str, account: Mapping[str, Any], parts: list[WorkerPart], lags: dict[int, Values]) -> dict[str, Any]:
    known: dict[str, Any] = {"worker": name}
    known |= {key: account[key] for key in ("rows_sent", "rows_received", "lost_rows", "lost_reports")}
    if parts:
        known |= {"index": parts[0].index, "users": max(part.users for part in parts)}
        known |= {key: sum(getattr(part, key) for part in parts) for key in ("sent", "ok", "failed", "aborted")}
        for key in ("cpu", "stall_s"):
            values = [part.facts[key] for part in parts if key in part.facts]
            known |= {key: max(values)} if values else {}
        if len(lag := lags.get(parts[0].index, np.empty(0))):
            known["lag_s"] = float(np.median(lag))
    if account.get("clock"):
        known |= {f"clock_{key}": value for key, value in account["clock"].items()}
    return known


def _lags_by_worker(steps: Sequence[Measured]) -> dict[int, Values]:
    """The longest lag of each request, by worker."""
    if not steps:
        return {}
    workers = np.concatenate([step.columns["worker"] for step in steps])
    lags = np.concatenate([step.columns["lag_max_s"] for step in steps])
    known = ~np.isnan(lags)
    return {int(worker): lags[known & (workers == worker)] for worker in np.unique(workers[~np.isnan(workers)])}


def users_by_worker(step: Measured) -> list[int]:
    """How many users each worker had in a step, in the order of the workers."""
    return [part.users for part in sorted(step.record.workers.values(), key=lambda part: part.index)]


def sick_worker(step: Measured) -> Sick | None:
    """The one worker that reads much later than the others, or whose TTFT is much longer; None when all are alike."""
    found = [sick for sick in _candidates(step) if sick is not None]
    return max(found, key=lambda sick: sick.lag_s) if len(found) == 1 else None  # two of them are not one that is sick


def _candidates(step: Measured) -> Iterator[Sick | None]:
    workers, ttft = step.columns["worker"], step.columns["ttft_s"]
    usable = step.ok & ~np.isnan(ttft)
    for worker in np.unique(workers[usable]):
        own, others = usable & (workers == worker), usable & (workers != worker)
        if own.sum() >= ENOUGH and others.sum() >= ENOUGH:
            yield _judged(step, int(worker), own, others)


def _judged(step: Measured, worker: int, own: Mask, others: Mask) -> Sick | None:
    ttft, lags = step.columns["ttft_s"], step.columns["lag_max_s"]
    lag, usual = float(np.nanmedian(lags[own])), float(np.nanmedian(lags[others]))
    lagging = lag > max(LAGGING * usual, LAG_FLOOR_S)
    if not lagging and np.median(ttft[own]) <= SLOW * np.median(ttft[others]):
        return None
    name, q = ("p90", 0.9) if others.sum() >= 50 else ("p50", 0.5)
    whole, without = (float(np.quantile(ttft[some], q)) for some in (own | others, others))
    return Sick(worker, lag, usual, name, whole, without)
