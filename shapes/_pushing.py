"""Pushing the master's metrics during a run."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

from exporters.peer import PushError
from exporters.pushing import Pushing, sending_of
from shapes._checked import Unusable
from shapes._metrics import MasterMetrics


class MasterPushing:
    """The pushes of one run: its metrics, in a group of its own."""

    def __init__(self, options: Any, metrics: MasterMetrics, directory: Path) -> None:
        group = {"job": "tokenswarm", "run": directory.name, "instance": socket.gethostname()}
        self._pushing = Pushing(sending_of(options), group, metrics.page, directory / "push.log")
        self.start = self._pushing.start

    def check(self) -> None:
        """Raise Unusable when an address, a CA file or credentials cannot be used: before any request is sent."""
        try:
            self._pushing.check()
        except PushError as error:
            raise Unusable(str(error)) from None

    def stop(self) -> None:
        """Push the last page, let what waits go, and say what was lost."""
        for words in self._pushing.stop():
            print(f"tokenswarm: {words}", file=sys.stderr)  # noqa: T201

    @property
    def account(self) -> dict[str, Any]:
        """What became of what was sent, by destination."""
        return self._pushing.account
