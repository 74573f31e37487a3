"""A trace of production traffic: when each request came, how long its prompt was and its answer."""

from __future__ import annotations

import bisect
import csv
import io
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

COLUMNS = ("timestamp", "input_tokens", "output_tokens")
NAMES = {  # what each column may be called, in any case, `_`, `-` and blanks alike
    "timestamp": ("timestamp", "time", "arrivaltime", "arrived"),
    "input_tokens": ("inputtokens", "contexttokens", "prompttokens", "inputlength", "input"),
    "output_tokens": ("outputtokens", "generatedtokens", "completiontokens", "outputlength", "output"),
}
MOST_SIZES = 64  # input sizes that prompts are made for; others are rounded to the nearest
LONGEST_TOKENS = 10_000_000
LEAST_REQUESTS = 2
SHORTEST_PROMPT = 9  # a nonce of 8 tokens and one that all share


class TraceError(ValueError):
    """A trace that cannot be replayed: one line with the number of the line that is wrong."""


class Arrival(msgspec.Struct, frozen=True):
    """One request of a trace: seconds since its first one, and its sizes in tokens."""

    at_s: float
    input_tokens: int
    output_tokens: int


class Trace(msgspec.Struct, frozen=True):
    """The requests of a file in the order of time; `left_out` says which of its lines could not be used, if any."""

    arrivals: tuple[Arrival, ...]
    left_out: str = ""

    @property
    def cycle_s(self) -> float:
        """How long a replay takes before it begins again: the seam is as long as the mean gap."""
        return self.arrivals[-1].at_s * len(self.arrivals) / (len(self.arrivals) - 1)

    @property
    def rate(self) -> float:
        """Its own mean rate, requests per second."""
        return len(self.arrivals) / self.cycle_s

    def sizes(self, least: int = SHORTEST_PROMPT) -> tuple[int, ...]:
        """Input sizes that prompts are made for: those of the file, or 64 from the least to the longest, evenly on a
        log scale; none shorter than a prompt can be."""
        known = sorted({max(one.input_tokens, least) for one in self.arrivals})
        if len(known) <= MOST_SIZES:
            return tuple(known)
        step = math.log(known[-1] / known[0]) / (MOST_SIZES - 1)
        return tuple(sorted({round(known[0] * math.exp(step * i)) for i in range(MOST_SIZES)}))


def nearest(tokens: int, sizes: tuple[int, ...]) -> int:
    """The size that is nearest by its ratio."""
    place = bisect.bisect_left(sizes, tokens)
    around = sizes[max(place - 1, 0) : place + 1]
    return min(around, key=lambda size: abs(math.log(size / max(tokens, 1))))


def read_trace(path: str | Path, skip: bool = False) -> Trace:
    """The trace in a CSV or JSONL file (by its first character); TraceError names the line that is wrong.

    With `skip` such lines are left out, and counted.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TraceError(f"not UTF-8 (byte {error.start + 1}): save the file as UTF-8") from None
    except OSError as error:
        raise TraceError(f"cannot be read: {error.strerror}") from None
    return parse_trace(text, skip)


def parse_trace(text: str, skip: bool = False) -> Trace:
    """The trace that a text holds."""
    arrivals: list[Arrival] = []
    wrong: list[str] = []
    first_s, latest = 0.0, -math.inf
    for line, row in _json_rows(text) if text.lstrip()[:1] == "{" else _csv_rows(text):
        try:
            one = _arrival(line, row, latest)
        except TraceError as error:
            wrong.append(str(error))
        else:
            latest = one.at_s
            first_s = one.at_s if not arrivals else first_s
            arrivals.append(msgspec.structs.replace(one, at_s=one.at_s - first_s))
    said = _complaint(wrong, len(arrivals), skip)
    if wrong and not (skip and arrivals):
        raise TraceError(said)
    if len(arrivals) < LEAST_REQUESTS or arrivals[-1].at_s <= 0:
        raise TraceError(f"{len(arrivals)} request(s) at one time make no trace: expected at least {LEAST_REQUESTS}")
    return Trace(tuple(arrivals), said)


def _complaint(wrong: list[str], good: int, skip: bool) -> str:
    """What is wrong with the lines of a trace: the first of them in full, then how many there are."""
    if not wrong:
        return ""
    total = len(wrong) + good
    counted = f"; {len(wrong)} of {total} lines cannot be used" if len(wrong) > 1 or skip else ""
    way = "they are left out" if skip else 'leave such lines out by on_bad = "skip"'
    return f"{wrong[0]}{counted}{f'; {way}' if good else ''}"


def _arrival(line: int, row: Any, latest: float) -> Arrival:
    """The request of one line, `at_s` as it stands there: not before the latest one."""
    if isinstance(row, TraceError):
        raise row
    named = _named(row, line)
    at_s, given, made = (_number(named, name, line) for name in COLUMNS)
    if at_s < latest:
        raise TraceError(f"line {line}: time runs backwards (timestamp {_shown(named, 'timestamp')}): sort the file")
    return Arrival(at_s, _tokens(given, "input", line), _tokens(made, "output", line))


Rows = Iterator[tuple[int, dict[str, Any] | TraceError]]


def _json_rows(text: str) -> Rows:
    for line, one in enumerate(text.splitlines(), start=1):
        if not one.strip():
            continue
        try:
            row = json.loads(one)
        except (ValueError, RecursionError):
            row = TraceError(f"line {line}: not JSON: expected one object per line")
        if not isinstance(row, dict | TraceError):
            row = TraceError(f"line {line}: expected an object with {', '.join(COLUMNS)}")
        yield line, row


def _csv_rows(text: str) -> Rows:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in rows:
            yield rows.line_num, {key: value for key, value in row.items() if key is not None}
    except csv.Error as error:
        raise TraceError(f"line {rows.line_num}: not CSV: {error}") from None


def _named(row: dict[str, Any], line: int) -> dict[str, Any]:
    """The row under our names; the first of its columns that may be one of ours is it."""
    plain = {"".join(c for c in key.lower() if c.isalnum()): value for key, value in reversed(row.items())}
    found = {}
    for column, names in NAMES.items():
        name = next((name for name in names if name in plain), None)
        if name is None:
            given = ", ".join(list(row)[:8])
            raise TraceError(f"line {line}: no column {column}; expected {', '.join(COLUMNS)}; there are: {given}")
        found[column] = plain[name]
    return found


def _number(row: dict[str, Any], name: str, line: int) -> float:
    value = row[name]
    seconds = None
    if isinstance(value, str) and name == "timestamp":
        seconds = _instant(value)
    if seconds is None and not isinstance(value, bool) and isinstance(value, int | float | str):
        try:
            seconds = float(value)
        except (ValueError, OverflowError):
            seconds = None
    if seconds is None or not math.isfinite(seconds):
        wanted = "seconds or a time such as 2026-11-23T06:15:00.25" if name == "timestamp" else "a number of tokens"
        raise TraceError(f"line {line}: {name} is {_shown(row, name)}: expected {wanted}")
    return seconds


def _instant(text: str) -> float | None:
    """Seconds since 1970 of an ISO time, UTC where it has no zone; None for anything else, as a bare number is."""
    text = text.strip()
    if "-" not in text[1:] or ":" not in text:
        return None
    whole, dot, fraction = text.partition(".")
    digits = len(fraction) - len(fraction.lstrip("0123456789"))
    kept = f"{whole}.{fraction[: min(digits, 6)].ljust(6, '0')}{fraction[digits:]}" if dot else text  # up to 1e-6 s
    try:
        found = datetime.fromisoformat(kept)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _tokens(value: float, side: str, line: int) -> int:
    if value != int(value) or not 0 <= value <= LONGEST_TOKENS:
        wanted = f"a whole number from 0 to {LONGEST_TOKENS:,}"
        raise TraceError(f"line {line}: {side}_tokens is {value:g}: expected {wanted}")
    return max(int(value), 1)


def _shown(row: dict[str, Any], name: str) -> str:
    return repr(row[name])[:40] if row[name] not in (None, "") else "empty"
