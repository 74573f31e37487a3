"""Sampling the engines and the GPUs during a run: the master's end of `exporters.sampler`, a process of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import gevent

from scenarios.scenario import Scenario

END_TIMEOUT_S = 20.0  # to write what was sampled

log = logging.getLogger(__name__)


class Sampling:
    """The sampler of one run, from `start` to `stop`; without addresses to sample there is none."""

    def __init__(self, scenario: Scenario, directory: Path) -> None:
        self._targets = targets(scenario)
        self._told: list[dict[str, Any]] = []
        self._work = {"directory": str(directory), "hz": scenario.sampling.hz, "targets": self._targets}
        self._log = directory / "sampler.log"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Begin to sample. The sampler ends with its stdin: also when this process is killed."""
        if not self._targets:
            return
        with self._log.open("a") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "exporters.sampler"], text=True, start_new_session=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, cwd=Path(__file__).parent.parent,
            )  # fmt: skip
        assert self._process.stdin is not None, "a pipe"
        assert self._process.stdout is not None, "a pipe"
        self._process.stdin.write(json.dumps(self._work) + "\n")
        self._process.stdin.flush()
        gevent.spawn(self._listen, self._process.stdout)

    def restarts(self, places: Iterable[str], opened_ns: int, closed_ns: int) -> list[str]:
        """What is wrong with a window in which an engine at one of these places has restarted, or may have."""
        return [
            f"the engine at {event['instance']} ({event['arm']}) restarted in this step: its counters went back; "
            "look at its log, running out of memory is the usual reason"
            for event in self._told
            if event["what"] == "restarted" and event["arm"] in set(places)
            and event["since_ns"] <= closed_ns and event["until_ns"] >= opened_ns
        ]  # fmt: skip

    @property
    def told(self) -> list[dict[str, Any]]:
        """Everything that the sampler found worth telling."""
        return list(self._told)

    def stop(self) -> None:
        """Let the sampler write what it has, and end."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None, "a pipe"
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            log.warning("the sampler of engines and GPUs did not end in %.0f s: look at %s", END_TIMEOUT_S, self._log)
        if not self._log.stat().st_size:
            self._log.unlink()

    def _listen(self, said: IO[str]) -> None:
        for line in said:
            event = json.loads(line)
            self._told.append(event)
            why = f": {event['why']}" if event.get("why") else ""
            log.warning("%s at %s (%s)%s", event["what"], event["instance"], event["arm"], why)


def targets(scenario: Scenario) -> list[dict[str, Any]]:
    """Every address that the arms name, once for each place, as the sampler takes them."""
    return [
        {"kind": kind, "arm": name, "url": url, "ca_file": arm.ca_file}
        for name, arm in scenario.arms.items()
        for kind, urls in (("server", arm.metrics), ("gpu", arm.gpu))
        for url in urls
    ]
