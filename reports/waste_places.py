"""Where things stand in a text: fenced code, sentences, words; each as (start, end) of its characters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

Place = tuple[int, int]

FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+#-]*)[^\n]*$", re.M)
SENTENCE = re.compile(r"[^\s][^\n]*?(?:[.!?:]+(?=[\s*_\"'”)]|$)|(?=\n)|\Z)", re.S)
WORD = re.compile(r"\w+")


def fenced(text: str) -> list[tuple[Place, str]]:
    """Fenced code with its fences, and its language; what is never closed goes to the end."""
    found, open_at = [], None
    for mark in FENCE.finditer(text):
        if open_at is None:
            open_at = mark
        elif mark[1][0] == open_at[1][0]:
            found.append(((open_at.start(), mark.end()), open_at[2].lower()))
            open_at = None
    if open_at is not None:
        found.append(((open_at.start(), len(text)), open_at[2].lower()))
    return found


def sentences(text: str) -> list[Place]:
    """Sentences and lines: up to a full stop or colon that white space follows, or to the line's end."""
    return [match.span() for match in SENTENCE.finditer(text) if match[0].strip()]


def words(text: str) -> list[tuple[Place, str]]:
    """Runs of letters, digits and underscores, without case."""
    return [(match.span(), match[0].casefold()) for match in WORD.finditer(text)]


def inside(at: int, places: Iterable[Place]) -> bool:
    """Whether a character stands in one of them."""
    return any(start <= at < end for start, end in places)


def joined(flags: Iterable[bool], many: int) -> Iterator[Place]:
    """Maximal runs [first, last + many) over positions whose flag is set: where runs of `many` begin."""
    start, end = None, 0
    for at, flag in enumerate(flags):
        if flag and (start is None or at > end):
            if start is not None:
                yield start, end
            start, end = at, at + many
        elif flag:
            end = at + many
    if start is not None:
        yield start, end
