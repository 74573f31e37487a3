"""A real Prometheus and a real Pushgateway on loopback, and what they answer."""

from __future__ import annotations

import contextlib
import json
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from simulator.llamacpp import free_port


class Server:
    """A process that serves HTTP on a port of its own, which it keeps when it is started again."""

    def __init__(self, scheme: str = "http") -> None:
        self.url = f"{scheme}://127.0.0.1:{free_port()}"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """What starts it."""
        raise NotImplementedError

    def start(self) -> None:
        """Up, and ready (one that wants credentials or TLS: listening)."""
        self._process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: answers(f"{self.url}/-/ready"), f"{self.command()[0]} is ready")

    def stop(self) -> None:
        """Down; what it keeps on disk stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)


class Prometheus(Server):
    """Its data are in a folder that outlives it."""

    def __init__(
        self,
        folder: Path,
        targets: Sequence[str] = (),
        options: Sequence[str] = (),
        scheme: str = "http",
        rules: Sequence[Path] = (),
    ) -> None:
        super().__init__(scheme)
        self._folder, self._options = folder, options
        scrapes = [{"job_name": "swarm", "static_configs": [{"targets": list(targets)}]}] if targets else []
        every = {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "1s"}
        asked = {"global": every, "scrape_configs": scrapes, "rule_files": [str(path) for path in rules]}
        (folder / "prometheus.yml").write_text(json.dumps(asked))

    def command(self) -> list[str]:
        """What starts it."""
        return [
            "prometheus", f"--config.file={self._folder / 'prometheus.yml'}", "--log.level=error",
            f"--storage.tsdb.path={self._folder / 'data'}", f"--web.listen-address={self.url.split('//')[1]}",
            *self._options,
        ]  # fmt: skip

    def query(self, promql: str, at_s: float | None = None) -> list[dict[str, Any]]:
        """The result of an instant query, now or at a time."""
        asked = {"query": promql, **({} if at_s is None else {"time": f"{at_s:.3f}"})}
        found: list[dict[str, Any]] = self.api("query", **asked)["result"]
        return found

    def values(self, promql: str, since_s: float, step_s: float = 0.5) -> list[float]:
        """The values of all series of a range query from a time until now."""
        span = {"start": f"{since_s:.3f}", "end": f"{time.time():.3f}", "step": f"{step_s}"}
        return [
            float(value)
            for one in self.api("query_range", query=promql, **span)["result"]
            for _, value in one["values"]
        ]

    def api(self, what: str, **asked: str) -> Any:
        """The data of an answer of its API."""
        with urllib.request.urlopen(f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(asked)}") as reply:
            return json.load(reply)["data"]

    def value(self, promql: str, at_s: float | None = None) -> float | None:
        """The only value of an instant query, or None."""
        found = self.query(promql, at_s)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None


class Pushgateway(Server):
    """It keeps nothing on disk."""

    def __init__(self, options: Sequence[str] = (), scheme: str = "http") -> None:
        super().__init__(scheme)
        self._options = options

    def command(self) -> list[str]:
        """What starts it."""
        listen = f"--web.listen-address={self.url.split('//')[1]}"
        nothing_kept = "--persistence.file="  # Debian's keeps its groups in /var/lib, also those of other tests
        return ["prometheus-pushgateway", listen, nothing_kept, "--log.level=error", *self._options]

    def series(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The series of a name, by their labels."""
        with urllib.request.urlopen(f"{self.url}/metrics") as reply:
            families = list(text_string_to_metric_families(reply.read().decode()))
        found = [sample for family in families for sample in family.samples if sample.name == name]
        return {tuple(sorted(sample.labels.items())): sample.value for sample in found}


@contextlib.contextmanager
def running(server: Server) -> Iterator[None]:
    """A server that runs, stopped at the end."""
    server.start()
    try:
        yield
    finally:
        server.stop()


def answers(url: str) -> bool:
    """Whether a URL answers: with 200, or by asking who we are."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url, timeout=2, context=anybody) as reply:
            return bool(reply.status == 200)
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False


def until(done: Callable[[], bool], what: str, within_s: float = 30) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)
