"""A real Prometheus on loopback that scrapes what it is given, and what it answers."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from simulator.llamacpp import free_port


class Prometheus:
    """One process, its data in a folder that outlives it."""

    def __init__(self, folder: Path, targets: Sequence[str] = (), options: Sequence[str] = ()) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._folder, self._options = folder, options
        scrapes = [{"job_name": "swarm", "static_configs": [{"targets": list(targets)}]}] if targets else []
        every = {"scrape_interval": "250ms", "scrape_timeout": "250ms"}
        (folder / "prometheus.yml").write_text(json.dumps({"global": every, "scrape_configs": scrapes}))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Up, and ready."""
        self._process = subprocess.Popen(
            ["prometheus", f"--config.file={self._folder / 'prometheus.yml'}", "--log.level=error",
             f"--storage.tsdb.path={self._folder / 'data'}", f"--web.listen-address={self.url[7:]}", *self._options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until(lambda: answers(f"{self.url}/-/ready"), "Prometheus is ready")

    def stop(self) -> None:
        """Down; its data stay."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)

    def query(self, promql: str) -> list[dict[str, Any]]:
        """The result of an instant query."""
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': promql})}") as reply:
            found: list[dict[str, Any]] = json.load(reply)["data"]["result"]
        return found

    def value(self, promql: str) -> float | None:
        """The only value of an instant query, or None."""
        found = self.query(promql)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None


@contextlib.contextmanager
def prometheus(folder: Path, targets: Sequence[str] = (), options: Sequence[str] = ()) -> Iterator[Prometheus]:
    """A Prometheus that runs, stopped at the end."""
    one = Prometheus(folder, targets, options)
    one.start()
    try:
        yield one
    finally:
        one.stop()


def answers(url: str) -> bool:
    """Whether a URL answers with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def until(done: Callable[[], bool], what: str, within_s: float = 30) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)
