"""Which GPUs there are: opens NVML, looks again every few seconds, and opens it anew when a GPU was lost.

A lost GPU's handle stays lost until NVML is shut down and opened again, which none of the other threads may be
inside of: each holds a lock of its own while it calls, and opening anew takes them all.
"""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack

from exporters.gpu_devices import Gpu, Host, listed
from exporters.gpu_words import LOST, Nvml, reason_of

MOST_ROUNDS = 12  # between attempts to get a GPU back: 1, 2, 4 ... 12 looks, as opening NVML may hold up others' GPUs
READY = "ready"


class Roster:
    """The GPUs of a machine, as of the last look."""

    def __init__(self, nvml: Nvml, host_name: str, patience_s: float) -> None:
        self.nvml, self._host_name, self._patience_s = nvml, host_name, patience_s
        self.state, self.driver = "starting", ""
        self.version, self.openings = 0, 0
        self.gpus: tuple[Gpu, ...] = ()
        self.unlisted: dict[int, str] = {}  # number of a GPU that does not even tell who it is -> reason
        self._locks: list[threading.Lock] = []
        self._lost = threading.Event()
        self._is_open, self._rounds, self._wait = False, 0, 1

    def lock(self) -> threading.Lock:
        """A lock to hold while NVML is called with handles of this roster."""
        self._locks.append(threading.Lock())
        return self._locks[-1]

    def lost(self) -> None:
        """A call said that its handle is of no use any more."""
        self._lost.set()

    def look(self) -> None:
        """One round: open what is not open, get back what was lost, list what is there."""
        try:
            if self.state != READY:
                self._open_anew()
            elif self._is_time():
                self._rounds, self._wait = 0, min(2 * self._wait, MOST_ROUNDS)
                self._open_anew()
            else:
                self._list()
        except Exception as error:
            self._closed(reason_of(error), error)

    def _is_time(self) -> bool:
        """Whether to try to get a lost GPU back: at once, then after ever longer waits."""
        if not self._lost.is_set():
            self._rounds, self._wait = 0, 1
            return False
        self._rounds += 1
        return self._rounds >= self._wait

    def _open_anew(self) -> None:
        """Close and open; not now when a call of another thread does not return."""
        with ExitStack() as held:
            for lock in self._locks:
                if not lock.acquire(timeout=self._patience_s):
                    return
                held.callback(lock.release)
            self._close()
            self.nvml.nvmlInit()
            self._is_open, self.openings = True, self.openings + 1
            self.driver = self._driver()
            self.gpus = tuple(gpu._replace(handle=None) for gpu in self.gpus)  # the old ones are void
            self._lost.clear()
            self._list()
            self.state = READY

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            try:
                self.nvml.nvmlShutdown()
            except self.nvml.NVMLError:
                pass  # the driver is gone: there is nothing to close

    def _driver(self) -> str:
        try:
            return str(self.nvml.nvmlSystemGetDriverVersion())
        except self.nvml.NVMLError:
            return ""

    def _list(self) -> None:
        """Put the GPUs there are in the place of those there were; one that does not answer keeps its place."""
        host, now, unlisted = Host(self._host_name, self.driver), list[Gpu](), dict[int, str]()
        for index in range(self.nvml.nvmlDeviceGetCount()):
            try:
                now += listed(self.nvml, index, host)
            except self.nvml.NVMLError as error:
                unlisted[index] = reason_of(error)
                now += [gpu for gpu in self.gpus if gpu.labels.startswith(f'gpu="{index}",')]
                if unlisted[index] in LOST:
                    self._lost.set()
        self.unlisted = unlisted
        if [_who(gpu) for gpu in now] != [_who(gpu) for gpu in self.gpus]:
            self.gpus = tuple(now)
            self.version += 1

    def _closed(self, reason: str, error: Exception) -> None:
        """NVML is of no use: no GPUs, and opened anew at the next look."""
        if reason != self.state:
            print(f"tokenswarm: NVML: {error} ({reason}); trying again", file=sys.stderr)  # noqa: T201 (once per reason)
        self.state, self.gpus, self.unlisted = reason, (), {}
        self.version += 1


def _who(gpu: Gpu) -> tuple[str, bool]:
    return gpu.labels, gpu.handle is None
