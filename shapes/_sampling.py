"""Sampling the engines and the GPUs during a run: the master's end of `exporters.sampler`, a process beside it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from exporters.beside import Beside, Message
from exporters.sampler import READING
from scenarios.scenario import Scenario

END_TIMEOUT_S = 20.0  # to write what was sampled

log = logging.getLogger(__name__)


class Sampling:
    """The sampler of one run, from `start` to `stop`; without addresses to sample there is none."""

    def __init__(self, scenario: Scenario, directory: Path) -> None:
        self._work = {"directory": str(directory.resolve()), "hz": scenario.sampling.hz, "targets": targets(scenario)}
        self._log = directory / "sampler.log"
        self._sampler: Beside | None = None
        self.told: list[Message] = []  # everything that the sampler found worth telling
        self._readings: dict[tuple[str, str], Message] = {}

    def start(self) -> None:
        """Begin to sample."""
        if self._work["targets"]:
            self._sampler = Beside("exporters.sampler", self._log, self._heard)
            self._sampler.say(self._work)

    def restarts(self, places: Iterable[str], opened_ns: int, closed_ns: int) -> list[str]:
        """What is wrong with a window in which an engine at one of these places has restarted, or may have."""
        return [
            f"the engine at {event['instance']} ({event['arm']}) restarted in this step: its counters went back; "
            "look at its log, running out of memory is the usual reason"
            for event in self.told
            if event["what"] == "restarted" and event["arm"] in set(places)
            and event["since_ns"] <= closed_ns and event["until_ns"] >= opened_ns
        ]  # fmt: skip

    def readings(self) -> tuple[Message, ...]:
        """The last of each engine and GPU: arm, where, figures."""
        return tuple(self._readings.values())

    def stop(self) -> None:
        """Let the sampler write what it has, and end."""
        sampler, self._sampler = self._sampler, None
        if sampler is not None and not sampler.stop(END_TIMEOUT_S):
            log.warning("the sampler of engines and GPUs did not end well: look at %s", self._log)

    def _heard(self, event: Message) -> None:
        if event["what"] == READING:
            self._readings[event["arm"], event["where"]] = event
            return
        self.told.append(event)
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
