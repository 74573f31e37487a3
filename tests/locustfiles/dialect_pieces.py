"""What the tests of all dialects share: recorded replies, how they are read, what they tell."""

from __future__ import annotations

import json
from array import array
from pathlib import Path

import msgspec

from locustfiles._dialects import DIALECTS, Ask, Reply
from locustfiles._prompts import Prompt

FIXTURES = Path(__file__).parent / "fixtures"
EVENTS, JSON, LINES = (
    {"content-type": kind} for kind in ("text/event-stream", "application/json", "application/x-ndjson")
)


def recorded(name: str) -> bytes:
    """A reply of a real engine (fixtures/README.md)."""
    return (FIXTURES / name).read_bytes()


def kind_of(name: str) -> dict[str, str]:
    """The headers that such a file came with."""
    return {"sse": EVENTS, "json": JSON, "ndjson": LINES}[name.rpartition(".")[2]]


def events(*said: dict, named: bool = False) -> bytes:
    """Server-sent events; with their names where the API gives them."""
    name = [b"event: %s\n" % event["type"].encode() if named else b"" for event in said]
    return b"".join(
        b"%sdata: %s\n\n" % (name, json.dumps(event).encode()) for name, event in zip(name, said, strict=True)
    )


def read(api: str, *pieces: bytes, status: int = 200, headers: dict[str, str] = EVENTS) -> Reply:
    """A reply that came in these pieces, 10 ns apart from 100 on."""
    reply = DIALECTS[api].reply(array("q"), stream=headers is not JSON)
    reply.begin(status, dict(headers))
    for number, piece in enumerate(pieces):
        reply.feed(piece, 100 + 10 * number)
    reply.close()
    return reply


def told(reply: Reply) -> dict:
    """Everything that a reply tells, except when."""
    return {
        "text": "".join(reply.text), "reasoning": "".join(reply.reasoning), "calls": "".join(reply.tool_calls),
        "usage": reply.usage, "finish": reply.finish_reason, "model": reply.model, "error": reply.error,
        "done": reply.done, "streamed": reply.streamed, "malformed": reply.malformed, "chunks": len(reply.chunks),
        "answers": reply.answers,
    }  # fmt: skip


def ask(**changes: object) -> Ask:
    """An ordinary request of the matrix."""
    prompt = Prompt(id="p", tokens=3, before=b'say \\u00e9 \\"', after=b'\\" twice')
    usual = Ask(model="m", prompt=prompt, nonce=b" one two ", max_tokens=7, force_length=True, stream=True, extra=b"")
    return msgspec.structs.replace(usual, **changes)


def sent(api: str, request: Ask) -> dict:
    """What the server reads; no key comes twice."""

    def once(pairs: list[tuple[str, object]]) -> dict:
        assert len(dict(pairs)) == len(pairs), pairs
        return dict(pairs)

    return json.loads(b"".join(DIALECTS[api].body(request)), object_pairs_hook=once)
