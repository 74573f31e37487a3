"""XID errors, by NVML's events: a thread of its own waits for them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from exporters.exposition import Field, Reading, labels
from exporters.gpu_devices import Gpu
from exporters.gpu_roster import Roster
from exporters.gpu_words import TIMEOUT, reason_of

WAIT_MS, PAUSE_S, AFTER_ERROR_S = 500, 0.02, 5.0
MOST_KINDS: Final = 64  # distinct XIDs of a GPU that are counted apart
XID_LAST = Field("DCGM_FI_DEV_XID_ERRORS", "gauge", "Value of the last XID error encountered.")
XID_COUNT = Field("tokenswarm_gpu_xid_events_total", "counter", "XID errors since this exporter began.")

# Of NVIDIA's document "XID Errors": those that services meet.
MEANINGS: Final = {
    0: "No Error", 13: "Graphics engine exception", 31: "GPU memory page fault", 32: "Corrupted push buffer",
    43: "GPU stopped processing", 45: "Preemptive cleanup after errors", 48: "Double bit ECC error",
    61: "Internal micro-controller break", 62: "Internal micro-controller halt", 63: "ECC page retired or remapped",
    64: "ECC page retirement or remap failed", 69: "Graphics engine class error", 74: "NVLink error",
    79: "GPU has fallen off the bus", 92: "High single-bit ECC error rate", 94: "Contained ECC error",
    95: "Uncontained ECC error", 119: "GSP RPC timeout", 120: "GSP error",
}  # fmt: skip


class Xids:
    """The last XID of each GPU that tells them, and how many of each kind."""

    def __init__(self, roster: Roster) -> None:
        self._roster, self._nvml, self._lock = roster, roster.nvml, roster.lock()
        self._version, self._opening, self._set = 0, 0, None
        self.state = "starting"
        self._watched: tuple[Gpu, ...] = ()
        self._last: dict[str, int] = {}
        self._counts = Counter[tuple[str, str]]()

    def run(self, over: threading.Event) -> None:
        """Wait for events until it is over."""
        pause = 0.0
        while not over.wait(pause):
            try:
                self.look()
                pause = PAUSE_S
            except Exception as error:
                self.state, self._watched, self._version = reason_of(error), (), 0
                pause = AFTER_ERROR_S

    def look(self) -> None:
        """One wait, over the GPUs there are by now."""
        with self._lock:
            if self._version != self._roster.version:
                self._watch(
                    self._roster.version,
                    [gpu for gpu in self._roster.gpus if not gpu.is_slice and gpu.handle is not None],
                )
            if not self._watched:
                return
            try:
                self._note(self._nvml.nvmlEventSetWait_v2(self._set, WAIT_MS))
            except self._nvml.NVMLError as error:
                if reason_of(error) != TIMEOUT:
                    raise

    def _watch(self, version: int, gpus: Sequence[Gpu]) -> None:
        self._watched = ()
        if self._set is not None and self._opening == self._roster.openings:  # else it went when NVML was closed
            self._nvml.nvmlEventSetFree(self._set)
        self._set = None
        if gpus:
            self._set, self._opening = self._nvml.nvmlEventSetCreate(), self._roster.openings
            self._watched = tuple(gpu for gpu in gpus if self._registered(gpu))
        self._version, self.state = version, "ready" if self._watched or not gpus else "not_supported"

    def _registered(self, gpu: Gpu) -> bool:
        try:
            self._nvml.nvmlDeviceRegisterEvents(gpu.handle, self._nvml.nvmlEventTypeXidCriticalError, self._set)
        except self._nvml.NVMLError:
            return False
        return True

    def _note(self, event: Any) -> None:
        key, xid = self._nvml.nvmlDeviceGetUUID(event.device), int(event.eventData)
        self._last[key] = xid
        kinds = sum(1 for known, _ in self._counts if known == key)
        self._counts[key, str(xid) if (key, str(xid)) in self._counts or kinds < MOST_KINDS else "other"] += 1

    def readings(self) -> Iterator[Reading]:
        """The last XID of each GPU that is watched, 0 when there was none; and their counts."""
        watched = {gpu.key for gpu in self._watched}
        for gpu in self._roster.gpus:
            if gpu.key not in watched:
                continue
            xid = self._last.get(gpu.key, 0)
            told = labels(err_code=str(xid), err_msg=MEANINGS.get(xid, "Unknown Error"))
            yield XID_LAST, f"{gpu.labels},{told}", xid
            for (key, kind), count in list(self._counts.items()):
                if key == gpu.key:
                    yield XID_COUNT, f"{gpu.labels},{labels(xid=kind)}", count
