"""What a client asks, read and judged. The simulator's tokenizer: a token is a word, so counting costs nothing."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

from simulator.engine import BLOCK_TOKENS


class StreamOptions(msgspec.Struct):
    """OpenAI's, and vLLM's per-chunk usage."""

    include_usage: bool = False
    continuous_usage_stats: bool = False


class Message(msgspec.Struct):
    """One message; content may be text or parts."""

    role: str = "user"
    content: Any = ""


class Chat(msgspec.Struct):
    """A chat request; unknown members are ignored, as servers do."""

    messages: list[Message]
    model: str = ""
    stream: bool = False
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    ignore_eos: bool = False
    min_tokens: int = 0
    stream_options: StreamOptions | None = None

    @property
    def text(self) -> str:
        """Everything said."""
        return " ".join(_texts(message.content) for message in self.messages)


def _texts(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


class Tokenize(msgspec.Struct):
    """POST /tokenize, vLLM's form."""

    prompt: str = ""
    messages: list[Message] = []


def tokens_of(text: str) -> list[str]:
    """The simulator's tokens: words."""
    return text.split()


def blocks(words: list[str]) -> Iterator[int]:
    """Hashes of a prompt's whole blocks, each with all that came before it."""
    running = 0
    for start in range(0, len(words) - BLOCK_TOKENS + 1, BLOCK_TOKENS):
        running = zlib.crc32(" ".join(words[start : start + BLOCK_TOKENS]).encode(), running)
        yield running << 16 | start // BLOCK_TOKENS & 0xFFFF


def natural_length(text: str, limit: int) -> int:
    """Where the model stops by itself: 8 to 200 tokens, by the prompt's text, `limit` at most."""
    return min(limit, 8 + zlib.crc32(text.encode()) % 193)
