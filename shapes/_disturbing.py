"""What disturbs a soak: the master's end of `shapes._disturb`, a process beside it that runs the file's commands."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from exporters.beside import Beside, Message
from exporters.sample import Step
from scenarios.scenario import Scenario

END_TIMEOUT_S = 5.0

log = logging.getLogger(__name__)


class Disturbing:
    """The disturbances of one run, from `start` to `stop`; without any there is no process."""

    def __init__(self, scenario: Scenario, directory: Path) -> None:
        self._scenario, self._log = scenario, directory / "disturbances.log"
        self._beside: Beside | None = None
        self.told: list[Message] = []  # when each began, in ns of the wall clock, and when and how it ended

    def start(self) -> None:
        """Have the process ready: a command is to begin when it is due."""
        if self._scenario.disturbance:
            self._beside = Beside("shapes._disturb", self._log, self._heard)

    def begin(self, step: Step) -> None:
        """A soak begins now."""
        if self._beside is not None:
            url = self._scenario.arms[step.arm].url
            due = [{"at": one.at, "run": one.run} for one in self._scenario.disturbance]
            soak = {"zero_ns": time.time_ns(), "arm": step.arm, "url": url, "block": step.block, "disturbances": due}
            self._beside.say({"begin": soak})

    def end(self) -> None:
        """A soak is over: what still runs is ended."""
        if self._beside is not None:
            self._beside.say({"end": True})

    def stop(self) -> None:
        """End the process, with what it runs."""
        beside, self._beside = self._beside, None
        if beside is not None and not beside.stop(END_TIMEOUT_S):
            log.warning("the process of the disturbances did not end well: look at %s", self._log)

    def _heard(self, event: Message) -> None:
        self.told.append(event)
        failed = f" with {event['code']}: {event.get('said', '')}" if event.get("code") else ""
        log.warning("disturbance %s of %s %s%s", event["index"] + 1, event["arm"], event["what"], failed)
