"""Pushing the master's metrics during a run: the master's end of `exporters.push`, a process beside it."""

from __future__ import annotations

import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any

import gevent

from exporters.peer import PushError
from exporters.push import PATIENCE_S, Push, Sending, lost_words, now_ms
from shapes._beside import Beside, Message
from shapes._checked import Unusable
from shapes._metrics import MasterMetrics

log = logging.getLogger(__name__)


class Pushing:
    """The pushes of one run, from `start` to `stop`; without an address to push to there are none."""

    def __init__(self, options: Any, metrics: MasterMetrics, directory: Path) -> None:
        self._sending, self._metrics, self._directory = sending_of(options), metrics, directory
        self._group = {"job": "tokenswarm", "run": directory.name, "instance": socket.gethostname()}
        self._beside: Beside | None = None
        self._pages: gevent.Greenlet | None = None
        self.account: dict[str, Any] = {}  # what became of what was sent, by destination

    def check(self) -> None:
        """Raise Unusable when an address, a CA file or credentials cannot be used: before any request is sent."""
        try:
            Push(self._sending, self._group, os.environ, log.warning)
        except PushError as error:
            raise Unusable(str(error)) from None

    def start(self) -> None:
        """Begin to push."""
        if self._sending.anywhere:
            self._beside = Beside("exporters.push", self._directory / "push.log", self._heard)
            self._beside.say({"sending": self._sending._asdict(), "group": self._group})
            self._pages = gevent.spawn(self._repeat, self._beside)

    def _repeat(self, beside: Beside) -> None:
        while True:
            self._page(beside)
            gevent.sleep(self._sending.every_s)

    def _page(self, beside: Beside) -> None:
        beside.say({"at_ms": now_ms(), "page": self._metrics.page().decode()})

    def stop(self) -> None:
        """Push the last page, and let what waits go."""
        beside, self._beside = self._beside, None
        if beside is None:
            return
        assert self._pages is not None, "they began together"
        gevent.kill(self._pages)
        self._page(beside)
        if not beside.stop(PATIENCE_S + 5.0):
            log.warning("pushing metrics did not end well: look at %s", self._directory / "push.log")
        for words in lost_words(self.account):
            print(f"tokenswarm: {words}", file=sys.stderr)  # noqa: T201

    def _heard(self, message: Message) -> None:
        if "said" in message:
            log.warning("%s", message["said"])
        self.account = message.get("account", self.account)


def sending_of(options: Any) -> Sending:
    """What the command line and the environment ask for."""
    return Sending(
        pushgateway=getattr(options, "pushgateway", ""),
        remote_write=getattr(options, "remote_write", ""),
        every_s=getattr(options, "push_every", 5.0),
        ca_file=getattr(options, "push_ca_file", ""),
        delete=getattr(options, "push_delete", False),
    )
