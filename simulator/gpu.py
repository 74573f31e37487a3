"""A simulated GPU behind a simulated engine: NVML's functions by pynvml's names, for `gpu-exporter --simulated`.

Its load is the engine's own: running requests and KV use on the engine's /metrics. Power, memory, clocks and
temperature follow by the rules in `Card`, so that whatever reads them can be checked; its energy is the integral of
its power. What it does not have, it answers as an old driver does: the function is not there.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

RUNNING, KV_USED = "vllm:num_requests_running", "vllm:kv_cache_usage_perc"
IDLE_W, LIMIT_W, HALF_LOAD = 60.0, 300.0, 8.0
GIB = 2**30
TOTAL, RESERVED, WEIGHTS = 24 * GIB, GIB // 2, 16 * GIB
LOOK_EVERY_S, TIMEOUT_S = 0.2, 2.0
FUNCTION_NOT_FOUND = 13  # NVML_ERROR_FUNCTION_NOT_FOUND


class Card:
    """One GPU: what it shows while `running` requests use the share `kv` of its KV pool. Pure but for its clock.

    Power is idle + (limit - idle) x (1 + r / (r + 8)) / 2 with r > 0 running; memory is weights and the pool's share.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self.running, self.kv = 0.0, 0.0
        self._joules, self._since = 0.0, clock()

    def load(self, running: float, kv: float) -> None:
        """From now on this many requests run, with this share of the KV pool."""
        with self._lock:
            self._advance()
            self.running, self.kv = running, min(1.0, max(0.0, kv))

    def _advance(self) -> None:
        now = self._clock()
        self._joules += self.watts() * (now - self._since)
        self._since = now

    def watts(self) -> float:
        """Its power."""
        if not self.running:
            return IDLE_W
        return IDLE_W + (LIMIT_W - IDLE_W) * (1 + self.running / (self.running + HALF_LOAD)) / 2

    def joules(self) -> float:
        """The integral of its power since it began."""
        with self._lock:
            self._advance()
            return self._joules

    def used_bytes(self) -> int:
        """Weights, and what is used of the pool."""
        return WEIGHTS + int(self.kv * (TOTAL - RESERVED - WEIGHTS))

    def celsius(self) -> int:
        """Its temperature: 35 idle, 75 at the limit."""
        return round(35 + 40 * (self.watts() - IDLE_W) / (LIMIT_W - IDLE_W))


class NVMLError(Exception):
    """What a call gives instead of a value."""

    def __init__(self, value: int) -> None:
        super().__init__(f"simulated NVML error {value}")
        self.value = value


class SimulatedNvml:
    """NVML over one simulated GPU. A name that is missing here is a function that this driver lacks."""

    NVMLError = NVMLError
    NVML_CLOCK_SM, NVML_CLOCK_MEM = 1, 2

    def __init__(self, card: Card) -> None:
        self._card = card

    def __getattr__(self, name: str) -> Any:
        """A function that is not there; any constant that goes with it."""
        if not name.startswith(("nvml", "NVML")):
            raise AttributeError(name)
        return _missing if name.startswith(("nvmlDevice", "nvmlSystem", "nvmlEventSet")) else 0

    def nvmlInit(self) -> None:  # noqa: N802
        """Nothing to open."""

    def nvmlShutdown(self) -> None:  # noqa: N802
        """Nothing to close."""

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        """Not one of NVIDIA's."""
        return "simulated"

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        """One GPU."""
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        """Its handle."""
        return index

    def nvmlDeviceGetUUID(self, _gpu: int) -> str:  # noqa: N802
        """Nobody's."""
        return "GPU-00000000-0000-0000-0000-000000000000"

    def nvmlDeviceGetName(self, _gpu: int) -> str:  # noqa: N802
        """A name that no page can take for hardware."""
        return "Simulated GPU"

    def nvmlDeviceGetUtilizationRates(self, _gpu: int) -> SimpleNamespace:  # noqa: N802
        """NVML's utilization: any kernel running, so that one request is 100 %."""
        return SimpleNamespace(gpu=100 if self._card.running else 0, memory=60 if self._card.running else 0)

    def nvmlDeviceGetMemoryInfo(self, _gpu: int, version: int = 0) -> SimpleNamespace:  # noqa: N802, ARG002
        """Bytes."""
        used = self._card.used_bytes()
        return SimpleNamespace(total=TOTAL, reserved=RESERVED, used=used, free=TOTAL - RESERVED - used)

    def nvmlDeviceGetPowerUsage(self, _gpu: int) -> int:  # noqa: N802
        """Milliwatts."""
        return round(self._card.watts() * 1000)

    def nvmlDeviceGetPowerManagementLimit(self, _gpu: int) -> int:  # noqa: N802
        """Milliwatts."""
        return round(LIMIT_W * 1000)

    def nvmlDeviceGetTotalEnergyConsumption(self, _gpu: int) -> int:  # noqa: N802
        """Millijoules."""
        return round(self._card.joules() * 1000)

    def nvmlDeviceGetTemperatureV(self, _gpu: int, _sensor: int) -> int:  # noqa: N802
        """Degrees Celsius."""
        return self._card.celsius()

    def nvmlDeviceGetClockInfo(self, _gpu: int, clock: int) -> int:  # noqa: N802
        """Megahertz."""
        if clock == self.NVML_CLOCK_SM:
            return 1700 if self._card.running else 300
        return 6250

    def nvmlDeviceGetCurrentClocksEventReasons(self, _gpu: int) -> int:  # noqa: N802
        """Idle, or nothing."""
        return 0 if self._card.running else 1


def _missing(*_: object, **__: object) -> Any:
    raise NVMLError(FUNCTION_NOT_FOUND)


def load_of(page: str) -> tuple[float, float]:
    """Running requests and used share of the KV pool on an engine's page, over its engines."""
    found: dict[str, list[float]] = {RUNNING: [], KV_USED: []}
    for line in page.splitlines():
        name = line.split("{", 1)[0]
        if name in found:
            found[name].append(float(line.rsplit(" ", 1)[1]))
    return sum(found[RUNNING]), sum(found[KV_USED]) / max(1, len(found[KV_USED]))


def driven_by(url: str) -> SimulatedNvml:
    """A GPU whose load is that of the engine at a URL, looked at five times a second; idle while it does not answer."""
    card = Card(time.monotonic)
    threading.Thread(target=_follow, args=(card, url), name="engine", daemon=True).start()
    return SimulatedNvml(card)


def _follow(card: Card, url: str) -> None:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=TIMEOUT_S)
    while True:
        try:
            connection.request("GET", "/metrics")
            card.load(*load_of(connection.getresponse().read().decode("utf-8", "replace")))
        except (OSError, http.client.HTTPException, ValueError, IndexError):
            connection.close()
            card.load(0.0, 0.0)
        time.sleep(LOOK_EVERY_S)
