"""What the fast tier adds up between two scrapes: energy for GPUs without an energy counter, and busy time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from exporters.exposition import Field, Reading
from exporters.gpu_fields import GPU_UTIL, POWER

POWER_JOULES = Field(
    "tokenswarm_gpu_sampled_energy_joules_total",
    "counter",
    "Integral of the sampled power since this exporter began (trapezoids; time without samples is left out).",
)
BUSY_SECONDS = Field(
    "tokenswarm_gpu_busy_seconds_total",
    "counter",
    "Integral of GPU utilization since this exporter began (time without samples is left out).",
)
INTEGRATED: Final = {POWER: (POWER_JOULES, 1.0), GPU_UTIL: (BUSY_SECONDS, 0.01)}


class Integrals:
    """Sums of (value before + value now) / 2 x time between, by GPU; a gap longer than `longest_s` adds nothing."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._before: dict[tuple[str, Field], tuple[float, float]] = {}
        self._sums: dict[tuple[str, Field], float] = {}

    def add(self, key: str, at: float, readings: Sequence[Reading]) -> list[Reading]:
        """The integrals of a GPU, after its readings at a time in seconds."""
        found: list[Reading] = []
        for field, _, value in readings:
            if field in INTEGRATED:
                name, unit = INTEGRATED[field]
                before_at, before = self._before.get((key, field), (at, value))
                between = at - before_at
                added = (before + value) / 2 * unit * between if between <= self._longest_s else 0.0
                total = self._sums[key, field] = self._sums.get((key, field), 0.0) + added
                self._before[key, field] = at, value
                found.append((name, "", total))
        return found

    def keep(self, keys: set[str]) -> None:
        """Forget where the GPUs that are gone were; their sums stay, should they come back."""
        self._before = {known: value for known, value in self._before.items() if known[0] in keys}
