"""The GPUs that NVML lists, and the MIG slices of each, with dcgm-exporter's labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from exporters.exposition import labels
from exporters.gpu_words import Nvml

MOST_SLICES = 16  # seven on today's GPUs; a bound, should a driver tell nonsense


class Gpu(NamedTuple):
    """A GPU, or a MIG slice of one: what it is told apart by, what NVML knows it by, and its labels."""

    key: str
    handle: Any
    labels: str
    is_slice: bool = False


class Host(NamedTuple):
    """What is the same for all GPUs of a machine."""

    name: str
    driver: str


def listed(nvml: Nvml, index: int, host: Host) -> list[Gpu]:
    """GPU number `index` and its slices. Raises NVML's error when it does not even tell its UUID."""
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    uuid = nvml.nvmlDeviceGetUUID(handle)
    first = {
        "gpu": str(index),
        "UUID": uuid,
        "pci_bus_id": _told(nvml, lambda: _text(nvml.nvmlDeviceGetPciInfo(handle).busId)).upper(),
        "device": f"nvidia{index}",
        "modelName": _told(nvml, lambda: nvml.nvmlDeviceGetName(handle)),
    }
    last = {"Hostname": host.name, "DCGM_FI_DRIVER_VERSION": host.driver}
    slices = [
        Gpu(f"{uuid}/{number}", slice_, labels(**first, GPU_I_PROFILE=profile, GPU_I_ID=str(number), **last), True)
        for number, profile, slice_ in _slices(nvml, handle)
    ]
    return [Gpu(uuid, handle, labels(**first, **last)), *slices]


def _slices(nvml: Nvml, handle: Any) -> Iterator[tuple[int, str, Any]]:
    """Number, profile and handle of each MIG slice; none when MIG is off, or unknown to GPU or driver."""
    try:
        if nvml.nvmlDeviceGetMigMode(handle)[0] != nvml.NVML_DEVICE_MIG_ENABLE:
            return
        places = min(MOST_SLICES, nvml.nvmlDeviceGetMaxMigDeviceCount(handle))
    except nvml.NVMLError:
        return
    seen: set[int] = set()
    for place in range(places):
        try:
            found = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, place)
            number = nvml.nvmlDeviceGetGpuInstanceId(found)
        except nvml.NVMLError:  # a place that is empty
            continue
        if number not in seen:  # compute instances share the memory of their GPU instance
            seen.add(number)
            yield number, _profile(nvml, found), found


def _profile(nvml: Nvml, handle: Any) -> str:
    """A slice's profile, such as 1g.10gb: the end of its name, or (older drivers) from its size."""
    name = _told(nvml, lambda: nvml.nvmlDeviceGetName(handle))
    found = re.search(r"MIG (?:\d+c\.)?(\S+)$", name)
    return found[1] if found else _told(nvml, lambda: _sized(nvml.nvmlDeviceGetAttributes_v2(handle)))


def _sized(attributes: Any) -> str:
    return f"{attributes.gpuInstanceSliceCount}g.{-(-attributes.memorySizeMB // 1024)}gb"


def _told(nvml: Nvml, ask: Callable[[], str]) -> str:
    """A label's value; empty when NVML does not tell."""
    try:
        return ask()
    except (nvml.NVMLError, UnicodeDecodeError):
        return ""


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
