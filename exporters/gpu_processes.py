"""Who holds a GPU's memory: the largest processes by name, the others in one sum, so that series stay few."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from exporters.exposition import Field, Reading, labels
from exporters.gpu_words import Nvml

LARGEST: Final = 16
LONGEST_NAME: Final = 64
PROCESS_COUNT = Field("tokenswarm_gpu_processes", "gauge", "Processes that compute on the GPU.")
PROCESS_MEMORY = Field(
    "tokenswarm_gpu_process_memory_bytes", "gauge", "GPU memory of a process; beyond the largest 16 as pid=other."
)


def processes(nvml: Nvml, gpu: Any) -> Sequence[Reading]:
    """How many processes compute, and the memory of each that tells it."""
    return _readings(nvml, nvml.nvmlDeviceGetComputeRunningProcesses_v3(gpu))


def processes_v2(nvml: Nvml, gpu: Any) -> Sequence[Reading]:
    """The same of a driver before 510."""
    return _readings(nvml, nvml.nvmlDeviceGetComputeRunningProcesses_v2(gpu))


def _readings(nvml: Nvml, found: Sequence[Any]) -> Sequence[Reading]:
    held = sorted(((one.usedGpuMemory, one.pid) for one in found if one.usedGpuMemory is not None), reverse=True)
    largest: list[Reading] = [
        (PROCESS_MEMORY, labels(pid=str(pid), process=name_of(nvml, pid)), held_bytes)
        for held_bytes, pid in held[:LARGEST]
    ]
    rest = sum(held_bytes for held_bytes, _ in held[LARGEST:])
    others: list[Reading] = [(PROCESS_MEMORY, labels(pid="other", process=""), rest)] if rest else []
    return [(PROCESS_COUNT, "", len(found)), *largest, *others]


def name_of(nvml: Nvml, pid: int) -> str:
    """A process's name; empty when neither NVML nor the kernel tells, as in a container with its own pids."""
    try:
        return cleaned(nvml.nvmlSystemGetProcessName(pid))
    except (nvml.NVMLError, UnicodeDecodeError):
        pass
    try:
        return cleaned(Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ""


def cleaned(name: str) -> str:
    """The program alone: no folder, no arguments (they may hold secrets), nothing unprintable, not endless."""
    words = name.split()
    program = PurePosixPath(words[0]).name if words else ""
    return "".join(letter if letter.isprintable() else "?" for letter in program)[:LONGEST_NAME]
