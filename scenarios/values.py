"""How people write a duration and a ladder, as the numbers that a scenario holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)", re.ASCII)
LADDER = re.compile(r"(\d{1,9})\s*\.\.\s*(\d{1,9})", re.ASCII)

ACCEPTED_SECONDS = 'a number of seconds, or a string such as "500ms", "30s", "5m", "4h"'
ACCEPTED_RUNGS = 'a list such as [1, 8, 32], a whole number, or "1..32" (doubling), each from 1 and none twice'


def seconds(value: Any) -> Any:
    """Seconds of "500ms", "30s", "5m" or "4h"; a number stays what it is."""
    if not isinstance(value, str):
        return value
    match = DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"expected {ACCEPTED_SECONDS}")
    return float(match[1]) * SECONDS[match[2]]


def rungs(value: Any) -> Any:
    """The rungs of a ladder: a list as it stands, one number, or "1..40" = 1, 2, 4, 8, 16, 32, 40."""
    if isinstance(value, str):
        return _doubling(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected {ACCEPTED_RUNGS}")
    whole = all(isinstance(rung, int) and not isinstance(rung, bool) for rung in value)
    if not whole:
        raise ValueError(f"expected {ACCEPTED_RUNGS}")
    if len(set(value)) < len(value):
        raise ValueError("a rung stands in the list twice")
    return value


def _doubling(text: str) -> list[int]:
    match = LADDER.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected {ACCEPTED_RUNGS}")
    rung, top = int(match[1]), int(match[2])
    if not 1 <= rung <= top:
        raise ValueError('a ladder climbs: "LOW..HIGH" with 1 <= LOW <= HIGH')
    found = []
    while rung < top:
        found.append(rung)
        rung *= 2
    return [*found, top]


READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "seconds": (seconds, ACCEPTED_SECONDS),
    "rungs": (rungs, ACCEPTED_RUNGS),
}
