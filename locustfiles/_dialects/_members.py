"""The part of a request body that is the same for every request: encoded once, then spliced in front of the prompt."""

from __future__ import annotations

from functools import lru_cache

import msgspec

Word = str | int | bool


@lru_cache(maxsize=256)
def opened(ours: tuple[tuple[str, Word], ...], extra: bytes, inner: str = "") -> bytes:
    """A JSON object of our members and those that extra_body adds, ready for the next member.

    Ours win. With `inner` that member is an object of extra_body's own: it comes last and is left open.
    """
    given: dict[str, msgspec.Raw] = msgspec.json.decode(b"{" + extra + b"}", type=dict[str, msgspec.Raw])
    last = bytes(given.pop(inner, b"{}")).strip()
    head = msgspec.json.encode({**given, **dict(ours)})[:-1] + b","
    if not inner:
        return head
    members = last[1:-1].strip() if last.startswith(b"{") else b""
    return head + b'"%s":{' % inner.encode() + (members + b"," if members else b"")
