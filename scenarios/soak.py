"""[soak] and [[disturbance]]: one load held for long, with spikes in it and things that are broken on purpose."""

from __future__ import annotations

from typing import Annotated

import msgspec

from scenarios.kinds import Delay, Frozen, Positive, Seconds


class Spike(Frozen, frozen=True):
    """Another load from `at` on (seconds of the soak), `lasting` so long; then the soak's own again."""

    at: Seconds
    lasting: Seconds
    load: Positive


class Disturbance(Frozen, frozen=True):
    """A command that the master runs `at` so many seconds of the soak; the file's own, and never a web page's."""

    at: Delay
    run: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class Soak(Frozen, frozen=True):
    """One cell at one load, for `duration`. A load is users at once, or in open loop requests per second.

    `cell` is the plan's and `load` the ladder's `at` unless they are given. After a spike or a disturbance the service
    is called recovered when it has been well for `hold`; that it is within `recover` can be gated.
    """

    cell: str = ""
    load: Positive | None = None
    duration: Seconds = 600.0
    hold: Seconds = 10.0
    recover: Seconds | None = None
    spike: tuple[Spike, ...] = ()


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a soak at one load: seconds of the soak, and the load that follows (None: its end)."""

    begin: float
    end: float
    then: float | None = None


def stretches(soak: Soak) -> list[tuple[float, Stretch]]:
    """The loads of a complete soak with their times, in order."""
    assert soak.load is not None, "has been filled in"
    edges = [(0.0, soak.load)]
    for spike in sorted(soak.spike, key=lambda one: one.at):
        edges += [(spike.at, spike.load), (spike.at + spike.lasting, soak.load)]
    edges = [one for one in edges if one[0] < soak.duration]
    ends = [*(at for at, _ in edges[1:]), soak.duration]
    loads = [*(load for _, load in edges[1:]), None]
    return [
        (load, Stretch(begin=begin, end=end, then=then))
        for (begin, load), end, then in zip(edges, ends, loads, strict=True)
        if end > begin
    ]
