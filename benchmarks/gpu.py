"""What the GPU exporter costs beside an engine, and whether its figures hold, over a double of NVML in C.

python -m benchmarks.gpu [--seconds 30]    must hold: < 2 % of one core and < 60 MiB at 16 GPUs with the fast tier at
                                           10 Hz and the slow one at 0.2 Hz, whose PCIe calls block 20 ms each;
                                           scrapes p99 < 20 ms while NVML stalls; energy within 1 % of the integral

The double's calls cost less than a driver's: what is measured is our own share. CPU is the exporter's process time.
Scrapes are paid by who scrapes, and stated apart.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from pathlib import Path

from tests.exporters.nvml import Exporting, build, exporting, samples, value

GPUS, PCIE_MS, STALL_MS, SCRAPES = 16, 20, 8000, 300
POWER_W, SWING_W, SWING_S = 400.0, 250.0, 1.7
CPU_LIMIT, MEMORY_LIMIT_MIB, SCRAPE_LIMIT_MS, ENERGY_LIMIT = 0.02, 60.0, 20.0, 0.01
COUNTED, SAMPLED = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "tokenswarm_gpu_sampled_energy_joules_total"
ANSWERS = (
    f"* count {GPUS}",
    f"* sleep.nvmlDeviceGetPcieThroughput {PCIE_MS}",
    f"* power_w {POWER_W}",
    f"* swing_w {SWING_W}",
    f"* swing_s {SWING_S}",
    "* processes 4",
    *(f"* field.{number} 61" for number in (82, 138, 139, 38, 45, 52, 59)),
)


def joules(since: float, until: float) -> float:
    """The exact integral of the double's power between two times of CLOCK_MONOTONIC."""
    turn = 2 * math.pi / SWING_S
    return POWER_W * (until - since) - SWING_W / turn * (math.cos(turn * until) - math.cos(turn * since))


def dated(exporter: Exporting) -> tuple[float, str]:
    """A page, and when its fast tier was read (CLOCK_MONOTONIC, of this process as of the exporter's)."""
    page = exporter.page()
    return time.monotonic() - (value(page, "tokenswarm_gpu_tier_age_seconds", tier="fast") or 0.0), page


def steady(exporter: Exporting, seconds: float) -> list[tuple[str, float, float]]:
    """CPU, memory and energy over a window in which nobody scrapes: (what, figure, limit)."""
    since, before = dated(exporter)
    time.sleep(seconds)
    until, after = dated(exporter)
    cpu = "process_cpu_seconds_total"
    used = ((value(after, cpu) or 0) - (value(before, cpu) or 0)) / (until - since)
    truth, errors = joules(since, until), {}
    for name, unit in ((COUNTED, 1e-3), (SAMPLED, 1.0)):
        gained = [
            (one.value - (value(before, name, gpu=one.labels["gpu"]) or 0)) * unit for one in samples(after, name)
        ]
        assert len(gained) == GPUS
        errors[name] = max(abs(one / truth - 1) for one in gained)
    missed = (value(after, "tokenswarm_gpu_tier_missed_total", tier="fast") or 0.0) / (10 * seconds)
    return [
        ("CPU, share of one core", used, CPU_LIMIT),
        ("resident memory, MiB", (value(after, "process_resident_memory_bytes") or 0) / 2**20, MEMORY_LIMIT_MIB),
        ("energy counter against the integral of power, worst GPU", errors[COUNTED], ENERGY_LIMIT),
        ("sampled energy against it, worst GPU", errors[SAMPLED], ENERGY_LIMIT),
        ("rounds of the fast tier left out, share", missed, 0.05),
    ]


def scrapes(exporter: Exporting) -> tuple[float, float]:
    """p50 and p99 of scrapes on one connection, in ms."""
    took = []
    for _ in range(SCRAPES):
        began = time.perf_counter()
        exporter.page()
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(0.01)
    took.sort()
    return took[SCRAPES // 2], took[int(0.99 * SCRAPES)]


def main() -> None:
    """Print each figure with its limit; exit 1 when one does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with exporting(build(folder), folder, *ANSWERS, options=()) as exporter:
            figures = steady(exporter, seconds)
            page = exporter.page()
            before, calm = value(page, "process_cpu_seconds_total") or 0.0, scrapes(exporter)
            cost = ((value(exporter.page(), "process_cpu_seconds_total") or 0.0) - before) / SCRAPES * 1000
            exporter.answers(*ANSWERS, f"5 sleep.nvmlDeviceGetPowerUsage {STALL_MS}")
            exporter.until(lambda page: value(page, "tokenswarm_gpu_call_stalled_seconds") is not None)
            median, late = scrapes(exporter)
            stalled = value(exporter.page(), "tokenswarm_gpu_call_stalled_seconds") is not None
            exporter.answers(*ANSWERS)
    print(
        f"{GPUS} GPUs, {len(samples(page))} series; a scrape costs {cost:.2f} ms of CPU (rounds of the tiers included)"
    )
    print(
        f"scrape p50 {calm[0]:.1f} ms, p99 {calm[1]:.1f} ms while nothing stalls: what this machine takes for it anyway"
    )
    print(f"scrape p50 {median:.1f} ms while a call stalls{'' if stalled else ' (it did not!)'}")
    figures.append(("scrape p99 while a call of NVML stalls, ms", late, SCRAPE_LIMIT_MS))
    for what, figure, limit in figures:
        print(f"{'ok  ' if figure < limit else 'FAIL'} {what}: {figure:.4g} (limit {limit:g})")
    sys.exit(0 if stalled and all(figure < limit for _, figure, limit in figures) else 1)


if __name__ == "__main__":
    main()
