"""What a client asks, read and judged. Pure."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

DEFAULT_TOKENS = 256  # where the model stops at the latest when no limit is given


class StreamOptions(msgspec.Struct):
    """OpenAI's, and vLLM's per-chunk usage."""

    include_usage: bool = False
    continuous_usage_stats: bool = False


class Message(msgspec.Struct):
    """One message; content may be text or parts."""

    role: str = "user"
    content: Any = ""


class Chat(msgspec.Struct):
    """A chat request; unknown members (temperature, top_p, ...) are ignored, as servers do."""

    messages: list[Message]
    model: str = ""
    stream: bool = False
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    ignore_eos: bool = False
    min_tokens: int = 0
    n: int | None = 1
    stream_options: StreamOptions | None = None

    @property
    def text(self) -> str:
        """Everything said."""
        return text_of(self.messages)

    @property
    def limit(self) -> int | None:
        """The longest reply that was asked for; the newer name wins."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    def length(self) -> tuple[int, str]:
        """Tokens of the reply and why it ends: forced, or where the model stops by itself (8 to 200, by the text)."""
        limit = self.limit or DEFAULT_TOKENS
        if self.ignore_eos:
            return limit, "length"
        natural = max(8 + zlib.crc32(self.text.encode()) % 193, self.min_tokens)
        return (limit, "length") if natural >= limit else (natural, "stop")

    def objection(self) -> str | None:
        """What a server would refuse about it, in one line."""
        limit = self.limit
        if not self.messages:
            return "messages must not be empty"
        if limit is not None and limit < 1:
            return f"max_tokens must be at least 1, got {limit}."
        if self.min_tokens < 0 or self.min_tokens > (limit or self.min_tokens):
            return f"min_tokens must be between 0 and max_tokens={limit}, got {self.min_tokens}."
        if self.n not in (None, 1):
            return f"n = {self.n}: only one choice is simulated"
        return None


class Tokenize(msgspec.Struct):
    """POST /tokenize, in either of vLLM's forms."""

    prompt: str = ""
    messages: list[Message] = []


def text_of(messages: list[Message]) -> str:
    """The words of all messages; a simulated model has no chat template, so they are the whole prompt."""
    return " ".join(_said(message.content) for message in messages)


def _said(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def overflow(limit: int, given: int, asked: int) -> str | None:
    """vLLM's words for a request that is longer than the context, as its clients quote them in 2026."""
    if given + asked <= limit:
        return None
    counted = min(given, max(0, limit - asked) + 1)  # vLLM stops to tokenize one token past the room: hence "at least"
    return (
        f"This model's maximum context length is {limit} tokens. However, you requested {asked} output tokens and your "
        f"prompt contains at least {counted} input tokens, for a total of at least {counted + asked} tokens. Please "
        "reduce the length of the input prompt or the number of requested output tokens. "
        f"(parameter=input_tokens, value={counted})"
    )
