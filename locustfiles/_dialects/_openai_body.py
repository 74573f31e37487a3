"""What the bodies of OpenAI's two completion APIs have in common: options, lengths, and how a length is forced."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from locustfiles._dialects._ask import Ask

OURS = (
    "model",
    "messages",
    "prompt",
    "stream",
    "max_tokens",
)  # the scenario's own words: extra_body cannot change them
OFF = {"ignore_eos": (b"false", b"null"), "min_tokens": (b"0", b"null"), "stream_options": (b"false", b"null", b"{}")}


def head(ask: Ask) -> bytes:
    """A body up to its prompt: an open JSON object."""
    options, lengths = opening(ask.model, ask.stream, ask.force_length, ask.extra)
    return options + b"".join([b"%s%d" % (length, ask.max_tokens) for length in lengths])


def bearer(key: str | None) -> dict[str, str]:
    """Headers of an OpenAI request, with its key where there is one."""
    headers = {"content-type": "application/json", "accept": "text/event-stream, application/json"}
    return {**headers, "authorization": f"Bearer {key}"} if key else headers


@lru_cache(maxsize=64)
def opening(model: str, stream: bool, force_length: bool, extra: bytes) -> tuple[bytes, tuple[bytes, ...]]:
    """The part of a body that is the same for every request, and the members in front of its lengths.

    `extra` overrides how lengths are forced and what stream_options are sent; with false, 0, null or {} the member is
    not sent at all, for servers that refuse what they do not know. With max_completion_tokens in it the length goes
    under that name (OpenAI's reasoning models).
    """
    given: dict[str, msgspec.Raw] = msgspec.json.decode(b"{" + extra + b"}", type=dict[str, msgspec.Raw])
    members: dict[str, Any] = {"model": model}
    if stream:
        members |= {"stream": True, "stream_options": {"include_usage": True}}
    if force_length:
        members["ignore_eos"] = True
    length = "max_completion_tokens" if "max_completion_tokens" in given else "max_tokens"
    lengths = [length, "min_tokens"] if force_length and "min_tokens" not in given else [length]
    for name, value in given.items():
        if bytes(value).replace(b" ", b"") in OFF.get(name, ()) or (name == "stream_options" and not stream):
            members.pop(name, None)
        elif name not in (*OURS, length):
            members[name] = value
    return msgspec.json.encode(members)[:-1], tuple(b',"%s":' % name.encode() for name in lengths)
