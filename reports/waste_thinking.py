"""Thinking that comes with a reply and is thrown away by whoever uses it."""

from __future__ import annotations

import re

from reports.waste_edits import Edit

THINK = re.compile(r"<(think|thinking|thought|reasoning)>.*?(?:</\1>|\Z)", re.S | re.I)


def thinking(text: str) -> list[Edit]:
    """What stands between think tags; what is never closed goes to the end."""
    return [Edit(*match.span()) for match in THINK.finditer(text)]
