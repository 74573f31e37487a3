"""Pages of metrics pushed: to a Pushgateway (the last page, in a group of its own), to Prometheus' remote-write (all).

Beside a master or a worker this is a process of its own, `python -m exporters.push`: it reads a line of JSON that says
where (Sending), then one for each page, and ends with its stdin; it writes what is worth telling, and its account. In
the GPU exporter it is a thread.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from exporters.delivery import Backlog, Delivery, Latest, Letter
from exporters.exposition import CONTENT_TYPE, Field, Reading, labels, page
from exporters.peer import Peer, PushError
from exporters.remote_write import RemoteWrite
from exporters.tell import tell

GATEWAY, REMOTE_WRITE = "pushgateway", "remote-write"
PREFIXES: Final = {GATEWAY: "TOKENSWARM_PUSHGATEWAY", REMOTE_WRITE: "TOKENSWARM_REMOTE_WRITE"}
WRITE_PATH: Final = "/api/v1/write"  # where the address names none
SHORTEST_S, LONGEST_S = 0.1, 3600.0  # from one page to the next
BUFFER_BYTES: Final = 16 << 20  # compressed: 26 kB for 2,000 series, so that one page each 5 s fills it in 50 minutes
PATIENCE_S, SIDECAR_PATIENCE_S = 5.0, 3.0  # at the end

REQUESTS = Field("tokenswarm_push_requests_total", "counter", "Requests that were taken.")
FAILURES = Field("tokenswarm_push_failures_total", "counter", "Requests that failed, or were refused.")
LOST = Field("tokenswarm_push_lost_samples_total", "counter", "Samples that fell out of the buffer, or were refused.")


class Sending(NamedTuple):
    """Where pages go, and how."""

    pushgateway: str = ""
    remote_write: str = ""
    every_s: float = 5.0
    ca_file: str = ""
    delete: bool = False  # the group, at the end

    @property
    def anywhere(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.pushgateway or self.remote_write)


def sending_in(environment: Mapping[str, str], pushgateway: str, remote_write: str) -> Sending:
    """Where pages go, the rest as TOKENSWARM_PUSH_EVERY, _CA_FILE and _DELETE say (Locust's options read them too)."""
    every, ca_file, delete = (environment.get(f"TOKENSWARM_PUSH_{name}", "") for name in ("EVERY", "CA_FILE", "DELETE"))
    try:
        every_s = float(every or Sending().every_s)
    except ValueError:
        raise PushError(f"TOKENSWARM_PUSH_EVERY: {every} is no number of seconds") from None
    return Sending(pushgateway, remote_write, every_s, ca_file, delete.lower() in ("true", "1", "yes"))


def group_path(group: Mapping[str, str]) -> str:
    """The path of a group of a Pushgateway: its grouping key, `job` first; what no path can hold is in base64."""
    path = ""
    for name, value in group.items():
        coded = base64.urlsafe_b64encode(value.encode()).decode().rstrip("=") or "="
        path += f"/{name}@base64/{coded}" if "/" in value or not value else f"/{name}/{quote(value, safe='')}"
    return f"/metrics{path}"


class Push:
    """What becomes of pages: each is offered to every destination; none is waited for."""

    def __init__(
        self, sending: Sending, group: Mapping[str, str], environment: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        """`group`: the grouping key, and labels of every sample. PushError when something cannot be used."""
        if not SHORTEST_S <= sending.every_s <= LONGEST_S:
            raise PushError(f"--push-every {sending.every_s:g}: from {SHORTEST_S:g} to {LONGEST_S:g} seconds")
        self._sending, self._last_ms = sending, 0
        self._deliveries: dict[str, Delivery] = {}
        if sending.pushgateway:
            peer = _peer(GATEWAY, sending.pushgateway, sending, environment)
            self._group = peer.path + group_path(group)
            self._deliveries[GATEWAY] = Delivery(peer, Latest(), lambda said: say(f"--{GATEWAY}: {said}"))
        if sending.remote_write:
            peer = _peer(REMOTE_WRITE, sending.remote_write, sending, environment)
            self._write = RemoteWrite(peer.path or WRITE_PATH, group)
            letters = Backlog(BUFFER_BYTES)
            self._deliveries[REMOTE_WRITE] = Delivery(peer, letters, lambda said: say(f"--{REMOTE_WRITE}: {said}"))

    def start(self) -> None:
        """Begin to send."""
        for delivery in self._deliveries.values():
            delivery.start()

    def offer(self, whole: bytes, at_ms: int) -> None:
        """Send a page, with what became of those before."""
        self._last_ms = at_ms
        whole += page(self.health())
        if GATEWAY in self._deliveries:
            letter = Letter("PUT", self._group, whole, {"Content-Type": CONTENT_TYPE}, 0)
            self._deliveries[GATEWAY].put(letter)
        if REMOTE_WRITE in self._deliveries:
            for letter in self._write.letters(whole, at_ms):
                self._deliveries[REMOTE_WRITE].put(letter)

    def health(self) -> list[Reading]:
        """What became of the pages so far."""
        readings: list[Reading] = []
        for to, delivery in self._deliveries.items():
            account, named = delivery.account, labels(to=to)
            readings += [(REQUESTS, named, account.requests), (FAILURES, named, account.failures)]
            readings += [(LOST, named, account.lost)] if to == REMOTE_WRITE else []
        return readings

    def stop(self, at_ms: int, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """End the series, delete the group if that was asked, send what waits for so long at most: the accounts."""
        if REMOTE_WRITE in self._deliveries:
            for letter in self._write.end(max(at_ms, self._last_ms + 1)):
                self._deliveries[REMOTE_WRITE].put(letter)
        if self._sending.delete and GATEWAY in self._deliveries:  # in the place of a last page that still waits
            self._deliveries[GATEWAY].put(Letter("DELETE", self._group, b"", {}, 0))
        ends = time.monotonic() + patience_s
        for delivery in self._deliveries.values():
            delivery.stop(max(0.0, ends - time.monotonic()))
        return {to: delivery.account.told() for to, delivery in self._deliveries.items()}


def sidecar(sending: Sending) -> Callable[[Callable[[], bytes]], Callable[[], None]]:
    """What begins to push a GPU exporter's page again and again, on a thread, and returns what ends that."""
    group = {"job": "tokenswarm-gpu", "instance": os.environ.get("NODE_NAME") or socket.gethostname()}
    push = Push(sending, group, os.environ, _say)

    def begin(whole: Callable[[], bytes]) -> Callable[[], None]:
        over = threading.Event()

        def repeat() -> None:
            while not over.is_set():
                push.offer(whole(), now_ms())
                over.wait(sending.every_s)

        def end() -> None:
            over.set()
            thread.join(1.0)
            push.offer(whole(), now_ms())
            for words in lost_words(push.stop(now_ms(), SIDECAR_PATIENCE_S)):
                _say(words)

        push.start()
        thread = threading.Thread(target=repeat, name="push", daemon=True)
        thread.start()
        return end

    return begin


def _say(words: str) -> None:
    print(f"tokenswarm: {words}", file=sys.stderr, flush=True)  # noqa: T201


def lost_words(accounts: Mapping[str, Any]) -> list[str]:
    """A line for each destination that did not get all."""
    return [
        f"--{to}: {account['lost']} samples were lost ({account['error'] or 'there was no time left'})"
        for to, account in accounts.items()
        if account["lost"]
    ]


def _peer(to: str, url: str, sending: Sending, environment: Mapping[str, str]) -> Peer:
    try:
        return Peer(url, PREFIXES[to], sending.ca_file, environment)
    except PushError as error:
        raise PushError(f"--{to}: {error}") from None


def now_ms() -> int:
    """The wall clock, as samples are dated."""
    return time.time_ns() // 1_000_000


def main() -> None:
    """Push what stdin brings, until it ends."""
    asked = json.loads(sys.stdin.buffer.readline())
    push = Push(Sending(**asked["sending"]), asked["group"], os.environ, lambda said: tell({"said": said}))
    push.start()
    for line in sys.stdin.buffer:
        if line.endswith(b"\n"):  # else it was cut, by the end of who sent it
            told = json.loads(line)
            push.offer(told["page"].encode(), told["at_ms"])
    tell({"account": push.stop(now_ms())})


if __name__ == "__main__":
    main()
