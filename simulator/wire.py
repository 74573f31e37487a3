"""The bytes of a stand-in service: events, replies, errors; rendered once where they can be. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

# Common words: one token each, with their space, in the usual vocabularies.
WORDS = (
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "that",
    "it",
    "for",
    "was",
    "on",
    "with",
    "as",
    "at",
    "by",
    "from",
    "this",
)
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nserver: tokenswarm simulator\r\ncontent-type: text/event-stream\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
END = b"0\r\n\r\n"
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    505: "HTTP Version Not Supported",
}
TYPES = {401: "AuthenticationError", 404: "NotFoundError", 429: "RateLimitError", 500: "InternalServerError"}


def chunked(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(payload: Any) -> bytes:
    """One server-sent event as one HTTP chunk."""
    return chunked(b"data: " + msgspec.json.encode(payload) + b"\n\n")


DONE = chunked(b"data: [DONE]\n\n")


class Events:
    """The events of one model's streams; those of tokens are rendered once."""

    def __init__(self, model: str) -> None:
        self.model = model
        self._about = {"id": "chatcmpl-simulated", "object": "chat.completion.chunk", "created": 0, "model": model}
        self.role = event(self._with({"role": "assistant", "content": ""}))
        stamped = event(self._with({"content": " 1000000000000000000"}))
        self._before_stamp, self._after_stamp = stamped.split(b"1000000000000000000")
        self.words = [event(self._with({"content": f" {word}"})) for word in WORDS]

    def _with(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**self._about, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    def token(self, number: int, usage: dict[str, Any] | None = None) -> bytes:
        """The event of a stream's n-th token; with per-chunk usage when that was asked."""
        if usage is None:
            return self.words[number % len(WORDS)]
        return self.said(f" {WORDS[number % len(WORDS)]}", usage)

    def stamped(self, wall_ns: int) -> bytes:
        """An event whose content is this time: 19 digits until the year 2286, so that its length is known."""
        return b"%s%d%s" % (self._before_stamp, wall_ns, self._after_stamp)

    def said(self, text: str, usage: dict[str, Any] | None = None) -> bytes:
        """An event with this content; with per-chunk usage when that was asked."""
        payload = self._with({"content": text})
        return event(payload if usage is None else {**payload, "usage": usage})

    def ending(self, usage: dict[str, Any] | None, finish: str = "length") -> bytes:
        """Finish reason, usage when it was asked, [DONE], and the end of the message."""
        parts = [event(self._with({}, finish))]
        if usage is not None:
            parts.append(event({**self._about, "choices": [], "usage": usage}))
        return b"".join([*parts, DONE, END])

    def whole(self, text: str, usage: dict[str, Any], finish: str) -> bytes:
        """A reply that is not streamed."""
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
        return reply(200, {**self._about, "object": "chat.completion", "choices": [choice], "usage": usage})


def words(tokens: int) -> str:
    """The text of a reply of so many tokens."""
    return "".join(f" {WORDS[number % len(WORDS)]}" for number in range(tokens))


def usage(given: int, made: int, cached: int) -> dict[str, Any]:
    """Token counts in OpenAI's form."""
    return {
        "prompt_tokens": given,
        "completion_tokens": made,
        "total_tokens": given + made,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def reply(status: int, payload: Any, headers: tuple[bytes, ...] = (), kind: bytes = b"application/json") -> bytes:
    """A whole reply with its length."""
    body = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    lines = (
        b"HTTP/1.1 %d %s" % (status, REASONS.get(status, "Status").encode()),
        b"server: tokenswarm simulator",
        b"content-type: " + kind,
        b"content-length: %d" % len(body),
        *headers,
    )
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def with_headers(data: bytes, lines: tuple[bytes, ...]) -> bytes:
    """A reply, or its head, with some more header lines."""
    return data.replace(b"\r\n\r\n", b"\r\n%s\r\n\r\n" % b"\r\n".join(lines), 1) if lines else data


def trailed(lines: tuple[bytes, ...]) -> bytes:
    """The end of a chunked message with trailers."""
    return b"".join([b"0\r\n", *(line + b"\r\n" for line in lines), b"\r\n"])


def error(status: int, message: str, headers: tuple[bytes, ...] = (), param: str | None = None) -> bytes:
    """An error in OpenAI's form. The types of 400 and 404 are vLLM's; its 401 would be {"error": "Unauthorized"}."""
    kind = TYPES.get(status, "BadRequestError")
    return reply(status, {"error": {"message": message, "type": kind, "param": param, "code": status}}, headers)
