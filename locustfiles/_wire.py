"""The wire: requests and their replies over HTTP/1.1, dated by the kernel. The only way to a service under test.

connection = Connection(Target.from_arm(arm))
failure = connection.exchange([head(...), body], reply, timeline, deadlines)
"""

from __future__ import annotations

import contextlib
import time
from array import array
from collections.abc import Mapping, Sequence

from exporters.sample import Timeline
from locustfiles._flight import Flight
from locustfiles._framing import Sink
from locustfiles._poll import raise_file_limit
from locustfiles._socket import Channel, DialError, dial
from locustfiles._target import Deadlines, Failure, Target, head

__all__ = ["Connection", "Deadlines", "Failure", "Sink", "Target", "get", "head", "post", "raise_file_limit"]


class Connection:
    """One keep-alive connection to a target; it connects with its first exchange and whenever it has to."""

    __slots__ = ("_channel", "_target")

    def __init__(self, target: Target) -> None:
        self._target = target
        self._channel: Channel | None = None

    def exchange(
        self, request: Sequence[bytes], sink: Sink, timeline: Timeline, deadlines: Deadlines
    ) -> Failure | None:
        """Send the request (head, then body parts) and fill sink and timeline; None, or why it failed.

        Blocks the calling greenlet. A reused connection that ends before any byte of the reply had been given up by the
        server: the request is sent once more, on a new one (`timeline.attempts`).
        """
        due = time.monotonic_ns() + round(deadlines.total_s * 1e9)
        try:
            while True:
                channel = self._channel if self._channel and self._channel.idle() else self._dial(timeline, due)
                flight = Flight(channel, self._target, sink, timeline)
                reused, channel.used = channel.used, True
                failure = flight.run(request, deadlines, due)
                if not flight.kept:
                    self.close()
                lost = failure is not None and failure.kind in ("reset", "closed") and flight.unanswered
                if not (reused and lost):
                    return failure
                timeline.attempts += 1
        except DialError as error:
            return error.failure
        except BaseException:
            self.close()
            raise

    def open(self, timeline: Timeline, timeout_s: float) -> None:
        """Connect ahead of an exchange; a refusal is left to that exchange, which tries again."""
        if self._channel is None or not self._channel.idle():
            with contextlib.suppress(DialError):
                self._dial(timeline, time.monotonic_ns() + round(timeout_s * 1e9))

    def close(self) -> None:
        """Close it; the next exchange connects anew."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _dial(self, timeline: Timeline, due: int) -> Channel:
        self.close()
        left_s = max((due - time.monotonic_ns()) / 1e9, 0.001)
        self._channel = dial(self._target, timeline, left_s)
        return self._channel


class Whole:
    """A sink that keeps the reply as it is."""

    def __init__(self) -> None:
        self.chunks = array("q")
        self.status, self.headers, self.body = 0, dict[str, str](), bytearray()

    def begin(self, status: int, headers: dict[str, str]) -> None:
        """Keep the head."""
        self.status, self.headers = status, headers

    def feed(self, data: bytes, at_ns: int) -> None:  # noqa: ARG002
        """Keep a piece of the body."""
        self.body += data

    def close(self) -> None:
        """Nothing is left to do."""


Reply = tuple[int, dict[str, str], bytes]


def get(target: Target, path: str, headers: Mapping[str, str], timeout_s: float) -> Reply:
    """Status, headers and body of a GET on a connection of its own; ConnectionError when there is no reply."""
    return _once(target, [head("GET", target, path, headers, 0)], timeout_s)


def post(target: Target, path: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> Reply:
    """The same for a POST."""
    return _once(target, [head("POST", target, path, headers, len(body)), body], timeout_s)


def _once(target: Target, request: Sequence[bytes], timeout_s: float) -> Reply:
    connection, whole = Connection(target), Whole()
    try:
        failure = connection.exchange(request, whole, Timeline(), Deadlines(total_s=timeout_s))
    finally:
        connection.close()
    if failure is not None:
        raise ConnectionError(f"{failure.kind}: {failure.detail}")
    return whole.status, whole.headers, bytes(whole.body)
