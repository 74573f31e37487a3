"""What a rule finds: characters of a text that could be left out or said shorter, and what that saves.

Categories follow each other, and each is credited with what it saves beyond those before it. So nothing is counted
twice, and the parts sum to the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from reports.vocabulary import tokens


class Edit(msgspec.Struct, frozen=True):
    """Characters start to end of a text, and what could stand there instead."""

    start: int
    end: int
    instead: str = ""


def savings(text: str, found: Mapping[str, Sequence[Edit]]) -> dict[str, int]:
    """Tokens that each category saves, in the order of the categories.

    An edit that overlaps one of an earlier category is left out; one of the very same place takes its turn. A category
    that saves nothing is undone.
    """
    saved: dict[str, int] = {}
    kept: list[Edit] = []
    left = tokens(text)
    for name, edits in found.items():
        tried = _joined(kept, edits)
        now = tokens(applied(text, tried)) if tried != kept else left
        saved[name] = max(left - now, 0)
        if now < left:
            kept, left = tried, now
    return saved


def applied(text: str, edits: Sequence[Edit]) -> str:
    """The text with edits that do not overlap."""
    pieces, at = [], 0
    for edit in sorted(edits, key=lambda one: one.start):
        pieces += [text[at : edit.start], edit.instead]
        at = edit.end
    return "".join([*pieces, text[at:]])


def _joined(kept: Sequence[Edit], more: Sequence[Edit]) -> list[Edit]:
    places = {(edit.start, edit.end) for edit in more}
    stay = [edit for edit in kept if (edit.start, edit.end) not in places]
    return [*stay, *(edit for edit in more if not any(_overlap(edit, other) for other in stay))]


def _overlap(one: Edit, other: Edit) -> bool:
    return one.start < other.end and other.start < one.end
