"""The sampler: a process beside the master that reads the engines' and the GPUs' /metrics while a run lasts.

It is a process of its own because parsing a page would hold up the hub that stamps chunks. It begins with one line of
JSON on stdin, `{"directory", "hz", "targets": [Target, ...]}`, tells the master of restarts and of the last readings by
lines of JSON on stdout,
and ends when stdin does: when the run is over, or its master is gone. Samples go to `server.parquet`, `gpu.parquet`.
"""

from __future__ import annotations

import http.client
import queue
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from exporters.files import RecordError
from exporters.samples import SampleLog, finish
from exporters.server import READERS, PageError, went_back
from exporters.slots import has_slots, pool_of, props_beside
from exporters.tell import tell

TIMEOUT_S, WRITE_EVERY_S, LOOK_UP_EVERY_S = 2.0, 1.0, 15.0
SHOWN = ("running", "waiting", "kv_used_share", "busy", "power_w")  # of a reading that a person may watch
LONGEST_PAGE = 16 << 20
READING = "reading"  # what a line tells that is no Event
PAGE, PROPS = "text/plain; version=0.0.4", "application/json"

Told = Literal["restarted", "unreadable", "without pool"]


class Target(msgspec.Struct, frozen=True):
    """One address to sample: an engine's or a GPU exporter's, at an arm's place; `dns://` is one for each address."""

    kind: Literal["server", "gpu"]
    arm: str
    url: str
    ca_file: str | None = None


class Work(msgspec.Struct, frozen=True):
    """What the sampler is told at its start."""

    directory: str
    hz: float
    targets: tuple[Target, ...]


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the master is told: an engine restarted between two readings, an address cannot be read (once), or a slot
    engine does not tell its slots (once in its life)."""

    what: Told
    arm: str
    instance: str
    since_ns: int
    until_ns: int
    why: str = ""


class Instance:
    """One address that is read again and again, over one connection."""

    def __init__(self, target: Target, host: str, tell: Callable[[Event], None]) -> None:
        parts = urlsplit(target.url.replace("dns://", "http://", 1))
        self._target, self._tell, self._path = target, tell, _path_of(parts)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self.name = f"{host}:{port}"
        self._connection = _connection(parts.scheme, host, port, target.ca_file)
        self._read = READERS[target.kind]
        self._before: tuple[int, dict[str, float]] | None = None
        self._unreadable = False
        self._pool: dict[str, float] | None = None  # of a slot engine, empty of others; None: not asked yet

    def samples(self) -> list[dict[str, Any]]:
        """One sample of everything on the page; empty when it could not be read, which is told once."""
        began = time.time_ns()
        try:
            page = self._get(self._path, PAGE)
            ended = time.time_ns()
            found = self._read(page)
        except (OSError, http.client.HTTPException, PageError) as error:
            self._connection.close()
            self._pool = None  # whoever answers next may be another process
            if not self._unreadable:
                self._unreadable = True
                self._say("unreadable", began, time.time_ns(), str(error) or type(error).__name__)
            return []
        self._unreadable = False
        if self._target.kind == "server":
            self._compare(ended, found[""])
            found = {"": found[""] | self._slots(page)}
        taken = {"at_ns": (began + ended) // 2, "error_s": (ended - began) / 2e9}
        place = {"arm": self._target.arm, "instance": self.name}
        return [{**taken, **place, "gpu": gpu, **figures} for gpu, figures in found.items()]

    def _slots(self, page: str) -> dict[str, float]:
        """The pool of a slot engine, which is asked for it once in its life."""
        if self._pool is None:
            self._pool = self._asked() if has_slots(page) else {}
        return self._pool

    def _asked(self) -> dict[str, float]:
        began, path = time.time_ns(), props_beside(self._path)
        try:
            return pool_of(self._get(path, PROPS))
        except (OSError, http.client.HTTPException, PageError) as error:
            self._connection.close()
            self._say("without pool", began, time.time_ns(), f"{path} {str(error) or type(error).__name__}")
            return {}

    def _get(self, path: str, accept: str) -> str:
        self._connection.request("GET", path, headers={"Accept": accept})
        reply = self._connection.getresponse()
        body = reply.read(LONGEST_PAGE + 1)
        if reply.status != 200 or len(body) > LONGEST_PAGE:
            self._connection.close()
            raise PageError(f"answered {reply.status} with {len(body)} bytes")
        return body.decode("utf-8", "replace")

    def _compare(self, at: int, figures: dict[str, float]) -> None:
        if self._before is not None and went_back(self._before[1], figures):
            self._say("restarted", self._before[0], at)
            self._pool = None
        self._before = at, figures

    def _say(self, what: Told, since: int, until: int, why: str = "") -> None:
        clean = "".join(letter if letter.isprintable() else "?" for letter in why)[:200]
        self._tell(Event(what, self._target.arm, self.name, since, until, clean))


def _path_of(parts: SplitResult) -> str:
    return (parts.path or "/metrics") + (f"?{parts.query}" if parts.query else "")


def _connection(scheme: str, host: str, port: int, ca_file: str | None) -> http.client.HTTPConnection:
    if scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    context = ssl.create_default_context(cafile=ca_file)
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)


def hosts_of(target: Target) -> list[str]:
    """Whom a target stands for: itself, or every address of a headless Service."""
    parts = urlsplit(target.url)
    if parts.scheme != "dns":
        return [parts.hostname or ""]
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(address[4][0]) for address in found})


def sampled(target: Target, period_s: float, tell: Callable[[Event], None]) -> Iterator[list[dict[str, Any]]]:
    """Samples of a target, one round each period: ticks that could not be kept are left out, never made up for."""
    instances: dict[str, Instance] = {}
    looked, tick = float("-inf"), time.monotonic()
    while True:
        if time.monotonic() - looked > LOOK_UP_EVERY_S:
            looked = time.monotonic()
            hosts = hosts_of(target)
            instances = {host: instances.get(host) or Instance(target, host, tell) for host in hosts}
        yield [sample for instance in instances.values() for sample in instance.samples()]
        tick = max(tick + period_s, time.monotonic() - period_s)
        time.sleep(max(0.0, tick - time.monotonic()))


def main() -> None:
    """Sample until stdin ends."""
    work = msgspec.json.decode(sys.stdin.buffer.readline(), type=Work)
    directory = Path(work.directory)
    kinds: set[str] = {target.kind for target in work.targets}
    logs = {kind: SampleLog(directory, kind) for kind in sorted(kinds)}
    waiting: queue.SimpleQueue[tuple[str, list[dict[str, Any]]]] = queue.SimpleQueue()

    def follow(target: Target) -> None:
        for samples in sampled(target, 1 / work.hz, lambda event: tell(msgspec.to_builtins(event))):
            waiting.put((target.kind, samples))

    for target in work.targets:
        threading.Thread(target=follow, args=(target,), daemon=True).start()
    over = threading.Event()
    threading.Thread(target=_until_the_end, args=(over,), daemon=True).start()
    try:
        while not over.wait(WRITE_EVERY_S):
            _write(waiting, logs)
        _write(waiting, logs)
        for kind, log in logs.items():
            log.close()
            finish(directory, kind)
    except RecordError as error:
        print(error, file=sys.stderr)  # noqa: T201 (into the run's log; what was sampled so far is readable)


def _until_the_end(over: threading.Event) -> None:
    sys.stdin.buffer.read()
    over.set()


def _write(waiting: queue.SimpleQueue[tuple[str, list[dict[str, Any]]]], logs: dict[str, SampleLog]) -> None:
    gathered: dict[str, list[dict[str, Any]]] = {kind: [] for kind in logs}
    while not waiting.empty():
        kind, samples = waiting.get()
        gathered[kind] += samples
    for kind, samples in gathered.items():
        logs[kind].append(samples)
        _show(samples)


def _show(samples: list[dict[str, Any]]) -> None:
    """Tell the last reading of each engine and GPU."""
    last = {(one["arm"], one["instance"], one["gpu"]): one for one in samples}
    for (arm, instance, gpu), one in last.items():
        figures = {name: one[name] for name in SHOWN if one.get(name) is not None}
        tell({"what": READING, "arm": arm, "where": f"{instance} {gpu}".strip(), "figures": figures})


if __name__ == "__main__":
    main()
