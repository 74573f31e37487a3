"""What is wrong with a scenario, and how it reads in one line: key, value as given, what is accepted."""

from __future__ import annotations

import datetime
import difflib
import json
import re
from collections.abc import Iterable
from typing import Any, Final

Where = tuple[str | int, ...]  # a key's place in the file: ("arms", "candidate", "url")

MISSING: Final = object()  # the value of a key that is not there
UNSHOWN: Final = object()  # the value of a key that may hold a secret, or whose very name is wrong
LONGEST = 60  # characters of a value that a line shows
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class ScenarioError(Exception):
    """A scenario that cannot be run; its text is one clear line."""


class Wrong(Exception):  # noqa: N818 (a finding about a key; `load` makes the error of it)
    """One key that is wrong: where, the value as given (or MISSING, UNSHOWN), and what is accepted instead."""

    def __init__(self, where: Where, value: Any, text: str) -> None:
        super().__init__(where, value, text)
        self.where, self.value, self.text = where, value, text

    def line(self, source: str, data: dict[str, Any]) -> str:
        """The finding as one line after its source ("ab.toml: ", "--set "); `data` has the value as it was given."""
        key = dotted(self.where) or "the file"
        if self.value is MISSING:
            return f"{source}{key} is missing: {self.text}"
        if self.value is UNSHOWN:
            return f"{source}{key}: {self.text}"
        given = at(data, self.where)
        value = f"{show(self.value)} (the default)" if given is MISSING else show(given)
        return f"{source}{key} = {value}: {self.text}"


def at(data: Any, where: Where) -> Any:
    """What stands at a place in parsed data; MISSING when nothing does."""
    for part in where:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return data


def dotted(where: Where) -> str:
    """A key as TOML writes it: arms.candidate.url, slo.cells."long/*".ttft, arms.a.model[0]."""
    text = ""
    for part in where:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if BARE_KEY.fullmatch(part) else show(part))
    return text


def show(value: Any) -> str:
    """A value as it was given, on one line, printable and short."""
    if isinstance(value, datetime.date | datetime.time):
        text = value.isoformat()
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    text = printable(text)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def printable(text: str) -> str:
    """The text without anything that could move a cursor or start a new line."""
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)


def one_of(names: Iterable[object]) -> str:
    """What is accepted, as a list."""
    return ", ".join(show(name) for name in names)


def unknown(name: str, known: Iterable[str], also: Iterable[str] = ()) -> str:
    """The end of a line about a name that nobody knows: the nearest one (of `also` too), then the known ones."""
    names = list(known)
    near = [*also, *difflib.get_close_matches(name, names, n=1)]
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}accepted here: {', '.join(names)}"
