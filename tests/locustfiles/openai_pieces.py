"""Pieces of OpenAI streams and replies made of them, for the tests of the dialect."""

from __future__ import annotations

import json
from array import array
from pathlib import Path

from locustfiles._dialects._openai_reply import ChatReply

FIXTURES = Path(__file__).parent / "fixtures"
EVENTS, JSON = {"content-type": "text/event-stream; charset=utf-8"}, {"content-type": "application/json"}
DONE = b"data: [DONE]\n\n"


def read(*pieces: bytes, status: int = 200, headers: dict[str, str] = EVENTS) -> ChatReply:
    """A reply that came in these pieces, 10 ns apart from 100 on."""
    reply = ChatReply(array("q"))
    reply.begin(status, headers)
    for number, piece in enumerate(pieces):
        reply.feed(piece, 100 + 10 * number)
    reply.close()
    return reply


def event(*choices: dict, **more: object) -> bytes:
    return b"data: " + json.dumps({"id": "x", "choices": list(choices), **more}).encode() + b"\n\n"


def delta(finish: str | None = None, **fields: object) -> dict:
    return {"index": 0, "delta": fields, "finish_reason": finish, "logprobs": None}


def told(reply: ChatReply) -> tuple:
    """Everything that a reply tells, except when."""
    return ("".join(reply.text), "".join(reply.reasoning), "".join(reply.tool_calls), reply.usage, reply.finish_reason,
            reply.model, reply.error, reply.done, reply.streamed, reply.malformed, len(reply.chunks),
            reply.first_chunk_tokens)  # fmt: skip


def recorded(name: str) -> bytes:
    """A reply of a real engine (fixtures/README.md)."""
    return (FIXTURES / name).read_bytes()


ROLE = event(delta(role="assistant", content=""), model="m")
END = event(delta("stop"))
LITELLM_USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
