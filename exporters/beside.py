"""A process of ours beside the master, for work that would hold up the hub: lines of JSON go in and come out."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import gevent

Message = dict[str, Any]


class Beside:
    """`python -m MODULE`, which ends with its stdin: also when this process is killed. What it logs goes to a file."""

    def __init__(self, module: str, log: Path, heard: Callable[[Message], None]) -> None:
        self._log, self._heard = log, heard
        with log.open("a") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module], text=True, start_new_session=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, cwd=Path(__file__).parent.parent,
            )  # fmt: skip
        assert self._process.stdout is not None, "a pipe"
        self._listening = gevent.spawn(self._listen, self._process.stdout)

    def say(self, message: Message) -> None:
        """Tell it something; one that is gone hears nothing."""
        assert self._process.stdin is not None, "a pipe"
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def stop(self, timeout_s: float) -> bool:
        """Let it finish what it has, and end; whether it did in time. Then all that it said was heard."""
        assert self._process.stdin is not None, "a pipe"
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return False
        self._listening.join(timeout_s)
        if not self._log.stat().st_size:
            self._log.unlink()
        return self._process.returncode == 0

    def _listen(self, said: IO[str]) -> None:
        for line in said:
            self._heard(json.loads(line))
