"""What was done to a service during a soak, and when: from the run's manifest and its steps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import msgspec

from exporters.record import StepRecord
from scenarios.scenario import Scenario

What = Literal["disturbance", "spike begins", "spike ends"]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done `at` so many seconds of a soak; looked at `until` the next one, or the soak's end."""

    what: What
    at: float
    until: float
    load: float  # from here on
    run: str | None = None  # the command of a disturbance
    ended: float | None = None
    fault: str | None = None  # why nothing can be said of it


def events_of(
    manifest: dict[str, Any], stretches: Sequence[StepRecord], scenario: Scenario
) -> tuple[list[Event], list[str]]:
    """The events of one soak in their order, and what is wrong with disturbances that never began."""
    zero, end = span_ns(stretches)
    loads = [_change(one, after, scenario, zero) for one, after in pairwise(stretches)]
    done, missing = _disturbances(manifest, stretches, scenario)
    events = sorted([*loads, *done], key=lambda event: event.at)
    ends = [*(event.at for event in events[1:]), (end - zero) / 1e9]
    whole = [msgspec.structs.replace(event, until=until) for event, until in zip(events, ends, strict=True)]
    return whole, missing


def span_ns(stretches: Sequence[StepRecord]) -> tuple[int, int]:
    """When the first window opened and the last one closed, in ns of the master's wall clock."""
    opened, closed = stretches[0].open_ns, stretches[-1].close_ns
    assert opened is not None, "a step of a soak has a window"
    assert closed is not None, "a step of a soak has a window"
    return opened, closed


def _change(before: StepRecord, after: StepRecord, scenario: Scenario, zero: int) -> Event:
    """The load changes when the window of the stretch before it closes; between two spikes lies the soak's own load."""
    assert scenario.soak is not None, "a scenario with a soak"
    _, closed = span_ns([before])
    at = (closed - zero) / 1e9
    begins = before.step.load == scenario.soak.load
    return Event(what="spike begins" if begins else "spike ends", at=at, until=at, load=after.step.load)


def _disturbances(
    manifest: dict[str, Any], stretches: Sequence[StepRecord], scenario: Scenario
) -> tuple[list[Event], list[str]]:
    (zero, _), step = span_ns(stretches), stretches[0].step
    told = [one for one in manifest.get("disturbances", []) if (one["arm"], one["block"]) == (step.arm, step.block)]
    begun = {one["index"]: one for one in told if one["what"] == "began"}
    ended = {one["index"]: one for one in told if one["what"] == "ended"}
    events, missing = [], []
    for index, asked in enumerate(scenario.disturbance):
        if index not in begun:
            missing.append(f"the disturbance at {asked.at:g} s never began: look at locust.log")
            continue
        at, over = (begun[index]["at_ns"] - zero) / 1e9, ended.get(index)
        fault = None
        if over is not None and over["code"] != 0:
            said = f": {over['said']}" if over.get("said") else ""
            fault = f"the disturbance at {asked.at:g} s ended with {over['code']}{said}"
        events.append(
            Event(
                what="disturbance", at=at, until=at, load=_load_at(stretches, at, zero), run=asked.run,
                ended=None if over is None else (over["at_ns"] - zero) / 1e9, fault=fault,
            )
        )  # fmt: skip
    return events, missing


def _load_at(stretches: Sequence[StepRecord], at: float, zero: int) -> float:
    begun = [one for one in stretches if (span_ns([one])[0] - zero) / 1e9 <= at]
    return (begun or stretches[:1])[-1].step.load
