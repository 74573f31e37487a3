"""Pushing the metrics of a master or a worker during a run: this end of `exporters.push`, a process beside it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gevent

from exporters.beside import Beside, Message
from exporters.push import PATIENCE_S, Push, Sending, lost_words, now_ms

log = logging.getLogger(__name__)


class Pushing:
    """The pushes of one run, from `start` to `stop`; without an address to push to there are none."""

    def __init__(self, sending: Sending, group: Mapping[str, str], page: Callable[[], bytes], said: Path) -> None:
        """`group` is the grouping key, and labels of every sample; `said` takes what the process logs."""
        self._sending, self._group, self._page_of, self._said = sending, dict(group), page, said
        self._beside: Beside | None = None
        self._pages: gevent.Greenlet | None = None
        self.account: dict[str, Any] = {}  # what became of what was sent, by destination

    def check(self) -> None:
        """Raise PushError when an address, a CA file or credentials cannot be used."""
        Push(self._sending, self._group, os.environ, log.warning)

    def start(self) -> None:
        """Begin to push."""
        if self._sending.anywhere:
            self._beside = Beside("exporters.push", self._said, self._heard)
            self._beside.say({"sending": self._sending._asdict(), "group": self._group})
            self._pages = gevent.spawn(self._repeat, self._beside)

    def _repeat(self, beside: Beside) -> None:
        while True:
            self._page(beside)
            gevent.sleep(self._sending.every_s)

    def _page(self, beside: Beside) -> None:
        beside.say({"at_ms": now_ms(), "page": self._page_of().decode()})

    def stop(self) -> list[str]:
        """Push the last page, and let what waits go; a line for each destination that did not get all."""
        beside, self._beside = self._beside, None
        if beside is None:
            return []
        assert self._pages is not None, "they began together"
        gevent.kill(self._pages)
        self._page(beside)
        if not beside.stop(PATIENCE_S + 5.0):
            log.warning("pushing metrics did not end well: look at %s", self._said)
        return lost_words(self.account)

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
