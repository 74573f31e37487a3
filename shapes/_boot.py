"""Become Locust. Until its run begins, Ctrl-C and SIGTERM are one line and exit code 4, not a traceback of imports.

A disk without space for Locust's own files (its log, its statistics) covers neither our words nor our exit code.
"""

from __future__ import annotations

import os
import signal
import sys


def leave(*_: object) -> None:
    """Nothing was measured yet: say so and go, wherever the interpreter is."""
    os.write(2, b"\ntokenswarm: interrupted before anything was measured\n")
    os._exit(4)


def alone_if_so(logged: str, alone: list[str]) -> bool:
    """Say and remember what Locust only logs: that not all workers came in time. It is logged all the same."""
    if logged.startswith("Gave up waiting for workers"):
        alone.append("tokenswarm: not all workers came in time: see the workers' logs, or raise --patience")
        print(alone[0], file=sys.stderr)  # noqa: T201
    return True


def main() -> None:
    """Locust's own entry point, with the handlers above until the shape sets its own (shapes._shape)."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    import logging  # like all that follows, after the handlers: an interrupt during imports is theirs

    from locust import events
    from locust.env import Environment
    from locust.main import main as locust

    logging.raiseExceptions = False
    alone: list[str] = []
    logging.getLogger("locust.main").addFilter(lambda record: alone_if_so(record.getMessage(), alone))
    ending: list[Environment] = []
    events.quitting.add_listener(lambda environment, **_: ending.append(environment))
    try:
        sys.exit(locust())
    except SystemExit:
        if alone:
            sys.exit(4)
        raise
    except OSError:
        if not ending:
            raise
        sys.exit(ending[0].process_exit_code or 0)


if __name__ == "__main__":
    main()
