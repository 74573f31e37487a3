"""The load generator's own machine: CPU used, CPU taken away, and what that says about a window."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

CGROUP_STAT = (Path("/sys/fs/cgroup/cpu.stat"), Path("/sys/fs/cgroup/cpu/cpu.stat"))
PROC_STAT = Path("/proc/stat")
STEAL_LIMIT = 0.05  # share of the machine's CPU time that a hypervisor may take before latencies are its own


class HostReading(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the clock, this process's CPU seconds, throttled periods and stolen seconds (None = not offered)."""

    wall_s: float
    cpu_s: float
    throttled: int | None
    steal_s: float | None

    def since(self, before: HostReading) -> tuple[dict[str, float], tuple[str, ...]]:
        """Figures of the time between two readings, and the faults that make it worthless."""
        wall = max(self.wall_s - before.wall_s, 1e-9)
        facts = {"cpu": (self.cpu_s - before.cpu_s) / wall}
        faults = []
        if self.throttled is not None and before.throttled is not None and self.throttled > before.throttled:
            periods = self.throttled - before.throttled
            faults.append(f"the load generator's CPU was throttled in {periods} periods: raise or remove its CPU limit")
        if self.steal_s is not None and before.steal_s is not None:
            facts["steal"] = (self.steal_s - before.steal_s) / wall / (os.cpu_count() or 1)
            if facts["steal"] > STEAL_LIMIT:
                faults.append(f"the hypervisor took {facts['steal']:.0%} of the CPU: use a less shared machine")
        return facts, tuple(faults)


def read_host(cgroup_stat: Iterable[Path] = CGROUP_STAT, proc_stat: Path = PROC_STAT) -> HostReading:
    """The present reading."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return HostReading(
        wall_s=time.monotonic(),
        cpu_s=usage.ru_utime + usage.ru_stime,
        throttled=_throttled(cgroup_stat),
        steal_s=_steal(proc_stat),
    )


def _throttled(paths: Iterable[Path]) -> int | None:
    for path in paths:
        try:
            fields = dict(line.split() for line in path.read_text().splitlines())
        except (OSError, ValueError):
            continue
        if "nr_throttled" in fields:
            return int(fields["nr_throttled"])
    return None


def _steal(path: Path) -> float | None:
    try:
        fields = path.read_text().split("\n", 1)[0].split()
        return int(fields[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None
