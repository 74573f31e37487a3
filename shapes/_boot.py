"""Become Locust. Until its run begins, Ctrl-C and SIGTERM are one line and exit code 4, not a traceback of imports."""

from __future__ import annotations

import os
import signal
import sys


def leave(*_: object) -> None:
    """Nothing was measured yet: say so and go, wherever the interpreter is."""
    os.write(2, b"\ntokenswarm: interrupted before anything was measured\n")
    os._exit(4)


def main() -> None:
    """Locust's own entry point, with the handlers above until the shape sets its own (shapes._shape)."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    from locust.main import main as locust

    sys.exit(locust())


if __name__ == "__main__":
    main()
