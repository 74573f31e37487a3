"""Which limits hold for a request of a cell, and whether it is within them (METRICS: good)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Protocol

import msgspec

from scenarios.scenario import CellSlo, Scenario, Slo


class Latencies(Protocol):
    """What of a request is held against the limits; None: not measured."""

    ttft_s: float | None
    tpot_s: float | None
    e2e_s: float | None


def slo_of(scenario: Scenario, cell: str) -> CellSlo:
    """The per-request limits of a cell: the common ones, changed key by key by the patterns that match, last wins."""
    slo = CellSlo(ttft=scenario.slo.ttft, tpot=scenario.slo.tpot, e2e=scenario.slo.e2e)
    for pattern, limits in scenario.slo.cells.items():
        if fnmatchcase(cell, pattern):
            given = {
                name: getattr(limits, name) for name in limits.__struct_fields__ if getattr(limits, name) is not None
            }
            slo = msgspec.structs.replace(slo, **given)
    return slo


def has_slo(scenario: Scenario) -> bool:
    """Whether a request can be ok and yet not good."""
    limits: list[Slo | CellSlo] = [scenario.slo, *scenario.slo.cells.values()]
    return any(part.ttft or part.tpot or part.e2e for part in limits)


def within(request: Latencies, slo: CellSlo) -> bool:
    """Whether no latency that was measured is beyond its limit."""
    pairs = ((request.ttft_s, slo.ttft), (request.tpot_s, slo.tpot), (request.e2e_s, slo.e2e))
    return all(value is None or limit is None or value <= limit for value, limit in pairs)
