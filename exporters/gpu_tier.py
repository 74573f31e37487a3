"""One tier of readings, on a thread of its own: every GPU once a period, and what went wrong instead of a value."""

from __future__ import annotations

import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from exporters.exposition import Reading
from exporters.gpu_devices import Gpu
from exporters.gpu_fields import Read
from exporters.gpu_integral import Integrals
from exporters.gpu_roster import Roster
from exporters.gpu_words import ABSENT, LOST, Nvml, reason_of

STALE_PERIODS, STALE_LEAST_S = 3, 1.0
ASK_AGAIN_S = 600.0  # what a GPU or a driver does not tell

Take = Callable[[Nvml, Any], Sequence[Reading]]


class Tier:
    """The latest readings of each GPU, and the health of the reading."""

    def __init__(self, reads: Sequence[Read], period_s: float, roster: Roster, clock: Callable[[], float]) -> None:
        self.name, self.period_s = reads[0].tier, period_s
        self.stale_s = max(STALE_PERIODS * period_s, STALE_LEAST_S)
        self._reads, self._roster, self._clock = reads, roster, clock
        self._nvml, self._lock, self._version = roster.nvml, roster.lock(), 0
        self.latest: dict[str, Taken] = {}
        self.errors = Counter[tuple[str, str, str]]()  # (GPU's labels, call, reason)
        self.absent: dict[tuple[str, str], str] = {}  # (GPU's labels, call that it does not answer) -> reason
        self.calling: Call | None = None
        self.swept_at: float | None = None
        self.sweeps, self.missed, self.sweep_s = 0, 0, 0.0
        self._plans: dict[str, tuple[float, list[tuple[str, Take]]]] = {}
        self._outdated: set[tuple[str, str]] = set()
        self._integrals = Integrals(self.stale_s)

    def run(self, over: threading.Event) -> None:
        """Sweep each period until it is over; a period that was missed is left out, never made up for."""
        due = self._clock()
        while not over.wait(max(0.0, due - self._clock())):
            self.sweep()
            late = int(max(0.0, self._clock() - due) / self.period_s)
            self.missed += late
            due += (late + 1) * self.period_s

    def sweep(self) -> None:
        """Read every GPU once."""
        began = self._clock()
        with self._lock:
            gpus = self._roster.gpus
            if self._version != self._roster.version:
                self._begin_anew(gpus)
            for gpu in gpus:
                self._read(gpu)
        self.swept_at = self._clock()
        self.sweeps, self.sweep_s = self.sweeps + 1, self.swept_at - began

    def _begin_anew(self, gpus: Sequence[Gpu]) -> None:
        """Other GPUs, or NVML opened again: what is known of those that are gone goes with them."""
        self._version = self._roster.version
        here = {gpu.key for gpu in gpus}
        self.latest = {key: taken for key, taken in self.latest.items() if key in here}
        self.absent, self._plans, self._outdated = {}, {}, set()
        self._integrals.keep(here)

    def _read(self, gpu: Gpu) -> None:
        at, readings = self._clock(), list[Reading]()
        for call, take in self._plan(gpu, at) if gpu.handle is not None else ():
            found = self._ask(gpu, call, take)
            if found is None:
                break
            readings += found
        self.calling = None
        if readings:
            readings += self._integrals.add(gpu.key, at, readings)
            self.latest[gpu.key] = Taken(at, readings)
        else:
            self.latest.pop(gpu.key, None)

    def _ask(self, gpu: Gpu, call: str, take: Take) -> Sequence[Reading] | None:
        """One call's readings; none when it failed, None when asking this GPU on is of no use."""
        self.calling = Call(call, gpu, self._clock())
        try:
            return take(self._nvml, gpu.handle)
        except Exception as error:
            reason = reason_of(error)
            if reason in ABSENT:
                older = self._leave_out(gpu, call, reason)
                return self._ask(gpu, call, older) if older else ()
            self._count(gpu, call, reason, error)
            return None if reason in LOST else ()

    def _plan(self, gpu: Gpu, at: float) -> Sequence[tuple[str, Take]]:
        """What to ask this GPU: all but what it does not tell, which is asked again after a while."""
        until, plan = self._plans.get(gpu.key, (0.0, []))
        if at < until:
            return plan
        self.absent = {known: reason for known, reason in self.absent.items() if known[0] != gpu.labels}
        reads = [read for read in self._reads if read.slices or not gpu.is_slice]
        plan = [(read.call, self._take_of(read, gpu)) for read in reads]
        self._plans[gpu.key] = at + ASK_AGAIN_S, plan
        return plan

    def _take_of(self, read: Read, gpu: Gpu) -> Take:
        return read.older if read.older and (gpu.key, read.call) in self._outdated else read.take

    def _count(self, gpu: Gpu, call: str, reason: str, error: Exception) -> None:
        self.errors[gpu.labels, call, reason] += 1
        if reason == "unexpected" and self.errors[gpu.labels, call, reason] == 1:
            traceback.print_exception(error, file=sys.stderr)
        if reason in LOST:
            self._roster.lost()

    def _leave_out(self, gpu: Gpu, call: str, reason: str) -> Take | None:
        """The older way to ask, from now on; or None: this GPU is not asked again for a while."""
        read = next(read for read in self._reads if read.call == call)
        until, plan = self._plans[gpu.key]
        if read.older and (gpu.key, call) not in self._outdated:
            self._outdated.add((gpu.key, call))
            self._plans[gpu.key] = until, [(name, read.older if name == call else take) for name, take in plan]
            return read.older
        self.absent = {**self.absent, (gpu.labels, call): reason}
        self._plans[gpu.key] = until, [(name, take) for name, take in plan if name != call]
        return None


class Taken(NamedTuple):
    """The readings of one GPU, at a time of the tier's clock."""

    at: float
    readings: Sequence[Reading]


class Call(NamedTuple):
    """A call of NVML that has not returned yet."""

    name: str
    gpu: Gpu
    since: float
