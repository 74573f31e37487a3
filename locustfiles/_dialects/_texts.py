"""A prompt for APIs that take one text: a task's messages become their contents, one below the other."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from locustfiles._dialects._said import UNREADABLE
from locustfiles._prompts import Prompt


def text_of(prompt: Prompt) -> tuple[bytes, bytes]:
    """What stands before and after the nonce, JSON-escaped without quotes."""
    if prompt.messages is None:
        return prompt.before, prompt.after
    return flattened(prompt.messages), b""


@lru_cache(maxsize=4096)
def flattened(messages: bytes) -> bytes:
    """The texts of chat messages, parted by empty lines; parts that are no text (images) have no place in one."""
    try:
        given = msgspec.json.decode(messages)
    except UNREADABLE:
        given = []
    texts = [text for message in given if isinstance(message, dict) for text in texts_of(message.get("content"))]
    return escaped("\n\n".join(texts))


def holds_more(messages: bytes) -> bool:
    """Whether chat messages hold parts that are no text."""
    given = msgspec.json.decode(messages)
    parts = [part for message in given if isinstance(message.get("content"), list) for part in message["content"]]
    return any(not isinstance(part, dict) or not isinstance(part.get("text"), str) for part in parts)


def escaped(text: str) -> bytes:
    """A text as it stands between the quotes of JSON."""
    return msgspec.json.encode(text)[1:-1]


def texts_of(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else []
    return [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
