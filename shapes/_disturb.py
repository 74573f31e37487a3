"""A process beside the master that breaks things when they are due: `python -m shapes._disturb`.

In: {"begin": {"zero_ns", "arm", "url", "block", "disturbances": [{"at", "run"}]}} and {"end": true}, one JSON text a
line; out: a line when a command has begun and one when it has ended. Everything that still runs ends with a soak, and
with the master.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from typing import IO, Any

from shapes._switch import last_line

LOOK_EVERY_S = 0.02
PATIENCE_S = 1.0  # with a command that does not end when it is asked to


class Command:
    """One command of a soak: due, running or over."""

    def __init__(self, index: int, one: dict[str, Any], soak: dict[str, Any]) -> None:
        self.place = {"index": index, "arm": soak["arm"], "block": soak["block"]}
        self.due_ns = soak["zero_ns"] + round(one["at"] * 1e9)
        self._run = one["run"]
        self._environment = {**os.environ, "TOKENSWARM_ARM": soak["arm"], "TOKENSWARM_URL": soak["url"]}
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed in stop)
        self._process: subprocess.Popen[bytes] | None = None
        self.over = False

    def look(self, now_ns: int) -> dict[str, Any] | None:
        """Begin when it is due, notice the end; what there is to tell."""
        if self._process is None:
            return self._begin(now_ns) if now_ns >= self.due_ns else None
        code = self._process.poll()
        if code is None:
            return None
        self.over = True
        told = {"what": "ended", **self.place, "at_ns": time.time_ns(), "code": code}
        return told if code == 0 else {**told, "said": last_line(self._said)}

    def _begin(self, now_ns: int) -> dict[str, Any]:
        self._process = subprocess.Popen(
            self._run, shell=True, env=self._environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=self._said, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return {"what": "began", **self.place, "at_ns": now_ns}

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._said.close()


def lead(heard: queue.SimpleQueue[dict[str, Any] | None], out: IO[str]) -> None:
    """Obey until there is nothing more to hear."""
    commands: list[Command] = []
    while True:
        try:
            order = heard.get(timeout=LOOK_EVERY_S)
        except queue.Empty:
            _tell((command.look(time.time_ns()) for command in commands if not command.over), out)
            continue
        for command in commands:
            command.stop()
        if order is None:
            return
        soak = order.get("begin")
        commands = [Command(index, one, soak) for index, one in enumerate(soak["disturbances"])] if soak else []


def _tell(events: Iterable[dict[str, Any] | None], out: IO[str]) -> None:
    for event in events:
        if event is not None:
            out.write(json.dumps(event) + "\n")
            out.flush()


def _hear(said: IO[str], heard: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    for line in said:
        heard.put(json.loads(line))
    heard.put(None)


def main() -> None:
    """Read orders from stdin until it ends, also with a master that was killed."""
    heard: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    threading.Thread(target=_hear, args=(sys.stdin, heard), daemon=True).start()
    lead(heard, sys.stdout)


if __name__ == "__main__":
    main()
