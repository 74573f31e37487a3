"""Model calls of one service request as the engine's counters tell them, how many run at once, and what they cost.

Of each window of the service's: what a counter grew by between the first and the last sample in it, divided by the
requests of that time (ok ones by the share of their life). That is a mean, and it is one of ours only when nobody else
was served, which the other arm's windows show: there the same counter grew by its own requests, or not at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import pandas as pd

from exporters.record import Run
from reports.figures import in_flight
from reports.measured import Measured, counting
from scenarios.extent import arm_price
from scenarios.prices import ApiPrice
from scenarios.scenario import Cell, Scenario

COUNTS = {"requests": "calls", "input_tokens": "input_tokens", "output_tokens": "output_tokens"}
ENOUGH = 5  # samples in a window
CALLS_PER_EDGE = 10  # fewer, and what the edges cut could hide somebody else's
FOREIGN_SHARE = 0.02  # of the calls; beyond it, and beyond the windows' edges, somebody else was served

Place = tuple[Cell | None, float]


class Grown(msgspec.Struct, frozen=True):
    """What the counters of an engine's instances grew by within one window, in the time between its samples."""

    share: float  # of the window between the first and the last sample
    counts: dict[str, float]
    busy: float | None  # mean of running and waiting, all instances


class Counted(msgspec.Struct, frozen=True):
    """Model calls by the counters: per place of the service arm; or why not."""

    places: dict[Place, dict[str, Any]] = {}
    foreign: float | None = None  # calls that were not ours, per one that was


def counted_calls(run: Run, steps: Sequence[Measured], scenario: Scenario) -> Counted:
    """Calls per request of the service, from its own `metrics` or else its model's; empty without isolation."""
    model, service = scenario.compare.baseline, scenario.compare.candidate
    if not scenario.compare.isolate:
        return Counted()
    source = next((arm for arm in (service, model) if scenario.arms[arm].metrics), None)
    samples: pd.DataFrame = run.server().to_pandas() if source is not None else pd.DataFrame()
    if source is None or not len(samples):
        return Counted()
    samples = samples[samples["arm"] == source]
    ours = {
        arm: [
            (step, grown)
            for step in counting(steps)
            if step.record.step.arm == arm and (grown := grown_in(samples, step)) is not None
        ]
        for arm in (model, service)
    }
    foreign = foreign_share(ours[model], ours[service], own=source == service)
    if foreign is None or foreign > FOREIGN_SHARE:
        return Counted(foreign=foreign)
    return Counted({place: _figures(part) for place, part in _by_place(ours[service]).items()}, foreign)


Windows = Sequence[tuple[Measured, Grown]]


def grown_in(samples: pd.DataFrame, step: Measured) -> Grown | None:
    """What one engine's counters grew by in a step's window; None with too few samples of any instance."""
    record = step.record
    if record.open_ns is None or record.close_ns is None:
        return None
    inside = samples[(samples["at_ns"] >= record.open_ns) & (samples["at_ns"] <= record.close_ns)]
    parts = [part for _, part in inside.groupby("instance")]
    if not parts or any(len(part) < ENOUGH for part in parts):
        return None
    spans = [(int(part["at_ns"].iloc[-1]) - int(part["at_ns"].iloc[0])) for part in parts]
    counts = {name: _sum(part[name].iloc[-1] - part[name].iloc[0] for part in parts) for name in COUNTS}
    busy = _sum((part["running"] + part["waiting"].fillna(0)).mean() for part in parts)
    return Grown(
        share=sum(spans) / len(spans) / (record.close_ns - record.open_ns),
        counts={name: value for name, value in counts.items() if value is not None},
        busy=busy,
    )


def _sum(values: Iterable[float]) -> float | None:
    """The sum; None when one is not known."""
    total = float(sum(values))
    return None if math.isnan(total) else total


def foreign_share(model: Windows, service: Windows, own: bool) -> float | None:
    """Calls of nobody here per call of ours, by the model arm's windows; None when it cannot be known.

    `own`: the counters are those of the service's engine, which in the model arm's windows has nothing to do. Each
    window's edges may cut one call, so that much is nobody's.
    """
    known = [(step, grown) for step, grown in model if "requests" in grown.counts]
    calls = sum(grown.counts.get("requests", 0.0) for _, grown in service)
    edges = 1 + 2 * math.sqrt(len(known))
    if not known or calls < CALLS_PER_EDGE * edges:
        return None
    expected = 0.0
    if not own:
        expected = float(sum(step.tally.finished * grown.share for step, grown in known))
    seen = sum(grown.counts["requests"] for _, grown in known)
    return max(abs(seen - expected) - edges, 0.0) / max(expected, calls)


def _by_place(windows: Windows) -> dict[Place, Windows]:
    found: dict[Place, list[tuple[Measured, Grown]]] = {}
    for step, grown in windows:
        found.setdefault(step.point[1:], []).append((step, grown))
    return dict(found)


def _figures(windows: Windows) -> dict[str, Any]:
    """`fan_out` of a place by counters: means over its requests."""
    requests = float(sum(step.tally.finished * grown.share for step, grown in windows))
    figures: dict[str, Any] = {"source": "counters"}
    for name, ours in COUNTS.items():
        values = [grown.counts[name] for _, grown in windows if name in grown.counts]
        if requests >= 1 and len(values) == len(windows):
            figures[ours] = {"n": max(round(requests), 1), "mean": sum(values) / requests}
    flights = math.fsum(in_flight(step) or 0.0 for step, _ in windows)
    busy = [grown.busy for _, grown in windows if grown.busy is not None]
    if len(busy) == len(windows) and flights:
        figures["at_once"] = math.fsum(busy) / flights
    return figures


def with_calls(points: list[dict[str, Any]], counted: Counted, scenario: Scenario) -> list[dict[str, Any]]:
    """The points with what the counters add to their `fan_out`, and with its cost."""
    by_place = {_key(msgspec.to_builtins(cell), load): found for (cell, load), found in counted.places.items()}
    done = []
    for point in points:
        told = point.get("fan_out")
        if scenario.compare.isolate and point["arm"] == scenario.compare.candidate:
            load = point.get("rate") or point["concurrency"]
            found = by_place.get(_key(point["cell"], load))
            told = told or found
            if told is not None and found is not None and "at_once" in found:
                told = {**told, "at_once": found["at_once"]}
        if told is not None:
            point = {**point, "fan_out": _priced(told, arm_price(scenario, point["arm"]))}
        done.append(point)
    return done


def _key(cell: Mapping[str, Any] | None, load: float) -> tuple[Any, ...]:
    return (*((cell["input"], cell["output"]) if cell else ()), float(load))


def _priced(told: dict[str, Any], price: ApiPrice | None) -> dict[str, Any]:
    """With the cost of one request's calls, where their tokens and a price are known; cached tokens cost as others."""
    if price is None or not {"calls", "input_tokens", "output_tokens"} <= set(told):
        return told
    tokens = told["input_tokens"]["mean"] * (price.input or 0) + told["output_tokens"]["mean"] * (price.output or 0)
    return {**told, "cost": tokens / 1e6 + told["calls"]["mean"] * (price.request or 0)}


def calls_warnings(counted: Counted) -> list[dict[str, Any]]:
    """When the counters cannot be used: somebody else was served."""
    if counted.foreign is None or counted.foreign <= FOREIGN_SHARE:
        return []
    text = f"Calls are not counted by the engine's counters: {counted.foreign:.0%} of them were not ours."
    advice = "Measure on an engine that serves nobody else, or let the service tell its calls ([stages] calls)."
    return [{"code": "foreign calls", "text": text, "advice": advice, "steps": []}]
