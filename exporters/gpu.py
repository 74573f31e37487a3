"""`tokenswarm gpu-exporter`: NVML as a Prometheus endpoint, beside the inference server.

NVML is called by threads that do nothing else (one for each tier of readings, one for XID events, one for the list of
GPUs); the endpoint serves what they left there, so that a call that hangs holds up no scrape. A value older than a few
periods is not served, and health series say why.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, NoReturn

from exporters.endpoint import Endpoint
from exporters.exposition import Reading, page
from exporters.gpu_fields import READS
from exporters.gpu_health import gpu_health, nvml_health, tier_health
from exporters.gpu_roster import READY, Roster
from exporters.gpu_tier import Tier
from exporters.gpu_words import Nvml
from exporters.gpu_xid import Xids
from exporters.own_process import own_process

Pushing = Callable[[Callable[[], bytes]], Callable[[], None]]
"""Begins to push a page again and again; returns what ends that."""

STEADY_HZ: Final = 1.0
ONCE_LONGEST_S = 15.0


class Rates(NamedTuple):
    """How often the tiers are read, per second."""

    fast_hz: float = 10.0
    slow_hz: float = 0.2


class Exporter:
    """The threads that read NVML, and the page of what they read."""

    def __init__(self, nvml: Nvml, rates: Rates) -> None:
        self._look_every_s = 1 / rates.slow_hz
        host_name = os.environ.get("NODE_NAME") or socket.gethostname()
        self.roster = Roster(nvml, host_name, patience_s=max(1.0, self._look_every_s))
        hz = {"fast": rates.fast_hz, "steady": min(STEADY_HZ, rates.fast_hz), "slow": rates.slow_hz}
        self.tiers = [
            Tier([read for read in READS if read.tier == name], 1 / rate, self.roster, time.monotonic)
            for name, rate in hz.items()
        ]
        self._xids = Xids(self.roster)
        self._over, self._started_s = threading.Event(), time.time()

    def start(self) -> None:
        """Begin to read: first which GPUs there are, then the rest."""
        threading.Thread(target=self._follow, name="roster", daemon=True).start()

    def stop(self) -> None:
        """End the threads, those that NVML does not hold."""
        self._over.set()

    def _follow(self) -> None:
        self.roster.look()
        for run in (*(tier.run for tier in self.tiers), self._xids.run):
            threading.Thread(target=run, args=(self._over,), daemon=True).start()
        while not self._over.wait(self._look_every_s):
            self.roster.look()

    def page(self) -> bytes:
        """What is known now."""
        now = time.monotonic()
        return page(
            itertools.chain(
                self._data(now),
                self._xids.readings(),
                nvml_health(self.roster, self._xids),
                gpu_health(self.roster, self.tiers, now),
                tier_health(self.tiers, now),
                own_process(self._started_s),
            )
        )

    def _data(self, now: float) -> Iterator[Reading]:
        """Readings that are fresh, with all labels."""
        gpus = self.roster.gpus
        for tier in self.tiers:
            for gpu in gpus:
                taken = tier.latest.get(gpu.key)
                if taken is not None and now - taken.at <= tier.stale_s:
                    for field, labels, value in taken.readings:
                        yield field, f"{gpu.labels},{labels}" if labels else gpu.labels, value

    def read_once(self) -> bool:
        """Wait until every tier has read all GPUs. Whether NVML is open."""
        deadline = time.monotonic() + ONCE_LONGEST_S
        while time.monotonic() < deadline and self.roster.state in ("starting", READY):
            if all(tier.sweeps for tier in self.tiers):
                break
            time.sleep(0.02)
        return self.roster.state == READY


def print_once(exporter: Exporter) -> str:
    """Print the page when every tier was read. Why NVML is away, or nothing."""
    exporter.start()
    found = exporter.read_once()
    sys.stdout.write(exporter.page().decode())
    sys.stdout.flush()
    return "" if found else exporter.roster.state


def serve(exporter: Exporter, host: str, port: int, pushing: Pushing | None) -> None:
    """Read until SIGTERM or Ctrl-C."""
    endpoint = Endpoint(host, port, exporter.page, "tokenswarm gpu-exporter")
    exporter.start()
    end = pushing(exporter.page) if pushing is not None else lambda: None

    def leave(*_: object) -> NoReturn:
        end()
        os._exit(0)  # a call of NVML may never return: nothing waits for it

    signal.signal(signal.SIGTERM, leave)
    print(json.dumps({"url": endpoint.url}), flush=True)  # noqa: T201
    try:
        endpoint.serve_forever()
    except KeyboardInterrupt:
        leave()
