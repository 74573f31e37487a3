"""The process that disturbs: commands begin when they are due, and end with the soak or its master."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Disturber:
    """The real process, with a pipe to it."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "shapes._disturb"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, cwd=ROOT, **pipes)

    def say(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def begin(self, *disturbances: tuple[float, str]) -> int:
        zero = time.time_ns() + 300_000_000
        due = [{"at": at, "run": run} for at, run in disturbances]
        self.say({"begin": {"zero_ns": zero, "arm": "a", "url": "http://a", "block": 2, "disturbances": due}})
        return zero

    def heard(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return dict(json.loads(self.process.stdout.readline()))

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(10) == 0


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_commands_begin_when_they_are_due_and_say_how_they_ended(tmp_path: Path) -> None:
    """In the order of their times, not of the file; a failed one says its last line; the arm is in its environment."""
    note, disturber = tmp_path / "note", Disturber()
    zero = disturber.begin((0.4, "echo gone wrong; exit 3"), (0.1, f"echo $TOKENSWARM_ARM $TOKENSWARM_URL > {note}"))
    events = [disturber.heard() for _ in range(4)]
    disturber.end()

    assert [(event["index"], event["what"], event.get("code")) for event in events] == [
        (1, "began", None), (1, "ended", 0), (0, "began", None), (0, "ended", 3),
    ]  # fmt: skip
    assert all((event["arm"], event["block"]) == ("a", 2) for event in events)
    late_s = [(event["at_ns"] - zero) / 1e9 - due for event, due in zip(events[::2], (0.1, 0.4), strict=True)]
    assert all(0 <= late < 0.3 for late in late_s), late_s
    assert events[3]["said"] == "gone wrong"
    assert note.read_text() == "a http://a\n"


def test_what_runs_ends_with_the_soak() -> None:
    """An end order terminates it; what was not due yet never begins."""
    disturber = Disturber()
    disturber.begin((0.0, "echo $$ > /dev/null; exec sleep 60"), (30.0, "true"))
    assert disturber.heard()["what"] == "began"
    (child,) = (int(pid) for pid in _children(disturber.process.pid))
    disturber.say({"end": True})

    assert gone(child)
    disturber.end()
    assert disturber.process.stdout is not None
    assert disturber.process.stdout.read() == ""


def test_what_runs_ends_with_a_master_that_is_killed() -> None:
    """Its stdin ends with the master, however that ends."""
    master = subprocess.Popen(
        [sys.executable, "-c", _MASTER], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert master.stdout is not None
    disturber, child = (int(text) for text in master.stdout.readline().split())
    os.kill(master.pid, signal.SIGKILL)
    master.wait(10)

    assert gone(child)
    assert gone(disturber)


_MASTER = """
import os, time
from tests.shapes.test_disturb import Disturber, _children
one = Disturber()
one.begin((0.0, "exec sleep 60"))
one.heard()
print(one.process.pid, *_children(one.process.pid), flush=True)
time.sleep(60)
"""


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
