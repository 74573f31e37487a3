"""A reply as it comes: events, or a whole. What every dialect's replies have in common.

A dialect's own Reply says how one event and how a whole reply is decoded (`decode`, `decode_whole`) and what of it is
content (`_take`, `_take_whole`); which of both comes, its bounds, its errors and its stamps are told here.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import msgspec

from locustfiles._dialects._ask import Usage
from locustfiles._dialects._said import UNREADABLE, complaint, line
from locustfiles._dialects._seen import Seen
from locustfiles._lines import LineDecoder
from locustfiles._sse import EventDecoder, EventError

HEAD_BYTES = 16 << 10  # of a body, kept for messages; all that is kept of one that is not 200
WHOLE_BYTES = 64 << 20  # of a reply that is not streamed
STREAM_BYTES = 256 << 20  # of one that is; only its text is kept
LONGEST_NAME = 120  # of a model
UNDECIDED_BYTES = 512  # of white space before it is clear what a body is
EVENT_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")


class Counts(Protocol):
    """Token counts as one API sends them."""

    def usage(self) -> Usage:
        """In our words."""


class Decoder(Protocol):
    """Bytes in, the payload of each complete event out."""

    errors: list[tuple[int, bytes]]

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that these bytes complete; raises EventError."""

    def end(self) -> list[bytes]:
        """The payload that the end of the stream has cut off, if any."""


class Incoming:
    """One reply, server-sent events or whole JSON."""

    __slots__ = ("_at", "_counts", "_decoder", "_left", "_promised", "_undecided", "_whole", "answers", "chunks",
                 "done", "error", "finish_reason", "first_chunk_tokens", "first_visible_ns", "head", "headers",
                 "malformed", "model", "reasoning", "seen", "status", "streamed", "text", "tool_calls")  # fmt: skip

    promise: tuple[str, ...] = ("text/event-stream",)  # the content types that promise a stream
    decode: Callable[[bytes], Any]  # one event
    decode_whole: Callable[[bytearray], Any]  # a reply that is not streamed

    def __init__(self, chunks: array[int]) -> None:
        self.chunks = chunks
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.tool_calls: list[str] = []
        self.answers = 0
        self.finish_reason: str | None = None
        self.model: str | None = None
        self.error: str | None = None
        self.first_visible_ns: int | None = None
        self.first_chunk_tokens: int | None = None
        self.streamed = self.done = False
        self.malformed = 0
        self.status, self.headers, self.head = 0, dict[str, str](), b""
        self.seen: Seen | None = None
        self._counts: Counts | None = None
        self._decoder = self._new_decoder()
        self._whole = bytearray()  # the body while it is not known to be events
        self._left = HEAD_BYTES  # bytes of the body that may still come
        self._at = 0  # when the last piece of it arrived
        self._promised = self._undecided = False

    @property
    def usage(self) -> Usage | None:
        """The server's last word on the tokens."""
        return self._counts.usage() if self._counts is not None else None

    @property
    def missing(self) -> tuple[str, ...]:
        """No path: the API says where things are."""
        return ()

    # What a dialect says.

    def _new_decoder(self) -> Decoder:
        return EventDecoder()

    def _take(self, event: Any, at_ns: int) -> None:
        """Take one decoded event."""
        raise NotImplementedError

    def _take_whole(self, whole: Any) -> None:
        """Take a decoded reply that was not streamed."""
        raise NotImplementedError

    def _streams(self, begins: bytes) -> bool | None:
        """Whether a body that begins so is a stream; None: not clear yet. Servers err in either direction, so the first
        bytes weigh more than the content type."""
        if self._promised:
            return begins[:1] not in (b"{", b"<") if begins or len(self._whole) > UNDECIDED_BYTES else None
        return begins.startswith(EVENT_FIELDS) if len(begins) >= len(b"event:") else None

    def _end(self) -> None:
        """Take what the end has cut off: a last line lacks nothing but its line end; a last event without its empty
        line is dropped, as the specification says, but its [DONE] is believed."""
        for event in self._decoder.end():
            if event == b"[DONE]":
                self.done = True
            elif isinstance(self._decoder, LineDecoder):
                if self.seen is not None:
                    self.seen.take([event])
                with suppress(*UNREADABLE):
                    self._take(self.decode(event), self._at)

    # What the wire says.

    def begin(self, status: int, headers: dict[str, str]) -> None:
        """The head of the reply; what the body is, its first bytes decide."""
        self.status, self.headers = status, headers
        self._undecided = status == 200
        kind = headers.get("content-type", "").lower()
        self._promised = any(promise in kind for promise in self.promise)
        self._left = WHOLE_BYTES if status == 200 else HEAD_BYTES

    def feed(self, data: bytes, at_ns: int) -> None:
        """Take a piece of the body that arrived at `at_ns`."""
        self._left -= len(data)
        self._at = at_ns
        if self.streamed and self._left >= 0:
            self._events(data, at_ns)
        else:
            self._keep(data, at_ns)

    def close(self) -> None:
        """The message is complete: read a reply that was not streamed."""
        if self.streamed:
            if self._left >= 0:
                self._end()
            return
        if self.status != 200 or not self._whole:
            return
        try:
            whole = self.decode_whole(self._whole)
        except UNREADABLE:
            self.malformed += 1  # `head` tells what came instead
            return
        if self.seen is not None:
            self.seen.take([bytes(self._whole)])
        self._take_whole(whole)

    def _keep(self, data: bytes, at_ns: int) -> None:
        """Keep a piece of what is not events, or not yet, or too long."""
        if self.streamed or (self._left < 0 and self.status == 200):
            self._fail(f"a reply of more than {(STREAM_BYTES if self.streamed else WHOLE_BYTES) >> 20} MiB")
            self._whole.clear()
            return
        self._whole += data[: max(0, len(data) + min(self._left, 0))]
        if len(self.head) < HEAD_BYTES:
            self.head = bytes(self._whole[:HEAD_BYTES])
        if self._undecided:
            self._decide(at_ns)

    def _decide(self, at_ns: int) -> None:
        streamed = self._streams(bytes(self._whole[:UNDECIDED_BYTES]).lstrip())
        if streamed is None:
            return
        self._undecided, self.streamed = False, streamed
        if streamed:
            data, self._whole = bytes(self._whole), bytearray()
            self._left += STREAM_BYTES - WHOLE_BYTES
            self._events(data, at_ns)

    def _events(self, data: bytes, at_ns: int) -> None:
        try:
            events = self._decoder.feed(data)
        except EventError as error:
            self._fail(str(error))
            self._left = -1
            return
        if self._decoder.errors:
            self._mixed(events, at_ns)
        else:
            self._take_all(events, at_ns)

    def _take_all(self, events: list[bytes], at_ns: int) -> None:
        if self.seen is not None:
            self.seen.take(events)
        for event in events:
            try:
                decoded = self.decode(event)
            except UNREADABLE:
                self._unreadable(event)
            else:
                self._take(decoded, at_ns)

    def _mixed(self, events: list[bytes], at_ns: int) -> None:
        """Take events among which some are errors by name, in their order: the first word counts."""
        taken = 0
        for place, event in self._decoder.errors:
            self._take_all(events[taken:place], at_ns)
            self._named_error(event)
            taken = place
        self._take_all(events[taken:], at_ns)
        self._decoder.errors.clear()

    def _unreadable(self, event: bytes) -> None:
        if event.strip() == b"[DONE]":
            self.done = True
            return
        self.malformed += 1
        if self.error is None:
            self._fail(f"an event that cannot be read: {event[:HEAD_BYTES].decode(errors='replace')}")

    def _named_error(self, event: bytes) -> None:
        """Take an event that is an error by name, whatever is in it."""
        try:
            said: Any = msgspec.json.decode(event)
        except UNREADABLE:
            said = event[:HEAD_BYTES].decode(errors="replace")
        self._fail(complaint(said))

    # What a dialect finds.

    def _stamp(self, said: list[str], text: str | None, at_ns: int) -> None:
        """Take a piece of generated text, if it is one: a content chunk that arrived at `at_ns`."""
        if not text:
            return
        said.append(text)
        self.chunks.append(at_ns)
        if said is self.text and self.first_visible_ns is None:
            self.first_visible_ns = at_ns

    def _named(self, model: str | None) -> None:
        """The model that answers, as the server names it first."""
        if model and self.model is None:
            self.model = line(model, LONGEST_NAME) or None

    def _fail(self, text: str) -> None:
        """What is wrong with the reply; the first word counts."""
        if self.error is None:
            self.error = line(text) or "an error without a word"
