"""What a master pays for its workers: CPU, memory and delay, with real rows from synthetic workers.

python -m benchmarks.fleet [--seconds 15] [--workers N --rate R]    must hold, at 1,000 workers x 100 requests/s:
                                                                    < 50 % of one core, < 1 GiB, no growth

The master is Locust's MasterRunner with our Crew, Inbox and RunWriter in one process, as in a run's window; the workers
are another process (benchmarks.players). Rate 0 is Locust alone: hearts, statistics, and our looks at the limits. Every
row must be on disk when it is over. Memory is judged in runs of 60 s and more, after ZeroMQ's queues (64 B a message
and connection, for its first 512 messages each way) have been used once.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import msgspec
import numpy as np
from locust.env import Environment
from locust.stats import stats_history

from benchmarks.players import FLOOD_S, report
from exporters.fleet import ROWS, Delta
from exporters.record import RunWriter
from exporters.rows import read_stream
from locustfiles._wire import raise_file_limit
from shapes._crew import Crew

CASES = ((1000, 0), (100, 100), (300, 100), (1000, 1), (1000, 10), (1000, 100))
SIZES = (1, 10, 100, 1000)
WARM_UP_S, START_S = 5.0, 60.0
LONG_S = 60.0  # from here on a run begins with the flood of heartbeats that fills ZeroMQ's queues once
CPU_LIMIT, RSS_LIMIT_MIB, GROWTH_LIMIT = 0.5, 1024, 2.0  # share of a core, MiB, MiB a minute
MIB = 1 << 20


class Reading(msgspec.Struct, frozen=True):
    """What this process had used at a moment."""

    at: float
    cpu_s: float
    rss_mib: float
    rows: int


class Master:
    """A master in the window of a step that does not end."""

    def __init__(self, workers: int, directory: Path) -> None:
        raise_file_limit()
        options = SimpleNamespace(expect_workers=workers, enable_rebalancing=False, headless=True)
        self.environment = Environment(parsed_options=options)
        self.runner = self.environment.create_master_runner("127.0.0.1", 0)
        self.crew = Crew(self.environment)
        self.runner.custom_messages[ROWS] = (self._on_rows, False)
        self.writer = RunWriter.create(directory, {"format": 1, "id": "fleet"})
        self.lags = array("d")
        self.readings: list[Reading] = []

    def _on_rows(self, environment: object, msg: Any) -> None:
        """Book a report as always, then note how long ago it was sent."""
        self.crew.inbox.on_rows(environment, msg)
        if self.readings:
            self.lags.append(time.monotonic() - msg.data["at"])

    def _book(self, delta: Delta) -> None:
        self.writer.rows(delta.packed)

    def start(self) -> None:
        """Every worker is there, has prepared, and is in the window."""
        if not self.crew.muster(START_S):
            raise RuntimeError(f"only {len(self.crew.present())} workers came")
        self.runner.update_state("running")
        gevent.spawn(stats_history, self.runner)
        self.crew.begin({"id": "fleet"}, self._book)
        if not self.crew.wait(self.crew.answered, START_S):
            raise RuntimeError("not every worker prepared")
        self.crew.command("window")

    def hold(self, seconds: float) -> None:
        """Hold the window as the conductor does: look at the limits, at the answers, at who is there."""
        self.crew.wait(self._looked, WARM_UP_S + (FLOOD_S if seconds >= LONG_S else 0.0))
        self._read()
        self.crew.wait(self._looked, seconds)
        self._read()

    def _looked(self) -> bool:
        if self.readings and time.monotonic() - self.readings[-1].at >= 1.0:
            self._read()
        return self.crew.inbox.error_share() > 1.0 or self.crew.answered()

    def _read(self) -> None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        rss_mib = pages * os.sysconf("SC_PAGE_SIZE") / MIB
        self.readings.append(
            Reading(time.monotonic(), usage.ru_utime + usage.ru_stime, rss_mib, self.crew.inbox.rows["received"])
        )

    def end(self) -> bool:
        """Whether every row that the workers say they sent is on disk."""
        self.crew.command("drain")
        self.crew.wait(self.crew.answered, START_S)
        rows = self.crew.inbox.rows
        on_disk = sum(batch.num_rows for batch in read_stream(self.writer.directory / "requests.arrows"))
        return len({*rows.values(), on_disk}) == 1

    def figures(self) -> dict[str, Any]:
        """What it paid, between the first reading and the last."""
        first, last = self.readings[0], self.readings[-1]
        seconds = last.at - first.at
        later = self.readings[len(self.readings) // 3 :]
        slope = np.polyfit([one.at for one in later], [one.rss_mib for one in later], 1)[0]
        lag = np.quantile(self.lags, (0.5, 0.99)).tolist() if len(self.lags) else [0.0, 0.0]
        return {
            "seconds": seconds,
            "cpu": (last.cpu_s - first.cpu_s) / seconds,
            "rss_mib": max(one.rss_mib for one in self.readings),
            "growth": float(slope) * 60,
            "rows_s": (last.rows - first.rows) / seconds,
            "lag_s": lag,
        }


def master(workers: int, seconds: float) -> None:
    """Print the port, be a master, print the figures; the parent closes standard input when all is over."""
    with tempfile.TemporaryDirectory(prefix="tokenswarm-") as folder:
        one = Master(workers, Path(folder) / "run")
        print(json.dumps({"port": one.runner.server.port}), flush=True)
        one.start()
        one.hold(seconds)
        print(json.dumps({**one.figures(), "whole": one.end()}), flush=True)
    os._exit(0)  # Locust would wait for its workers


def measure(workers: int, rate: int, seconds: float) -> dict[str, Any]:
    """The figures of one master and one fleet."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    ours = [sys.executable, "-m", "benchmarks.fleet", "--master", "--workers", str(workers), "--seconds", str(seconds)]
    with subprocess.Popen(ours, **pipes) as one:  # type: ignore[call-overload]
        port = json.loads(one.stdout.readline())["port"]
        theirs = [sys.executable, "-m", "benchmarks.players", str(port), str(workers), str(rate)]
        theirs.append(str(int(seconds >= LONG_S)))
        with subprocess.Popen(theirs, **pipes) as fleet:  # type: ignore[call-overload]
            found = json.loads(one.stdout.readline())
            played = json.loads(fleet.communicate(timeout=60)[0])
    return {**found, "player": played}


def show(workers: int, rate: int, found: dict[str, Any]) -> None:
    """One line."""
    p50, p99 = (value * 1e3 for value in found["lag_s"])
    print(
        f"{workers:>6} {rate:>6} {found['rows_s']:>8.0f} {found['cpu']:>7.1%} {found['rss_mib']:>6.0f} MiB "
        f"{found['growth']:>+7.1f} {p50:>7.1f} {p99:>7.1f} {found['whole']!s:>6} "
        f"{found['player']['late_p99_s'] * 1e3:>6.1f}",
        flush=True,
    )


def sizes() -> None:
    """Bytes on the wire and the worker's own cost, by rate."""
    print("requests/s   bytes a row   sketches, bytes a report   whole report   worker's CPU a row")
    for rate in SIZES:
        data, seconds = report(rate, seed=1)
        seconds = min([seconds, *(report(rate, seed=1)[1] for _ in range(4))])
        tally, packed = len(msgspec.msgpack.encode(data["tally"])), len(data["packed"])
        print(f"{rate:>10} {packed / rate:>13.0f} {tally:>26} {tally + packed:>14} {seconds / rate * 1e6:>17.1f} us")


def main(cases: tuple[tuple[int, int], ...], seconds: float) -> bool:
    """Print the figures; True if they hold."""
    sizes()
    print("\nworkers rate/s   rows/s     CPU        RSS  MiB/min    lag p50, p99 ms  whole  player late p99 ms")
    held = True
    for workers, rate in cases:
        found = measure(workers, rate, seconds)
        show(workers, rate, found)
        held = held and found["whole"] and found["cpu"] < CPU_LIMIT and found["rss_mib"] < RSS_LIMIT_MIB
        held = held and (seconds < LONG_S or found["growth"] < GROWTH_LIMIT)
    return held


def asked() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--master", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    given = asked()
    if given.master:
        master(given.workers, given.seconds)
    else:
        sys.exit(not main(((given.workers, given.rate),) if given.workers else CASES, given.seconds))
