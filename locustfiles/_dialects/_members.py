"""The part of a request body that is the same for every request: encoded once, then spliced in front of the prompt."""

from __future__ import annotations

from functools import lru_cache

import msgspec

Word = str | int | bool
Members = dict[str, msgspec.Raw | Word]


@lru_cache(maxsize=256)
def opened(ours: tuple[tuple[str, Word], ...], extra: bytes, inner: str = "") -> bytes:
    """A JSON object of our members and those that extra_body adds, ready for the next member.

    Ours win. With `inner` that member is an object of extra_body's own: it comes last and is left open.
    """
    given: Members = msgspec.json.decode(b"{" + extra + b"}", type=dict[str, msgspec.Raw])
    options = bytes(given.pop(inner, msgspec.Raw(b"{}")))  # type: ignore[arg-type]
    head = _ready({**given, **dict(ours)})
    if not inner:
        return head
    try:
        return head + b'"%s":' % inner.encode() + _ready(msgspec.json.decode(options, type=dict[str, msgspec.Raw]))
    except msgspec.ValidationError:  # no object: what it says is passed over
        return head + b'"%s":{' % inner.encode()


def _ready(members: Members) -> bytes:
    return msgspec.json.encode(members)[:-1] + (b"," if members else b"")
