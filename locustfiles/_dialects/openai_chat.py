"""OpenAI chat completions, as vLLM, SGLang, TGI, llama.cpp, LiteLLM and Azure speak it.

https://platform.openai.com/docs/api-reference/chat/streaming; deviations are taken as they come: role chunks without
content, `reasoning` beside `reasoning_content`, usage with an empty `choices` or with one empty delta, per-chunk usage.
"""

from __future__ import annotations

from array import array
from typing import Any

import msgspec

from locustfiles._dialects._ask import Ask, Usage
from locustfiles._sse import EventDecoder, EventError

HEAD_BYTES = 2048  # of a body that is not understood, kept for the message
WHOLE_BYTES = 64 << 20  # of a reply that is not streamed


class ToolFunction(msgspec.Struct):
    """A piece of a tool call."""

    name: str | None = None
    arguments: str | None = None


class ToolCall(msgspec.Struct):
    """A piece of a tool call with its place."""

    function: ToolFunction | None = None


class Delta(msgspec.Struct):
    """What a choice adds; in a non-streamed reply the whole message."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(msgspec.Struct):
    """One answer of several; we ask for one."""

    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None


class Details(msgspec.Struct):
    """Parts of the token counts."""

    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """Token counts as the server sends them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None

    def usage(self) -> Usage:
        """In our words."""
        given, made = self.prompt_tokens_details or Details(), self.completion_tokens_details or Details()
        return Usage(self.prompt_tokens, self.completion_tokens, given.cached_tokens, made.reasoning_tokens)


class Chunk(msgspec.Struct):
    """One event, or a whole reply."""

    choices: list[Choice] = []
    usage: WireUsage | None = None
    model: str | None = None
    error: Any = None


_decode = msgspec.json.Decoder(Chunk).decode


class ChatReply:
    """The reply to one chat, as it comes."""

    __slots__ = ("_decoder", "_whole", "chunks", "done", "error", "finish_reason", "first_chunk_tokens",
                 "first_visible_ns", "head", "headers", "malformed", "model", "reasoning", "status", "streamed", "text",
                 "tool_calls", "usage")  # fmt: skip

    def __init__(self, chunks: array[int]) -> None:
        self.chunks = chunks
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.tool_calls: list[str] = []
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.model: str | None = None
        self.error: str | None = None
        self.first_visible_ns: int | None = None
        self.first_chunk_tokens: int | None = None
        self.streamed = self.done = False
        self.malformed = 0
        self.status, self.headers, self.head = 0, dict[str, str](), b""
        self._decoder = EventDecoder()
        self._whole: bytearray | None = None

    def begin(self, status: int, headers: dict[str, str]) -> None:
        """Events under 200 with that type; anything else is kept whole."""
        self.status, self.headers = status, headers
        self.streamed = status == 200 and "text/event-stream" in headers.get("content-type", "")
        self._whole = None if self.streamed else bytearray()

    def feed(self, data: bytes, at_ns: int) -> None:
        """Take a piece of the body that arrived at `at_ns`."""
        if self._whole is not None:
            if len(self._whole) < WHOLE_BYTES:
                self._whole += data
            return
        if not self.head:
            self.head = data[:HEAD_BYTES]
        try:
            events = self._decoder.feed(data)
        except EventError as error:
            self.error = self.error or str(error)
            return
        for event in events:
            self._event(event, at_ns)

    def _event(self, event: bytes, at_ns: int) -> None:
        try:
            chunk = _decode(event)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            if event.strip() == b"[DONE]":
                self.done = True
            else:
                self._malformed(event)
            return
        if chunk.choices:
            choice = chunk.choices[0]
            if choice.delta is not None and self._content(choice.delta, at_ns) and len(self.chunks) == 1:
                self.model = chunk.model
                if chunk.usage is not None:
                    self.first_chunk_tokens = chunk.usage.completion_tokens
            if choice.finish_reason is not None:
                self.finish_reason = choice.finish_reason
        if chunk.usage is not None:
            self.usage = chunk.usage.usage()
        if chunk.error is not None:
            self._error(chunk.error)

    def _content(self, delta: Delta, at_ns: int) -> bool:
        """Stamp a chunk that brings content, reasoning or part of a tool call; a role alone is none."""
        if delta.content:
            self.text.append(delta.content)
            if self.first_visible_ns is None:
                self.first_visible_ns = at_ns
        elif delta.reasoning_content or delta.reasoning:
            self.reasoning.append(delta.reasoning_content or delta.reasoning or "")
        elif delta.tool_calls:
            self.tool_calls.append(msgspec.json.encode(delta.tool_calls).decode())
        else:
            return False
        self.chunks.append(at_ns)
        return True

    def _malformed(self, event: bytes) -> None:
        self.malformed += 1
        if self.error is None:
            self.error = f"an event that cannot be read: {event[:80].decode(errors='replace')}"

    def _error(self, error: Any) -> None:
        message = error.get("message", error) if isinstance(error, dict) else error
        self.error = self.error or str(message)

    def close(self) -> None:
        """The message is complete: read a reply that was not streamed."""
        if self._whole is None:
            return
        self.head = bytes(self._whole[:HEAD_BYTES])
        if self.status != 200:
            return
        try:
            chunk = _decode(self._whole)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return  # head tells what came instead
        self.model = chunk.model
        self.usage = chunk.usage.usage() if chunk.usage else None
        if chunk.error is not None:
            self._error(chunk.error)
        if chunk.choices:
            self._message(chunk.choices[0])

    def _message(self, choice: Choice) -> None:
        message = choice.message or Delta()
        self.done, self.finish_reason = True, choice.finish_reason
        self.text = [message.content] if message.content else []
        self.reasoning = [text for text in (message.reasoning_content or message.reasoning,) if text]
        self.tool_calls = [msgspec.json.encode(call).decode() for call in message.tool_calls or ()]


class OpenAIChat:
    """POST /v1/chat/completions."""

    name = "openai-chat"
    path = "/v1/chat/completions"

    def body(self, ask: Ask) -> tuple[bytes, ...]:
        """Model and options first, then the messages with prompt and nonce spliced in."""
        options = [b'{"model":' + msgspec.json.encode(ask.model), b'"max_tokens":%d' % ask.max_tokens]
        if ask.force_length and b'"ignore_eos"' not in ask.extra:
            options.append(b'"ignore_eos":true')
        if ask.force_length and b'"min_tokens"' not in ask.extra:
            options.append(b'"min_tokens":%d' % ask.max_tokens)
        if ask.stream:
            options.append(b'"stream":true,"stream_options":{"include_usage":true}')
        if ask.extra:
            options.append(ask.extra)
        head = b",".join(options)
        if ask.prompt.messages is not None:
            return head + b',"messages":', ask.prompt.messages, b"}"
        return (
            head + b',"messages":[{"role":"user","content":"' + ask.prompt.before,
            ask.nonce,
            ask.prompt.after,
            b'"}]}',
        )

    def headers(self, key: str | None) -> dict[str, str]:
        """Bearer key, when there is one."""
        headers = {"content-type": "application/json", "accept": "text/event-stream, application/json"}
        return {**headers, "authorization": f"Bearer {key}"} if key else headers

    def reply(self, chunks: array[int], stream: bool) -> ChatReply:  # noqa: ARG002 (the server decides in the end)
        """An empty reply."""
        return ChatReply(chunks)
