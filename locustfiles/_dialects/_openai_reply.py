"""The reply to an OpenAI chat, as vLLM, SGLang, TGI, llama.cpp, LiteLLM and Azure send it.

Deviations are taken as they come: role chunks without content, `reasoning` beside `reasoning_content`, usage with an
empty `choices` or with one empty delta or in every chunk, plain JSON where events were asked for, and the reverse.
"""

from __future__ import annotations

from array import array
from typing import Any

import msgspec

from locustfiles._dialects._ask import Usage
from locustfiles._dialects._openai_json import Choice, Chunk, Delta, WireUsage, decode, tokens
from locustfiles._dialects._said import UNREADABLE, complaint, line
from locustfiles._sse import EventDecoder, EventError

HEAD_BYTES = 16 << 10  # of a body, kept for messages; all that is kept of one that is not 200
WHOLE_BYTES = 64 << 20  # of a reply that is not streamed
STREAM_BYTES = 256 << 20  # of one that is; only its text is kept
LONGEST_NAME = 120  # of a model
UNDECIDED_BYTES = 512  # of white space before it is clear what a body is
EVENT_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")


class ChatReply:
    """The reply to one chat, as it comes."""

    __slots__ = ("_decoder", "_left", "_promised", "_undecided", "_usage", "_whole", "chunks", "done", "error",
                 "finish_reason", "first_chunk_tokens", "first_visible_ns", "head", "headers", "malformed", "model",
                 "reasoning", "status", "streamed", "text", "tool_calls")  # fmt: skip

    def __init__(self, chunks: array[int]) -> None:
        self.chunks = chunks
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.tool_calls: list[str] = []
        self.finish_reason: str | None = None
        self.model: str | None = None
        self.error: str | None = None
        self.first_visible_ns: int | None = None
        self.first_chunk_tokens: int | None = None
        self.streamed = self.done = False
        self.malformed = 0
        self.status, self.headers, self.head = 0, dict[str, str](), b""
        self._usage: WireUsage | None = None
        self._decoder = EventDecoder()
        self._whole = bytearray()  # the body while it is not known to be events
        self._left = HEAD_BYTES  # bytes of the body that may still come
        self._promised = self._undecided = False

    @property
    def usage(self) -> Usage | None:
        """The server's last word on the tokens."""
        return self._usage.usage() if self._usage is not None else None

    def begin(self, status: int, headers: dict[str, str]) -> None:
        """The head of the reply; what the body is, its first bytes decide."""
        self.status, self.headers = status, headers
        self._undecided = status == 200
        self._promised = "text/event-stream" in headers.get("content-type", "").lower()
        self._left = WHOLE_BYTES if status == 200 else HEAD_BYTES

    def feed(self, data: bytes, at_ns: int) -> None:
        """Take a piece of the body that arrived at `at_ns`."""
        self._left -= len(data)
        if self.streamed and self._left >= 0:
            self._events(data, at_ns)
        else:
            self._keep(data, at_ns)

    def _keep(self, data: bytes, at_ns: int) -> None:
        """Keep a piece of what is not events, or not yet, or too long."""
        if self.streamed or (self._left < 0 and self.status == 200):
            self._error(f"a reply of more than {(STREAM_BYTES if self.streamed else WHOLE_BYTES) >> 20} MiB")
            self._whole.clear()
            return
        self._whole += data[: max(0, len(data) + min(self._left, 0))]
        if len(self.head) < HEAD_BYTES:
            self.head = bytes(self._whole[:HEAD_BYTES])
        if self._undecided:
            self._decide(at_ns)

    def _decide(self, at_ns: int) -> None:
        """Events or a whole? Servers err in either direction, so the first bytes weigh more than the content type."""
        begins = bytes(self._whole[:UNDECIDED_BYTES]).lstrip()
        if self._promised:
            known, streamed = bool(begins) or len(self._whole) > UNDECIDED_BYTES, begins[:1] not in (b"{", b"<")
        else:
            known, streamed = len(begins) >= len(b"event:"), begins.startswith(EVENT_FIELDS)
        if not known:
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
            self._error(str(error))
            self._left = -1
            return
        for event in events:
            try:
                chunk = decode(event)
            except UNREADABLE:
                self._unreadable(event)
            else:
                self._take(chunk, at_ns)
        if self._decoder.errors:
            self._named_errors()

    def _take(self, chunk: Chunk, at_ns: int) -> None:
        choice = chunk.choices[0] if chunk.choices else None
        if choice is None or chunk.error is not None:
            self._aside(chunk)
        if self.model is None and chunk.model:
            self.model = line(chunk.model, LONGEST_NAME)
        if choice is not None:
            if choice.delta is not None and self._content(choice.delta, at_ns) and len(self.chunks) == 1:
                self.first_chunk_tokens = tokens(chunk.usage.completion_tokens) or None if chunk.usage else None
            if choice.finish_reason:
                self.finish_reason = line(choice.finish_reason)
        if chunk.usage is not None:
            self._usage = chunk.usage

    def _content(self, delta: Delta, at_ns: int) -> bool:
        """Stamp a chunk that brings content, reasoning or part of a tool call; a role alone is none."""
        content = delta.content or delta.refusal
        if content:
            self.text.append(content)
            if self.first_visible_ns is None:
                self.first_visible_ns = at_ns
            if delta.reasoning_content or delta.reasoning or delta.tool_calls:
                self._unseen(delta)
        elif not self._unseen(delta):
            return False
        self.chunks.append(at_ns)
        return True

    def _unseen(self, delta: Delta) -> bool:
        """Take what a delta brings beside its content; whether that is anything."""
        thought, calls = delta.thought, delta.calls
        if thought:
            self.reasoning.append(thought)
        if calls:
            self.tool_calls.append(calls)
        return bool(thought or calls)

    def _aside(self, chunk: Chunk) -> None:
        """Take what is no choice: an error under one of its names, usage, or the filters' word on the prompt."""
        if chunk.error:
            self._error(complaint(chunk.error))
        elif not chunk.choices and chunk.usage is None and (chunk.message or chunk.detail):
            self._error(complaint(chunk.message or chunk.detail))

    def _unreadable(self, event: bytes) -> None:
        if event.strip() == b"[DONE]":
            self.done = True
            return
        self.malformed += 1
        if self.error is None:
            self._error(f"an event that cannot be read: {event[:HEAD_BYTES].decode(errors='replace')}")

    def _named_errors(self) -> None:
        """Take events that are errors by name, whatever is in them."""
        for event in self._decoder.errors:
            try:
                said: Any = msgspec.json.decode(event)
            except UNREADABLE:
                said = event[:HEAD_BYTES].decode(errors="replace")
            self._error(complaint(said))
        self._decoder.errors.clear()

    def _error(self, text: str) -> None:
        if self.error is None:
            self.error = line(text)

    def close(self) -> None:
        """The message is complete: read a reply that was not streamed."""
        if self.streamed:
            # A last event without its empty line is dropped, as the specification says, but its [DONE] is believed.
            self.done = self.done or (self._left >= 0 and b"[DONE]" in self._decoder.end())
            return
        if self.status != 200 or not self._whole:
            return
        try:
            chunk = decode(self._whole)
        except UNREADABLE:
            self.malformed += 1  # `head` tells what came instead
            return
        self._aside(chunk)
        self.model, self._usage = line(chunk.model or "", LONGEST_NAME) or None, chunk.usage
        if chunk.choices and chunk.error is None:
            self._message(chunk.choices[0])

    def _message(self, choice: Choice) -> None:
        message = choice.message or Delta()
        self.done, self.finish_reason = True, line(choice.finish_reason or "") or None
        self.text = [text for text in (message.content, message.refusal) if text]
        self.reasoning = [text for text in (message.thought,) if text]
        self.tool_calls = [text for text in (message.calls,) if text]
