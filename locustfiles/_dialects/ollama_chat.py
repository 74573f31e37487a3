"""Ollama's own chat API: newline-delimited JSON, the last object of which has the counts.

https://github.com/ollama/ollama/blob/main/docs/api.md
"""

from __future__ import annotations

import re
from array import array
from typing import Any

import msgspec

from locustfiles._dialects._ask import Ask, Usage
from locustfiles._dialects._incoming import Incoming
from locustfiles._dialects._members import opened
from locustfiles._dialects._openai_body import bearer
from locustfiles._dialects._openai_json import Number, ToolCall, generated, tokens
from locustfiles._dialects._said import complaint, line
from locustfiles._lines import LineDecoder

NOT_LAST = re.compile(rb'"done"\s*:\s*false')


class Message(msgspec.Struct, gc=False):
    """What an object adds; in a reply that is not streamed all of it."""

    content: str | None = None
    thinking: str | None = None
    tool_calls: list[ToolCall] | None = None


class Object(msgspec.Struct, gc=False):
    """One line, or a whole reply."""

    model: str | None = None
    message: Message | None = None
    done: bool | None = None
    done_reason: str | None = None
    prompt_eval_count: Number = None
    eval_count: Number = None
    error: Any = None

    def usage(self) -> Usage:
        """The counts of the last line; one that is 0 is left out there and here."""
        return Usage(tokens(self.prompt_eval_count), tokens(self.eval_count))


class OllamaReply(Incoming):
    """The reply to one chat."""

    __slots__ = ()

    promise = ("application/x-ndjson", "application/jsonl")
    decode = decode_whole = staticmethod(msgspec.json.Decoder(Object).decode)

    def _new_decoder(self) -> LineDecoder:
        return LineDecoder()

    def _streams(self, begins: bytes) -> bool | None:
        """By its content type, or because its first line is not the last."""
        if self._promised:
            return begins[:1] != b"<" if begins else None
        first, ended, _ = self._whole.partition(b"\n")
        return NOT_LAST.search(first) is not None if ended else None

    def _take(self, event: Object, at_ns: int) -> None:
        message = event.message or Message()
        self._named(event.model)
        self._stamp(self.reasoning, message.thinking, at_ns)
        self._stamp(self.text, message.content, at_ns)
        self._stamp(self.tool_calls, generated(message.tool_calls), at_ns)
        self._ended(event)

    def _take_whole(self, whole: Object) -> None:
        message = whole.message or Message()
        self._named(whole.model)
        self.text = [message.content] if message.content else []
        self.reasoning = [message.thinking] if message.thinking else []
        self.tool_calls = [calls] if (calls := generated(message.tool_calls)) else []
        self._ended(whole)

    def _ended(self, event: Object) -> None:
        if event.error:
            self._fail(complaint(event.error))
        elif event.done:
            self.done, self._counts = True, event
            self.finish_reason = line(event.done_reason or "stop")


class OllamaChat:
    """POST /api/chat. Ollama forces no length: num_predict is a limit."""

    name = "ollama-chat"
    generates = streams = verified = True

    def path(self, ask: Ask) -> str:  # noqa: ARG002 (the same for all)
        """The place under the arm's URL."""
        return "/api/chat"

    def body(self, ask: Ask) -> tuple[bytes, ...]:
        """The options, the limit among them, then the messages."""
        start = opened((("model", ask.model), ("stream", ask.stream)), ask.extra, inner="options")
        start += b'"num_predict":%d},"messages":' % ask.max_tokens
        if ask.prompt.messages is not None:
            return start, ask.prompt.messages, b"}"
        return start + b'[{"role":"user","content":"' + ask.prompt.before, ask.nonce, ask.prompt.after, b'"}]}'

    def headers(self, key: str | None) -> dict[str, str]:
        """Bearer key, as gateways in front of it want it."""
        return {**bearer(key), "accept": "application/x-ndjson, application/json"}

    def reply(self, chunks: array[int], stream: bool) -> OllamaReply:  # noqa: ARG002 (the server decides in the end)
        """An empty reply."""
        return OllamaReply(chunks)
