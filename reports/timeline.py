"""The whole run over time, in at most 240 pieces: load, requests and failures, engines, GPUs, and what happened.

A piece has the load of the step that its middle lies in. Of several GPUs the busiest stands for all, of several engines
the one whose KV pool is fullest: arms take turns, and a mean would be of the idle ones too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from exporters.record import Run, StepRecord

PIECES = 240
MOST_EVENTS = 40
NS = 1e9
DIGITS = 4

Values = npt.NDArray[np.float64]


def timeline(run: Run) -> dict[str, Any] | None:
    """`timeline` of the summary; None before the first step is over."""
    steps = run.steps
    if not steps:
        return None
    zero, over = _ns(min(step.started for step in steps)), _ns(max(step.ended for step in steps))
    edges = np.linspace(zero, max(over, zero + 1), _pieces(over - zero) + 1)
    figures = {
        **_loads(steps, edges),
        **_requests(run, [step.step.id for step in steps], edges),
        **_engines(run.server().to_pandas(), edges),
        **_gpus(run.gpu().to_pandas(), edges),
    }
    known = {name: values for name, values in figures.items() if any(value is not None for value in values)}
    seconds = (over - zero) / NS
    events = sorted(_events(run, zero), key=lambda event: event["at_s"])
    return {
        "started": min(step.started for step in steps),
        "seconds": seconds,
        "piece_s": seconds / (len(edges) - 1),
        **known,
        "events": events[:MOST_EVENTS],
        **({"more_events": len(events) - MOST_EVENTS} if len(events) > MOST_EVENTS else {}),
    }


def _pieces(ns: float) -> int:
    """A second each at least."""
    return int(min(PIECES, max(1, ns / NS)))


def _ns(stamp: str) -> float:
    """Wall clock ns of an RFC 3339 time."""
    return datetime.fromisoformat(stamp).astimezone(UTC).timestamp() * NS


def _loads(steps: Sequence[StepRecord], edges: Values) -> dict[str, list[Any]]:
    """Load and arm of the step in which each piece's middle lies, and whether it counts."""
    middles = (edges[1:] + edges[:-1]) / 2
    load: list[Any] = [None] * len(middles)
    arm, valid = list(load), list(load)
    for step in steps:
        inside = np.flatnonzero((middles >= _ns(step.started)) & (middles <= _ns(step.ended)))
        for place in inside.tolist():
            load[place], arm[place], valid[place] = step.step.load, step.step.arm, step.valid
    return {"load": load, "arm": arm, "valid": valid}


def _requests(run: Run, steps: Sequence[str], edges: Values) -> dict[str, list[Any]]:
    """Requests of steps sent per second, and those of them that were not ok; a step that was cut short has none."""
    names = pa.array(steps, pa.string())
    sent, bad = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
    for every in run.lives(("step", "sent_ns", "outcome")):
        table = every.filter(pc.is_in(every["step"], value_set=names))
        at = np.clip(table["sent_ns"].to_numpy(), edges[0], edges[-1])  # a step's times are whole milliseconds
        sent += np.histogram(at, edges)[0]
        bad += np.histogram(at[pc.not_equal(table["outcome"], "ok").to_numpy()], edges)[0]
    seconds = np.diff(edges) / NS
    return {"sent_per_s": _short(sent / seconds), "bad_per_s": _short(bad / seconds)}


def _engines(samples: pd.DataFrame, edges: Values) -> dict[str, list[Any]]:
    if not len(samples):
        return {}
    busy = [
        np.nansum([_means(part, name, edges) for name in ("running", "waiting")], axis=0)
        for _, part in samples.groupby("instance")
    ]
    seen = ~np.isnan(_means(samples, "running", edges))
    in_engine = np.where(seen, np.sum(busy, axis=0), np.nan)
    return {"in_engine": _short(in_engine), "kv_used_share": _highest(samples, ["instance"], "kv_used_share", edges)}


def _gpus(samples: pd.DataFrame, edges: Values) -> dict[str, list[Any]]:
    if not len(samples):
        return {}
    return {"gpu_busy": _highest(samples, ["instance", "gpu"], "busy", edges)}


def _highest(samples: pd.DataFrame, by: list[str], name: str, edges: Values) -> list[Any]:
    """Of each piece the highest of the means of its sources."""
    return _short(np.fmax.reduce([_means(part, name, edges) for _, part in samples.groupby(by)]))


def _means(samples: pd.DataFrame, name: str, edges: Values) -> Values:
    """Mean of a figure in each piece; NaN without a sample."""
    known = samples[samples[name].notna()]
    at, values = known["at_ns"].to_numpy(dtype=float), known[name].to_numpy(dtype=float)
    counts = np.histogram(at, edges)[0]
    with np.errstate(invalid="ignore"):
        return np.asarray(np.histogram(at, edges, weights=values)[0] / np.where(counts, counts, np.nan))


def _short(values: Values) -> list[Any]:
    return [None if np.isnan(value) else float(f"{value:.{DIGITS}g}") for value in values]


def _events(run: Run, zero: float) -> list[dict[str, Any]]:
    """Workers that came or went, disturbances, what was done by hand, and why it stopped."""
    told = run.manifest
    found = [
        *(_at(_ns(one["at"]), zero, f"worker {one['what']}", one["worker"])
          for one in (told.get("fleet") or {}).get("changes", [])),
        *(_at(one["at_ns"], zero, f"disturbance {one['what']}", one.get("run") or one["index"])
          for one in told.get("disturbances") or []),
        *(_at(_ns(one["at"]), zero, "by hand", one.get("what")) for one in told.get("actions") or []),
    ]  # fmt: skip
    if told.get("stopped") and told.get("ended"):
        found.append(_at(_ns(told["ended"]), zero, "stopped", told["stopped"]))
    return found


def _at(ns: float, zero: float, what: str, said: Any) -> dict[str, Any]:
    return {"at_s": round(max((ns - zero) / NS, 0.0), 3), "what": what, "said": str(said)[:200]}
