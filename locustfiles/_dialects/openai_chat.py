"""OpenAI chat completions: how to ask. https://platform.openai.com/docs/api-reference/chat/create."""

from __future__ import annotations

from array import array
from functools import lru_cache
from typing import Any

import msgspec

from locustfiles._dialects._ask import Ask
from locustfiles._dialects._openai_reply import ChatReply

OURS = ("model", "messages", "stream", "max_tokens")  # what the scenario says elsewhere: extra_body cannot change it
OFF = {"ignore_eos": (b"false", b"null"), "min_tokens": (b"0", b"null"), "stream_options": (b"false", b"null", b"{}")}


class OpenAIChat:
    """POST /v1/chat/completions."""

    name = "openai-chat"
    path = "/v1/chat/completions"

    def body(self, ask: Ask) -> tuple[bytes, ...]:
        """The options, the lengths, then the messages with prompt and nonce spliced in."""
        options, lengths = opening(ask.model, ask.stream, ask.force_length, ask.extra)
        head = options + b"".join([b"%s%d" % (length, ask.max_tokens) for length in lengths])
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
