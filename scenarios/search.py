"""[search]: the highest load that meets the SLO, found by probes."""

from __future__ import annotations

from typing import Annotated

import msgspec

from scenarios.kinds import Count, Frozen, Positive


class Search(Frozen, frozen=True):
    """Where to look for the highest load that meets the SLO, and how closely; a load is users at once, or a rate.

    `start` and `max` are the ladder's lowest and highest rung unless they are given. The search ends when the interval
    [highest that meets, lowest that does not] is at most `tolerance` wide (or has no whole number inside) and each end
    has been probed `repeats` times, after `probes` probes at the latest.
    """

    cells: tuple[str, ...] = ()
    start: Positive | None = None
    max: Positive | None = None
    tolerance: Annotated[float, msgspec.Meta(ge=0.005, le=1)] = 0.05
    repeats: Count = 2
    probes: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 60
