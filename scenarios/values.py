"""How people write a duration and a ladder, as the numbers that a scenario holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from scenarios.spread import ACCEPTED as ACCEPTED_SIZE
from scenarios.spread import size

Number = TypeVar("Number", int, float)

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)", re.ASCII)
LADDER = re.compile(r"(\d{1,9})\s*\.\.\s*(\d{1,9})", re.ASCII)
RATES = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*\.\.\s*(\d{1,9}(?:\.\d{1,9})?)", re.ASCII)

ACCEPTED_SECONDS = 'a number of seconds, or a string such as "500ms", "30s", "5m", "4h"'
ACCEPTED_RUNGS = 'a list such as [1, 8, 32], a whole number, or "1..32" (doubling), each from 1 and none twice'
ACCEPTED_RATES = (
    'requests per second: a list such as [0.5, 8], a number, or "1..64" (doubling), each above 0, none twice'
)


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


def rates(value: Any) -> Any:
    """The rates of an open loop: a list as it stands, one number, or "0.5..8" = 0.5, 1, 2, 4, 8."""
    if isinstance(value, str):
        match = RATES.fullmatch(value.strip())
        if match is None:
            raise ValueError(f"expected {ACCEPTED_RATES}")
        low, top = float(match[1]), float(match[2])
        if not 0 < low <= top:
            raise ValueError('a ladder climbs: "LOW..HIGH" with 0 < LOW <= HIGH')
        return _doubled(low, top)
    if _is_number(value):
        return [value]
    if not isinstance(value, list) or not value or not all(map(_is_number, value)):
        raise ValueError(f"expected {ACCEPTED_RATES}")
    if len(set(value)) < len(value):
        raise ValueError("a rate stands in the list twice")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _doubling(text: str) -> list[int]:
    match = LADDER.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected {ACCEPTED_RUNGS}")
    rung, top = int(match[1]), int(match[2])
    if not 1 <= rung <= top:
        raise ValueError('a ladder climbs: "LOW..HIGH" with 1 <= LOW <= HIGH')
    return _doubled(rung, top)


def _doubled(rung: Number, top: Number) -> list[Number]:
    """From `rung` on by twos, `top` at the end; whole numbers stay whole."""
    found = list[Number]()
    while rung < top:
        found.append(rung)
        rung *= 2
    found.append(top)
    return found


READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "seconds": (seconds, ACCEPTED_SECONDS),
    "rungs": (rungs, ACCEPTED_RUNGS),
    "rates": (rates, ACCEPTED_RATES),
    "size": (size, ACCEPTED_SIZE),
}
