"""The JSON of OpenAI's chat API, as far as it is read. Unknown fields are skipped; `null` is as good as absent.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

from typing import Any

import msgspec

from locustfiles._dialects._ask import Usage

MOST_TOKENS = 1 << 40  # no count of tokens is larger
Number = int | float | None


class ToolFunction(msgspec.Struct, gc=False):
    """A piece of a tool call."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class ToolCall(msgspec.Struct, gc=False):
    """A piece of a tool call with its place."""

    function: ToolFunction | None = None


def generated(calls: list[ToolCall] | None) -> str:
    """The generated text of tool calls: names and arguments."""
    pieces: list[str] = []
    for call in calls or ():
        if call.function is not None:
            given = call.function.arguments or ""
            pieces.append(call.function.name or "")
            pieces.append(given if isinstance(given, str) else msgspec.json.encode(given).decode())
    return "".join(pieces)


class Delta(msgspec.Struct, gc=False):
    """What a choice adds; in a non-streamed reply the whole message."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None

    @property
    def thought(self) -> str:
        """Reasoning under either of its names; servers that send both send the same."""
        return self.reasoning_content or self.reasoning or ""

    @property
    def calls(self) -> str:
        """The generated text of the tool calls."""
        return generated(self.tool_calls)


class Choice(msgspec.Struct, gc=False):
    """One answer of several; one is asked for."""

    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None


class Details(msgspec.Struct, gc=False):
    """Parts of the token counts."""

    cached_tokens: Number = None
    reasoning_tokens: Number = None


class WireUsage(msgspec.Struct, gc=False):
    """Token counts as the server sends them."""

    prompt_tokens: Number = None
    completion_tokens: Number = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None

    def usage(self) -> Usage:
        """In our words."""
        given, made = self.prompt_tokens_details or Details(), self.completion_tokens_details or Details()
        counts = (self.prompt_tokens, self.completion_tokens, given.cached_tokens, made.reasoning_tokens)
        return Usage(*map(tokens, counts))


class Chunk(msgspec.Struct, gc=False):
    """One event, a whole reply, or the news that there is none: `error`, or its fields themselves."""

    choices: list[Choice] | None = None
    usage: WireUsage | None = None
    model: str | None = None
    error: Any = None
    message: Any = None
    detail: Any = None


def tokens(count: Number) -> int | None:
    """A count of tokens; None for what cannot be one."""
    return None if count is None or not 0 <= count < MOST_TOKENS else int(count)


decode = msgspec.json.Decoder(Chunk).decode
