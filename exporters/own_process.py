"""What the process that serves a page costs itself, under the names that Prometheus' own libraries use."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from exporters.exposition import Field, Reading

CPU = Field("process_cpu_seconds_total", "counter", "CPU time of this process.")
MEMORY = Field("process_resident_memory_bytes", "gauge", "Resident memory of this process.")
STARTED = Field("process_start_time_seconds", "gauge", "Start of this process since the UNIX epoch.")


def own_process(started_s: float) -> Iterator[Reading]:
    """Start, CPU time, and resident memory where the system tells it."""
    yield STARTED, "", started_s
    yield CPU, "", time.process_time()
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return
    yield MEMORY, "", pages * os.sysconf("SC_PAGE_SIZE")
