"""Anthropic messages, as Anthropic, llama.cpp, vLLM and gateways serve them.

Events are typed: `message_start` brings the input's counts, `content_block_delta` content, `message_delta` the stop
reason and the output's count (cumulative), `error` ends it. https://docs.anthropic.com/en/api/messages-streaming
"""

from __future__ import annotations

from array import array
from functools import lru_cache
from typing import Any

import msgspec

from locustfiles._dialects._ask import Ask, Usage
from locustfiles._dialects._incoming import Incoming
from locustfiles._dialects._members import opened
from locustfiles._dialects._openai_json import Number, tokens
from locustfiles._dialects._said import UNREADABLE, complaint, line
from locustfiles._dialects._texts import texts_of

VERSION = "2023-06-01"
FINISH = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls",
          "model_context_window_exceeded": "length", "refusal": "content_filter"}  # fmt: skip


class WireUsage(msgspec.Struct, gc=False):
    """Counts as they are sent: `input_tokens` are only those that were neither read from a cache nor written to one."""

    input_tokens: Number = None
    cache_read_input_tokens: Number = None
    cache_creation_input_tokens: Number = None
    output_tokens: Number = None

    def usage(self) -> Usage:
        """In our words: input is all of it."""
        new, read, written = map(
            tokens, (self.input_tokens, self.cache_read_input_tokens, self.cache_creation_input_tokens)
        )
        return Usage(None if new is None else new + (read or 0) + (written or 0), tokens(self.output_tokens), read)


class Block(msgspec.Struct, gc=False):
    """A block of content, or what an event adds to one."""

    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    name: str | None = None
    input: Any = None
    stop_reason: str | None = None


class Message(msgspec.Struct, gc=False):
    """A whole reply, or its beginning."""

    content: list[Block] | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: WireUsage | None = None
    error: Any = None


class Event(msgspec.Struct, gc=False):
    """One event of a stream."""

    type: str | None = None
    message: Message | None = None
    content_block: Block | None = None
    delta: Block | None = None
    usage: WireUsage | None = None
    error: Any = None


class MessageReply(Incoming):
    """The reply to one message."""

    __slots__ = ()

    decode = staticmethod(msgspec.json.Decoder(Event).decode)
    decode_whole = staticmethod(msgspec.json.Decoder(Message).decode)

    def _take(self, event: Event, at_ns: int) -> None:
        if event.error:
            self._fail(complaint(event.error))
        if event.message is not None:
            self._named(event.message.model)
            self._count(event.message.usage, output=False)  # the 1 or so that is told here is no count
        for block in (event.content_block, event.delta):
            if block is not None:
                self._block(block, at_ns)
        if event.usage is not None:
            self._count(event.usage, output=True)
        self.done = self.done or event.type == "message_stop"

    def _block(self, block: Block, at_ns: int) -> None:
        self._stamp(self.text, block.text, at_ns)
        self._stamp(self.reasoning, block.thinking, at_ns)
        self._stamp(self.tool_calls, block.partial_json or block.name, at_ns)
        self._ended(block.stop_reason)

    def _count(self, told: WireUsage | None, output: bool) -> None:
        """Take what an event tells of the counts; what it does not tell stays."""
        counts = self._counts if isinstance(self._counts, WireUsage) else WireUsage()
        for name in WireUsage.__struct_fields__ if told is not None else ():
            count = getattr(told, name)
            if count is not None and (output or name != "output_tokens"):
                setattr(counts, name, count)
                self._counts = counts

    def _ended(self, reason: str | None) -> None:
        if reason:
            self.finish_reason = FINISH.get(reason) or line(reason)

    def _take_whole(self, whole: Message) -> None:
        self._named(whole.model)
        self._counts = whole.usage
        if whole.error:
            self._fail(complaint(whole.error))
        elif whole.content is not None:
            self.done = True
            self._ended(whole.stop_reason)
            for block in whole.content:
                self.text += [block.text] if block.text else []
                self.reasoning += [block.thinking] if block.thinking else []
                self.tool_calls += [f"{block.name}{msgspec.json.encode(block.input).decode()}"] if block.name else []


class AnthropicMessages:
    """POST /v1/messages. The API forces no length: max_tokens is a limit."""

    name = "anthropic-messages"
    generates = streams = verified = True

    def path(self, ask: Ask) -> str:  # noqa: ARG002 (the same for all)
        """The place under the arm's URL."""
        return "/v1/messages"

    def body(self, ask: Ask) -> tuple[bytes, ...]:
        """The options, the limit, then the messages; a task's system messages go where this API has them."""
        ours: tuple[tuple[str, str | bool], ...] = (("model", ask.model), ("stream", ask.stream))
        limit = b'"max_tokens":%d,"messages":' % ask.max_tokens
        if ask.prompt.messages is not None:
            system, messages = parted(ask.prompt.messages)
            return opened((*ours, ("system", system)) if system else ours, ask.extra) + limit, messages, b"}"
        start = opened(ours, ask.extra) + limit + b'[{"role":"user","content":"'
        return start + ask.prompt.before, ask.nonce, ask.prompt.after, b'"}]}'

    def headers(self, key: str | None) -> dict[str, str]:
        """The API's version, and its key under its own name."""
        headers = {"content-type": "application/json", "accept": "text/event-stream, application/json"}
        return {**headers, "anthropic-version": VERSION, **({"x-api-key": key} if key else {})}

    def reply(self, chunks: array[int], stream: bool) -> MessageReply:  # noqa: ARG002 (the server decides in the end)
        """An empty reply."""
        return MessageReply(chunks)


@lru_cache(maxsize=4096)
def parted(messages: bytes) -> tuple[str, bytes]:
    """The text of a task's system messages, and the others as they are."""
    try:
        given = msgspec.json.decode(messages, type=list[dict[str, Any]])
    except UNREADABLE:
        return "", messages
    system = [message for message in given if message.get("role") == "system"]
    if not system:
        return "", messages
    said = [text for message in system for text in texts_of(message.get("content"))]
    return "\n\n".join(said), msgspec.json.encode([message for message in given if message not in system])
