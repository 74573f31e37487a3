"""The categories of useless tokens (METRICS cost 2) in their order: what each is called, and its rule in words."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["request", "output", "input"]


class Category(msgspec.Struct, frozen=True):
    """One way to spend tokens for nothing, and the rule by which it is found."""

    title: str
    level: Level
    rule: str


CATEGORIES: dict[str, Category] = {
    "failed": Category("failed", "request", "All tokens of a request that failed, where the service told them."),
    "aborted": Category("aborted", "request", "All tokens of a request that was cut off by us, where told."),
    "truncated": Category("truncated", "request", "All tokens of a reply that ended at a limit nobody asked for."),
    "over_length": Category(
        "over-length",
        "request",
        "All tokens of a reply that ran into [tasks] max_tokens: its end is missing, so it is asked for again.",
    ),
    "retried": Category(
        "retried", "request", "The input of a request that was written again on a new connection, once for each time."
    ),
}
