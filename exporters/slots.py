"""A slot engine (llama.cpp) gives every slot a whole context; how many and how long is at /props, not on its page.

Pure. Source: the README of llama.cpp's server, and what it answers (2026). With one pool for all slots (--kv-unified)
it tells every slot all of that pool, and nowhere that it is the same.
"""

from __future__ import annotations

import posixpath
from typing import Annotated

import msgspec

from exporters.server import PageError

Count = Annotated[int, msgspec.Meta(gt=0, lt=2**40)]


class Settings(msgspec.Struct, frozen=True):
    """What a slot begins with, of which: tokens of its context."""

    n_ctx: Count


class Props(msgspec.Struct, frozen=True):
    """What the server tells of itself, of which: its slots."""

    total_slots: Count
    default_generation_settings: Settings


def has_slots(page: str) -> bool:
    """Whether a page of /metrics is a slot engine's."""
    return any(line.startswith("llamacpp:") for line in page.splitlines())


def props_beside(path: str) -> str:
    """Where /props is, from where /metrics is."""
    return posixpath.join(posixpath.dirname(path.partition("?")[0]), "props")


def pool_of(props: str) -> dict[str, float]:
    """slots, pool_tokens = slots x context, and block_tokens = context: a slot is one block; PageError without them."""
    try:
        told = msgspec.json.decode(props, type=Props)
    except msgspec.DecodeError:
        raise PageError("tells no slots and no context") from None
    slots, context = float(told.total_slots), float(told.default_generation_settings.n_ctx)
    return {"slots": slots, "pool_tokens": slots * context, "block_tokens": context}
