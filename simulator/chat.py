"""One chat: admitted or refused, then its stream (or its whole reply), with the fault that it drew."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any

from simulator import wire
from simulator.engine import Job
from simulator.requests import Chat, blocks, natural_length, tokens_of

if TYPE_CHECKING:
    from simulator.server import Service

DEFAULT_TOKENS = 256
TOKENS_BEFORE_FAULT = 3  # a stream that breaks has sent this many


class ChatStream:
    """The reply to one chat on one connection."""

    def __init__(self, service: Service, transport: asyncio.Transport, chat: Chat) -> None:
        self._service, self._transport, self._chat = service, transport, chat
        self._job: Job | None = None
        self._fault: str | None = None
        self._begun = self._broken = False
        options = chat.stream_options
        self._with_usage = options is not None and options.include_usage
        self._per_chunk = options is not None and options.continuous_usage_stats

    def begin(self, fault: str | None) -> None:
        """Refuse, or let the engine (or the script) begin."""
        self._fault = fault
        refusal = self._refusal(fault)
        if refusal is not None:
            self._transport.write(refusal)
        elif self._service.options.scripted:
            self._given = len(tokens_of(self._chat.text))
            self._service.script.begin(self._say)
        else:
            self._submit()

    def cancel(self) -> None:
        """The client is gone."""
        self._broken = True
        if self._job is not None:
            self._service.ticker.cancel(self._job)

    def _refusal(self, fault: str | None) -> bytes | None:
        if fault == "rate_limited":
            return wire.error(429, "rate limit reached", (b"retry-after: 1",))
        if fault == "error_500":
            return wire.error(500, "internal error (asked for)")
        if fault == "empty":
            return wire.STREAM_HEAD + wire.DONE + wire.END
        return None

    def _submit(self) -> None:
        words = tokens_of(self._chat.text)
        self._given = len(words)
        limit, longest = self._service.profile.max_model_len, self._length()
        if self._given + longest > limit:
            self._transport.write(
                wire.error(
                    400,
                    f"This model's maximum context length is {limit} tokens. However, you requested "
                    f"{self._given + longest} tokens ({self._given} in the messages, {longest} in the completion).",
                )
            )
            return
        self._job = self._service.ticker.submit(max(self._given, 1), longest, tuple(blocks(words)), self._take)

    def _length(self) -> int:
        """Forced length, or where the model stops by itself."""
        chat = self._chat
        asked = chat.max_completion_tokens or chat.max_tokens or DEFAULT_TOKENS
        return asked if chat.ignore_eos else max(natural_length(chat.text, asked), min(chat.min_tokens, asked))

    # -- tokens

    def _say(self, text: str, last: bool) -> bool:
        """A scripted token; False when the client is gone."""
        if self._broken or self._transport.is_closing():
            return False
        data = self._head() + self._service.events.said(text)
        if last:
            data += self._ending(self._service.options.tokens)
        self._transport.write(data)
        return True

    def _take(self, number: int, last: bool) -> None:
        """A token of the engine."""
        if self._broken:
            return
        if not self._chat.stream:
            if last:
                self._transport.write(self._service.events.whole(number + 1, self._usage(number + 1)))
            return
        if self._fault is not None and number >= min(TOKENS_BEFORE_FAULT, self._length() - 1):
            self._break()
            return
        data = self._head() + self._service.events.token(number, self._usage(number + 1) if self._per_chunk else None)
        self._transport.write(data + self._ending(number + 1) if last else data)

    def _head(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return wire.STREAM_HEAD + self._service.events.role

    def _usage(self, made: int) -> dict[str, Any]:
        return wire.usage(self._given, made, self._job.cached if self._job else 0)

    def _ending(self, made: int) -> bytes:
        asked = self._chat.max_completion_tokens or self._chat.max_tokens or DEFAULT_TOKENS
        finish = "length" if made >= asked or self._service.options.scripted else "stop"
        return self._service.events.ending(self._usage(made) if self._with_usage else None, finish)

    def _break(self) -> None:
        """The fault, in the middle of the stream."""
        self.cancel()
        if self._fault == "reset":
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() sends RST
            self._transport.abort()
        elif self._fault == "malformed":
            self._transport.write(wire.chunked(b"data: {this is no JSON\n\n") + wire.DONE + wire.END)
        elif self._fault == "stream_error":
            failed = {"error": {"message": "the engine failed (asked for)", "type": "server_error"}}
            self._transport.write(wire.event(failed) + wire.DONE + wire.END)
