"""White space that says nothing, and the fences around code."""

from __future__ import annotations

import re
from collections.abc import Iterable

from reports.waste_edits import Edit
from reports.waste_places import FENCE, Place, fenced, inside

SPACE = re.compile(
    r"\A\s+"  # before the first sign
    r"|\s+\Z"  # after the last one
    r"|[ \t]*\n(?:[ \t]*\n){2,}"  # two empty lines or more
    r"|[ \t]+(?=\n)"  # at a line's end
    r"|(?<=\S) {2,}(?=\S)"  # within a line
)


def white_space(text: str, apart: Iterable[Place] = ()) -> list[Edit]:
    """White space that could be one blank, one empty line or nothing; outside fenced code and what is given apart."""
    places = [*(place for place, _ in fenced(text)), *apart]
    found = [match for match in SPACE.finditer(text) if not inside(match.start(), places)]
    return [Edit(*match.span(), _instead(match, len(text))) for match in found if match[0]]


def _instead(match: re.Match[str], end: int) -> str:
    if match.start() == 0 or match.end() == end:
        return ""
    return "\n\n" if match[0].count("\n") > 1 else "" if "\n" in match.string[match.end() :][:1] else " "


def fences(text: str) -> list[Edit]:
    """The lines that open and close fenced code."""
    return [Edit(match.start(), min(match.end() + 1, len(text))) for match in FENCE.finditer(text)]
