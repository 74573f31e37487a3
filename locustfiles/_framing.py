"""HTTP/1.1 replies: bytes in, the message out to a sink. llhttp finds the frames; this holds what it does not."""

from __future__ import annotations

import sys
from array import array
from typing import Protocol

import httptools

from exporters.sample import Timeline
from locustfiles._target import Failure

QUIET_BYTES = 65536  # head, trailers and chunk extensions may take this much between two pieces of the body
NO_BODY = (204, 304)
TLS_ALERT = b"\x15\x03"
H2_SETTINGS = (
    b"\x00\x04\x00\x00\x00\x00\x00"  # type, flags and stream of the frame that every HTTP/2 server sends first
)


class Sink(Protocol):
    """What takes a reply. `chunks` are the stamps of its content chunks: their number says what a read brought."""

    chunks: array[int]

    def begin(self, status: int, headers: dict[str, str]) -> None:
        """The head of the final reply; names in lower case. Trailers appear in the same dict before `close`."""

    def feed(self, data: bytes, at_ns: int) -> None:
        """A piece of the body that arrived at `at_ns`."""

    def close(self) -> None:
        """The message is complete."""


class FramingError(Exception):
    """A reply that breaks the protocol or its limits; the text is the detail of the Failure."""


class Framing:
    """The reply to one request, as far as it has come. httptools calls the on_ methods."""

    __slots__ = ("_feed", "_head", "_headers", "_parse", "_parser", "_quiet", "_sink", "_timeline", "_until_eof",
                 "at", "begun", "done", "keep")  # fmt: skip

    def __init__(self, sink: Sink, timeline: Timeline) -> None:
        self._sink, self._timeline = sink, timeline
        self._feed = sink.feed
        self._headers: dict[str, str] = {}
        self._parser = httptools.HttpResponseParser(self)
        self._parse = self._parser.feed_data
        self._head, self._quiet = b"", 0
        self._until_eof = False
        self.at = 0  # when what is being parsed arrived
        self.begun = self.done = self.keep = False  # a byte has come; the message is complete; another may follow it

    def take(self, data: bytes, at: int) -> None:
        """Parse what arrived at `at`; raises FramingError for what is no reply, and whatever the sink raises."""
        self.at = at
        self._quiet += len(data)
        if not self.begun:
            self.begun, self._head = True, data[:16]
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            if not self.done:
                raise self._violation(error) from None
            self.keep = False  # the message was whole; what followed it is nobody's
        except httptools.HttpParserUpgrade:
            raise FramingError("the reply switches protocols (101), which nobody asked for") from None
        if self._quiet > QUIET_BYTES:
            raise FramingError(f"more than {QUIET_BYTES >> 10} KiB of headers, trailers or chunk extensions")

    def eof(self) -> bool:
        """The connection has closed: whether that is how this message ends."""
        if self._until_eof and not self.done:
            self.on_message_complete()
        return self.done

    def where(self) -> str:
        """How far the reply has come, in words."""
        if not self.begun:
            return "before any byte of the reply"
        return "in the headers of the reply" if self._timeline.headers is None else "in the body of the reply"

    def release(self) -> None:
        """Let go of the parser, which holds our methods: no cycle is left for the collector."""
        del self._parser, self._parse, self._feed

    def on_message_begin(self) -> None:
        """A status line begins; a second one is not ours."""
        if self.done:
            raise FramingError("a second reply")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header or a trailer."""
        key, text = sys.intern(name.decode("latin-1").lower()), value.decode("latin-1").strip()
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """The head of an interim reply, which is skipped, or of the final one."""
        status, headers = self._parser.get_status_code(), self._headers
        if status < 200:
            return
        self._timeline.headers = self.at
        coding = headers.get("transfer-encoding", "").lower()
        framed = coding.endswith("chunked") if coding else "content-length" in headers
        self._until_eof = not framed and status not in NO_BODY
        self._sink.begin(status, headers)
        packed = headers.get("content-encoding", "identity").lower()
        if status < 300 and packed not in ("identity", ""):
            raise FramingError(f"the reply is compressed ({packed:.20}) against our Accept-Encoding: turn that off")

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._quiet = 0
        self._feed(data, self.at)

    def on_message_complete(self) -> None:
        """The end of an interim reply or of the message."""
        if self._timeline.headers is None:
            self._headers = {}
            return
        self.keep = self._parser.should_keep_alive()
        self._timeline.end = self.at
        self._sink.close()
        self.done = True

    def _violation(self, error: httptools.HttpParserError) -> BaseException:
        cause = error.__context__
        if isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
            return cause
        if self._head.startswith(TLS_ALERT):
            return FramingError("the server speaks TLS on this port: is it https:// ?")
        if self._head[3:10] == H2_SETTINGS or (self._head[3:5] == b"\x04\x00" and self._head[:1] == b"\x00"):
            return FramingError("the server speaks HTTP/2 only: put an HTTP/1.1 endpoint in front of it")
        if self._timeline.headers is None:
            return FramingError(f"not an HTTP/1.1 reply ({error}): it begins with {self._head!r}")
        return FramingError(f"the body breaks HTTP/1.1: {error}")


def protocol_failure(error: Exception) -> Failure:
    """What was raised while a reply was taken, as a Failure."""
    if isinstance(error, FramingError):
        return Failure("protocol", str(error))
    return Failure("protocol", f"the reply could not be taken: {type(error).__name__}: {str(error)[:200]}")
