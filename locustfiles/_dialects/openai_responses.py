"""OpenAI responses, as OpenAI, vLLM, llama.cpp and gateways serve them: typed events, the last of which has it all.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from array import array
from typing import Any

import msgspec

from locustfiles._dialects._ask import Ask, Usage
from locustfiles._dialects._incoming import Incoming
from locustfiles._dialects._members import opened
from locustfiles._dialects._openai_body import bearer
from locustfiles._dialects._openai_json import Details, Number, tokens
from locustfiles._dialects._said import complaint, line

ENDS = {f"response.{status}": status for status in ("completed", "incomplete", "failed", "cancelled")}
REASONS = {"max_output_tokens": "length", "max_tokens": "length"}


class WireUsage(msgspec.Struct, gc=False):
    """Token counts as the server sends them."""

    input_tokens: Number = None
    output_tokens: Number = None
    input_tokens_details: Details | None = None
    output_tokens_details: Details | None = None

    def usage(self) -> Usage:
        """In our words."""
        given, made = self.input_tokens_details or Details(), self.output_tokens_details or Details()
        return Usage(*map(tokens, (self.input_tokens, self.output_tokens, given.cached_tokens, made.reasoning_tokens)))


class Part(msgspec.Struct, gc=False):
    """A part of an item: text, a refusal, reasoning or its summary."""

    text: str | None = None
    refusal: str | None = None


class Item(msgspec.Struct, gc=False):
    """A thing that the model put out: a message, its reasoning, a call of a tool."""

    type: str | None = None
    content: list[Part] | None = None
    summary: list[Part] | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None


class Incomplete(msgspec.Struct, gc=False):
    """Why a reply is incomplete."""

    reason: str | None = None


class Response(msgspec.Struct, gc=False):
    """The reply as a whole: by itself, or inside an event that tells its state."""

    status: str | None = None
    model: str | None = None
    output: list[Item] | None = None
    usage: WireUsage | None = None
    incomplete_details: Incomplete | None = None
    error: Any = None


class Event(msgspec.Struct, gc=False):
    """One event of a stream."""

    type: str | None = None
    delta: Any = None
    item: Item | None = None
    response: Response | None = None
    error: Any = None
    message: Any = None
    code: Any = None


class ResponseReply(Incoming):
    """The reply to one request for a response."""

    __slots__ = ()

    decode = staticmethod(msgspec.json.Decoder(Event).decode)
    decode_whole = staticmethod(msgspec.json.Decoder(Response).decode)

    def _take(self, event: Event, at_ns: int) -> None:
        kind = event.type or ""
        if kind.endswith(".delta") and isinstance(event.delta, str):
            self._stamp(self._where(kind), event.delta, at_ns)
        elif kind == "response.output_item.added" and event.item is not None:
            self._stamp(self.tool_calls, event.item.name, at_ns)
        elif event.response is not None or kind in ENDS:
            self._state(event.response or Response(), ENDS.get(kind))
        elif event.error or kind == "error":
            self._fail(complaint(event.error or {"message": event.message, "code": event.code}))

    def _where(self, kind: str) -> list[str]:
        """Which text a delta belongs to, by the name of its event."""
        if kind in ("response.output_text.delta", "response.refusal.delta"):
            return self.text
        return self.reasoning if "reasoning" in kind else self.tool_calls

    def _state(self, response: Response, named: str | None = None) -> None:
        """Take what a reply tells of itself as a whole: in its first events little, in its last all.

        Gateways leave its status out; then the event's name is the status.
        """
        status = response.status or named
        self._named(response.model)
        self._counts = response.usage or self._counts
        if response.error or status in ("failed", "cancelled"):
            self._fail(complaint(response.error or f"the response is {status}"))
        elif status == "completed":
            self.done, self.finish_reason = True, "stop"
        elif status == "incomplete":
            reason = (response.incomplete_details or Incomplete()).reason or "incomplete"
            self.done, self.finish_reason = True, REASONS.get(reason) or line(reason)

    def _take_whole(self, whole: Response) -> None:
        self._state(whole)
        for item in whole.output or ():
            parts = [part.text or part.refusal or "" for part in [*(item.summary or ()), *(item.content or ())]]
            said = self.reasoning if item.type == "reasoning" else self.text
            said += [part for part in parts if part]
            call = f"{item.name or ''}{item.arguments or item.input or ''}"
            self.tool_calls += [call] if call else []


class OpenAIResponses:
    """POST /v1/responses. The API forces no length: max_output_tokens is a limit."""

    name = "openai-responses"
    generates = streams = verified = True

    def path(self, ask: Ask) -> str:  # noqa: ARG002 (the same for all)
        """The place under the arm's URL."""
        return "/v1/responses"

    def body(self, ask: Ask) -> tuple[bytes, ...]:
        """The options, the limit, then the input: a task's messages as they are, or the prompt with its nonce."""
        start = opened((("model", ask.model), ("stream", ask.stream)), ask.extra)
        start += b'"max_output_tokens":%d,"input":' % ask.max_tokens
        if ask.prompt.messages is not None:
            return start, ask.prompt.messages, b"}"
        return start + b'"' + ask.prompt.before, ask.nonce, ask.prompt.after, b'"}'

    def headers(self, key: str | None) -> dict[str, str]:
        """Bearer key, when there is one."""
        return bearer(key)

    def reply(self, chunks: array[int], stream: bool) -> ResponseReply:  # noqa: ARG002 (the server decides in the end)
        """An empty reply."""
        return ResponseReply(chunks)
