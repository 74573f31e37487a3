"""Copying a run while it lasts: the master's end of `exporters.copier`, a process beside it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gevent

from exporters.beside import Beside, Message
from exporters.copies import shown
from shapes._checked import Unusable

LOOK_TIMEOUT_S, END_TIMEOUT_S = 60.0, 600.0

log = logging.getLogger(__name__)


class Copying:
    """The copies of one run: one after each step, the last one when its report is there.

    None is waited for before the end, and one that fails ends nothing: what is missing goes with the next.
    """

    def __init__(self, directory: Path, uri: str) -> None:
        self._directory, self._uri = directory, uri
        self._copier: Beside | None = None
        self._busy = False
        self._waiting: Mapping[str, int] | None = None  # sizes that came while a copy was being made
        self._failures = 0
        self._error: str | None = None

    def check(self) -> None:
        """Raise Unusable when nothing can be copied there, or another run is: before any request is sent."""
        if not self._uri:
            return
        work = {"directory": str(self._directory), "uri": self._uri, "look": True}
        try:
            looked = subprocess.run(
                [sys.executable, "-m", "exporters.copier"], input=f"{json.dumps(work)}\n", timeout=LOOK_TIMEOUT_S,
                capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Unusable(f"--copy-to: {shown(self._uri)} did not answer in {LOOK_TIMEOUT_S:.0f} s") from None
        found = json.loads(looked.stdout) if looked.stdout else {"error": looked.stderr.strip().rpartition("\n")[2]}
        if found["error"]:
            raise Unusable(f"--copy-to: {found['error']}")

    def start(self) -> None:
        """Begin; the run directory is there."""
        if self._uri:
            self._copier = Beside("exporters.copier", self._directory / "copier.log", self._heard)
            self._busy = True
            self._copier.say({"directory": str(self._directory), "uri": self._uri})

    def step(self, sizes: Mapping[str, int]) -> None:
        """Copy what is on disk now; while a copy is being made, what is new waits for the next."""
        if self._copier is None:
            return
        if self._busy:
            self._waiting = sizes
            return
        self._busy, self._waiting = True, None
        self._copier.say({"sizes": dict(sizes)})

    def account(self) -> dict[str, Any] | None:
        """What run.json says of the copies so far; None when there are none."""
        return {"to": shown(self._uri), "failures": self._failures, "error": self._error} if self._uri else None

    def finish(self) -> str | None:
        """Copy the final files; what is to be said when the copy is not complete."""
        copier, self._copier = self._copier, None
        if copier is None:
            return None
        if self._waiting is not None:
            copier.say({"sizes": dict(self._waiting)})
        if copier.stop(END_TIMEOUT_S):
            return None
        why = self._error or f"look at {self._directory / 'copier.log'}"
        again = f"`tokenswarm report {self._directory} --copy-to {shown(self._uri)}` copies what is missing"
        return f"the copy in {shown(self._uri)} is not complete ({why}): {again}"

    def _heard(self, answer: Message) -> None:
        self._busy, self._error = False, answer["error"]
        if self._error:
            self._failures += 1
            log.warning("a step could not be copied to %s: %s", shown(self._uri), self._error)
        if self._waiting is not None:
            gevent.spawn(self.step, self._waiting)
