"""A process that does not leave when it should is ended."""

from __future__ import annotations

import subprocess
import sys

HELD = """
from gevent import monkey; monkey.patch_all()
import time
from shapes._watchdog import leave_within
leave_within({seconds}, 4)
{then}
"""


def left(seconds: float, then: str) -> tuple[int, str]:
    code = HELD.format(seconds=seconds, then=then)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr


def test_what_holds_every_greenlet_does_not_hold_the_end() -> None:
    """The hub is busy for ever: the process ends all the same, with a line and its code."""
    code, said = left(0.2, "while True: pass")

    assert code == 4
    assert said == "tokenswarm: the run did not end when it was told to; what was measured is kept\n"


def test_who_leaves_in_time_is_left_alone() -> None:
    """The thread that waits does not keep the process."""
    assert left(20, "raise SystemExit(3)") == (3, "")
