"""Brings an arm up before it is measured: its `before` command, then waiting until its `ready` URL answers.

For teams whose one GPU holds one arm at a time. The command is the user's own, from a local file, run by the master.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from typing import IO

from scenarios.places import swapped
from scenarios.scenario import Arm, Scenario
from shapes._limits import Stopped

LONGEST_S = 1800.0  # for a command and for the wait after it: loading weights takes minutes, not hours
LOOK_EVERY_S = 0.5
SHOWN = 200  # characters of a failed command's last line


class Switch:
    """Which arms are up, and how to bring up others; `look` may end the wait by raising (limits, a signal)."""

    def __init__(self, scenario: Scenario, is_ready: Callable[[Arm], bool], look: Callable[[], None]) -> None:
        self._arms = {False: scenario.arms, True: swapped(scenario).arms}
        self._is_ready, self._look = is_ready, look
        self._up: set[tuple[str, bool]] = set()

    def to(self, arms: Iterable[str], at_the_others_place: bool = False) -> float:
        """Bring up every one of these arms that is not up; seconds that it took. Raises Stopped when one will not."""
        began, wanted = time.monotonic(), {(arm, at_the_others_place) for arm in arms}
        for name, swap in sorted(wanted - self._up):
            self._bring_up(name, self._arms[swap][name])
        self._up = wanted
        return time.monotonic() - began

    def _bring_up(self, name: str, arm: Arm) -> None:
        if arm.before is not None:
            self._run(name, arm.before, arm.url)
        if arm.ready is not None:
            why = f"{name} was not ready at {arm.ready} within {LONGEST_S:.0f} s: look at the service's own log"
            self._wait(lambda: self._is_ready(arm), why)

    def _run(self, name: str, command: str, url: str) -> None:
        """Run one command to its end; what it prints is kept only to say why it failed."""
        environment = {**os.environ, "TOKENSWARM_ARM": name, "TOKENSWARM_URL": url}
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                command, shell=True, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                why = f"the `before` command of {name} did not end within {LONGEST_S:.0f} s: run it by hand"
                self._wait(lambda: process.poll() is not None, why)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)
            if process.returncode != 0:
                raise Stopped(f"the `before` command of {name} ended with {process.returncode}: {last_line(said)}")

    def _wait(self, done: Callable[[], bool], why: str) -> None:
        deadline = time.monotonic() + LONGEST_S
        while not done():
            self._look()
            if time.monotonic() > deadline:
                raise Stopped(why)
            time.sleep(LOOK_EVERY_S)


def last_line(said: IO[bytes]) -> str:
    """The last line of a command's output, bounded and printable."""
    said.seek(max(0, said.seek(0, os.SEEK_END) - 4096))
    lines = [line for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()]
    text = lines[-1].strip() if lines else "it printed nothing"
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:SHOWN]
