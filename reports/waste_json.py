"""JSON that could be said shorter: without the white space between its signs, and as lines with bullets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from reports.waste_edits import Edit
from reports.waste_places import WORD, Place, fenced, inside

DATA = ("", "json", "jsonc", "json5", "jsonl", "text", "txt")  # languages of a fence that may hold an answer in JSON
SPACE = re.compile(r'"(?:[^"\\]|\\.)*"|\s+')
DECODE = json.JSONDecoder(strict=False).raw_decode
DEEPEST = 50  # levels
TRIES = 200  # signs that look like the beginning of JSON and are none, before a text is taken to hold no more


class Json(msgspec.Struct, frozen=True):
    """A JSON object or list in a text: outermost, whole, with at least one member."""

    place: Place
    value: Any


def found(text: str) -> list[Json]:
    """All of them, in their order."""
    code = [place for place, language in fenced(text) if language not in DATA]
    return list(_scan(text, code))


def _scan(text: str, code: list[Place]) -> Iterator[Json]:
    at = failed = 0
    while failed < TRIES and (begin := _next(text, at)) >= 0:
        at = begin + 1
        if inside(begin, code) or _is_quoted(text, begin) or (text[begin] == "[" and _is_code(text, begin)):
            continue
        try:
            value, end = DECODE(text, begin)
        except (ValueError, RecursionError):
            failed += 1
            at = _beyond(text, begin) if text[begin] == "{" else at  # what is within a broken one is no answer
            continue
        if value and not _is_noise(text, begin, end, value):
            yield Json((begin, end), value)
        at = end


def _is_quoted(text: str, begin: int) -> bool:
    """Whether it is set as code within a sentence, which is about it."""
    return text[begin - 1 : begin] == "`" and bool(WORD.search(text, text.rfind("\n", 0, begin) + 1, begin))


def _next(text: str, at: int) -> int:
    match = _BEGINS.search(text, at)
    return match.start() if match else -1


_BEGINS = re.compile(r"[{\[]")


def _is_code(text: str, begin: int) -> bool:
    """A bracket after a word, a call or a macro is an index or an argument."""
    return begin > 0 and (text[begin - 1].isalnum() or text[begin - 1] in "_)]!(&$")


def _is_noise(text: str, begin: int, end: int, value: Any) -> bool:
    """A list with something called on it, or of numbers within a line: a footnote, a range, another language."""
    if isinstance(value, dict):
        return False
    if text[end : end + 1] in (".", "(", "[") and text[end + 1 : end + 2].isalpha():
        return True
    line = text[text.rfind("\n", 0, begin) + 1 : begin] + text[end : _line_end(text, end)]
    return bool(line.strip(" `,")) and not any(isinstance(one, (str, dict, list)) for one in value)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _beyond(text: str, begin: int) -> int:
    """Behind the brace that closes this one, or the end of the text."""
    depth = 0
    for match in re.finditer(r'"(?:[^"\\\n]|\\.)*"|[{}]', text[begin:]):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return begin + match.end()
    return len(text)


def layout(text: str, known: list[Json]) -> list[Edit]:
    """Each of them without white space between its signs, where it has any."""
    edits = (Edit(*one.place, compact(text[slice(*one.place)])) for one in known)
    return [edit for edit in edits if len(edit.instead) < edit.end - edit.start]


def syntax(known: list[Json]) -> list[Edit]:
    """Each of them as lines with bullets."""
    return [Edit(*one.place, "\n".join(bullets(one.value))) for one in known]


def compact(source: str) -> str:
    """JSON without white space outside its strings; members that stand twice stay."""
    return SPACE.sub(lambda match: match[0] if match[0].startswith('"') else "", source)


def bullets(value: Any, depth: int = 0) -> Iterator[str]:
    """The same content as lines: a bullet for each member, two blanks for each level."""
    members = value.items() if isinstance(value, dict) else ((None, one) for one in value)
    for name, one in members:
        head = "  " * depth + "-" + ("" if name is None else f" {name}:")
        if isinstance(one, (dict, list)) and one and depth < DEEPEST:
            yield head
            yield from bullets(one, depth + 1)
        else:
            yield f"{head} {one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)}"
