"""Soaks: how a service held one load for long, and how it recovered from what was done to it.

Every request sent between the first window's opening and the last one's closing counts, also between two windows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from exporters.record import Run, StepRecord
from reports.measured import LATENCIES, floats, within_limits
from reports.recovery import Bins, Change, Flags, Recovery, Requests, bin_width, binned, drift, ill, level, recovery
from reports.soak_events import Event, events_of, span_ns
from reports.stats import share_bounds
from scenarios.scenario import Scenario
from scenarios.slo import has_slo, slo_of
from scenarios.soak import Soak

SHOWN_BINS = 150  # of the timeline
DRIFT_FROM_S = 120.0  # a slope per hour of less says nothing
Column = np.ndarray[Any, Any]
COLUMNS = ("step", "sent_ns", "outcome", "end_s", *LATENCIES)


def soaks(run: Run, scenario: Scenario) -> list[dict[str, Any]]:
    """One entry for each arm and block, in the order in which they ran; empty without a soak."""
    if scenario.soak is None:
        return []
    places: dict[tuple[str, int], list[StepRecord]] = {}
    for record in run.steps:
        places.setdefault((record.step.arm, record.step.block), []).append(record)
    whole = [stretches for stretches in places.values() if stretches[0].step.stretch is not None]
    requests = _requests(run, whole, scenario)
    return [_soak(stretches, sent, run.manifest, scenario) for stretches, sent in zip(whole, requests, strict=True)]


def _soak(
    stretches: Sequence[StepRecord], requests: Requests, manifest: dict[str, Any], scenario: Scenario
) -> dict[str, Any]:
    soak, step = scenario.soak, stretches[0].step
    assert soak is not None, "a scenario with a soak"
    events, missing = events_of(manifest, stretches, scenario)
    seconds = _seconds(stretches)
    quiet_s = events[0].at if events else seconds
    calm_s, quiet = requests.calm(quiet_s), int((requests.at < quiet_s).sum())
    bins = binned(requests, bin_width(quiet / quiet_s if quiet_s else 0.0, soak.hold), seconds)
    attain = scenario.slo.attain if has_slo(scenario) else None
    flags = ill(bins, attain, slice(0, int(calm_s / bins.width)))
    recoveries = [_recovery(event, flags, bins.width, soak) for event in events]
    sent, good = len(requests.at), int(requests.good.sum())
    known: dict[str, Any] = {
        "arm": step.arm,
        "block": step.block,
        "cell": msgspec.to_builtins(step.cell),
        "by": "rate" if scenario.ladder.rate else "concurrency",
        "load": soak.load,
        "seconds": seconds,
        "bin_s": bins.width,
        "sent": sent,
        "ok": int(requests.ok.sum()),
        "good": good,
        "bounds": list(share_bounds(good, sent)),
        "budget_used": _budget(sent - good, sent, scenario),
        "events": [
            _event(event, found, requests, (sent, scenario)) | _level(event, found, (requests, bins, calm_s), soak)
            for event, found in zip(events, recoveries, strict=True)
        ],
        "drift": _drift(requests, bins, _quiet(events, recoveries, requests, bins, soak))
        if seconds >= DRIFT_FROM_S
        else None,
        "timeline": _timeline(requests, bins.width, seconds),
        "faults": [*missing, *(event.fault for event in events if event.fault)],
    }
    return {name: value for name, value in known.items() if value is not None}


def _seconds(stretches: Sequence[StepRecord]) -> float:
    opened, closed = span_ns(stretches)
    return (closed - opened) / 1e9


def _recovery(event: Event, flags: Flags | None, width: float, soak: Soak) -> Recovery | None:
    """None where nothing can be said: the disturbance itself failed, or there was no quiet time to compare with."""
    if event.fault is not None or flags is None:
        return None
    was_well = event.what != "spike ends"
    return recovery(flags, width, (event.at, event.until), soak.hold, was_well)


def _event(event: Event, found: Recovery | None, requests: Requests, of: tuple[int, Scenario]) -> dict[str, Any]:
    """An event with what it cost: the requests from it until the service was well again, or the next event."""
    total, scenario = of
    until = event.until if found is None or found.seconds is None else event.at + found.seconds
    if found is not None and found.state == "unaffected":
        until = event.at
    during = requests.touched(event.at, until)
    bad = int((during & ~requests.good).sum())
    known: dict[str, Any] = {
        "what": event.what,
        "run": event.run,
        "at_s": event.at,
        "ended_s": event.ended,
        "until_s": event.until,
        "load": event.load,
        "state": found.state if found else "unknown",
        "why": event.fault or (None if found else "too little quiet time before the first event to compare with"),
        "recovered_s": found.seconds if found else None,
        "relapses": found.relapses if found and found.relapses else None,
        "sent": int(during.sum()),
        "bad": bad,
        "failed": int((during & ~requests.ok).sum()),
        "budget_used": _budget(bad, total, scenario),
    }
    return {name: value for name, value in known.items() if value is not None}


def _budget(bad: int, sent: int, scenario: Scenario) -> float | None:
    """Share of the error budget: bad / (sent x (1 - attain)); None without a limit or a budget."""
    allowed = sent * (1 - scenario.slo.attain)
    return bad / allowed if has_slo(scenario) and allowed > 1e-9 else None


def _level(event: Event, found: Recovery | None, of: tuple[Requests, Bins, float], soak: Soak) -> dict[str, Any]:
    """Whether E2E came back to where it was: after the recovery against the quiet time before the first event."""
    if not _well_again(event, found, soak) or found is None:
        return {}
    requests, bins, calm_s = of
    after = bins.e2e_s[_bins(event.at + (found.seconds or 0.0), requests.calm(event.until), bins.width)]
    before = bins.e2e_s[_bins(0.0, calm_s, bins.width)]
    change = level(before[~np.isnan(before)], after[~np.isnan(after)])
    return {"level": _told(change)} if change is not None else {}


def _well_again(event: Event, found: Recovery | None, soak: Soak) -> bool:
    """Whether it came back to quiet times, at the soak's own load."""
    return found is not None and found.state in ("recovered", "unaffected") and event.load == soak.load


def _bins(begin: float, end: float, width: float) -> slice:
    """The whole bins between two times."""
    return slice(math.ceil(begin / width - 1e-9), int(end / width + 1e-9))


def _quiet(
    events: Sequence[Event], found: Sequence[Recovery | None], requests: Requests, bins: Bins, soak: Soak
) -> Flags:
    """Bins at the soak's own load in which it was not recovering from anything."""
    quiet = np.ones(len(bins.sent), dtype=bool)
    for event, mine in zip(events, found, strict=True):
        until = event.until
        if _well_again(event, mine, soak) and mine is not None:
            until = event.at + (mine.seconds or 0.0)
        quiet[int(requests.calm(event.at) / bins.width) : math.ceil(until / bins.width)] = False
    return quiet


def _drift(requests: Requests, bins: Bins, quiet: Flags) -> list[dict[str, Any]]:
    place = (requests.at / bins.width).astype(int)
    inside = requests.ok & (place < len(quiet)) & quiet[np.minimum(place, len(quiet) - 1)]
    found = []
    for metric in LATENCIES:
        values = getattr(requests, metric)
        known = inside & (values > 0)
        change = drift(requests.at[known], values[known])
        if change is not None:
            found.append({"metric": metric, **_told(change)})
    return found


def _told(change: Change) -> dict[str, Any]:
    return {"ratio": change.ratio, "ci": [change.low, change.high]}


def _timeline(requests: Requests, width: float, seconds: float) -> list[dict[str, Any]]:
    """The soak as a picture needs it: medians over at most 150 pieces of whole bins."""
    piece = width * max(math.ceil(seconds / width / SHOWN_BINS), 1)
    edges = np.searchsorted(requests.at, np.arange(0.0, seconds + piece, piece))
    told = []
    for place, (low, high) in enumerate(pairwise(edges)):
        ok = requests.ok[low:high]
        known: dict[str, Any] = {"at_s": place * piece, "sent": int(high - low), "failed": int((~ok).sum())}
        known["bad"] = int((~requests.good[low:high]).sum())
        for metric in ("ttft_s", "e2e_s"):
            values = getattr(requests, metric)[low:high][ok]
            values = values[~np.isnan(values)]
            if len(values):
                known[metric] = {"p50": float(np.median(values)), "p95": float(np.quantile(values, 0.95))}
        told.append(known)
    return told


def _requests(run: Run, soaked: Sequence[Sequence[StepRecord]], scenario: Scenario) -> list[Requests]:
    """The requests of each soak, from its first window's opening to its last one's closing."""
    owner = {record.step.id: place for place, stretches in enumerate(soaked) for record in stretches}
    found: list[list[tuple[Column, ...]]] = [[] for _ in soaked]
    for table in run.lives(COLUMNS):
        places = np.array([owner.get(name, -1) for name in table["step"].to_pylist()])
        numbers = [floats(table[name]) for name in ("sent_ns", "end_s", *LATENCIES)]
        columns = (table["outcome"].to_numpy() == "ok", *numbers)
        for place, pieces in enumerate(found):
            pieces.append(tuple(column[places == place] for column in columns))
    return [_joined(pieces, stretches, scenario) for pieces, stretches in zip(found, soaked, strict=True)]


def _joined(pieces: Iterable[tuple[Column, ...]], stretches: Sequence[StepRecord], scenario: Scenario) -> Requests:
    ok, sent_ns, end_s, *latencies = (np.concatenate(column) for column in zip(*pieces, strict=True))
    at = (sent_ns - span_ns(stretches)[0]) / 1e9
    order = np.argsort(at, kind="stable")
    order = order[(at[order] >= 0) & (at[order] < _seconds(stretches))]
    columns = dict(zip(LATENCIES, (values[order] for values in latencies), strict=True))
    cell = stretches[0].step.cell
    good = ok[order] & within_limits(columns, slo_of(scenario, cell.name if cell else "tasks"))
    end = at[order] + np.nan_to_num(end_s[order])
    return Requests(at=at[order], end=end, ok=ok[order], good=good, **columns)
