"""Prompts from data sets: JSONL, CSV, Parquet, ShareGPT and plain text, sampled by the seed while they are read.

What cannot be used is counted by reason; the scenario says whether that stops the run or the row is left out.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from scenarios.data import Data
from scenarios.spread import LONGEST

Rows = Iterator[tuple[int, Any]]  # line or row, from 1; an Exception in place of what cannot be read
SUFFIXES = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".json": "sharegpt",
    ".txt": "text",
}  # fmt: skip
HUMAN, ANSWER = ("human", "user"), ("gpt", "assistant", "model", "chatgpt")
MOST_SHOWN = 8  # columns in a message


class Entry(NamedTuple):
    """One row that can be used: a text or chat messages, and the length of its answer (tokens or a text)."""

    number: int
    prompt: str | None
    messages: list[dict[str, Any]] | None
    output: int | str | None


class Bad(ValueError):  # noqa: N818 (a row)
    """Why a row cannot be used, in a few words that are the same for all such rows."""


class Taken(NamedTuple):
    """What is taken of a data set; `left_out` says which of its rows could not be used, if any."""

    entries: list[Entry]
    left_out: str


def read_data(data: Data, seed: int) -> Taken:
    """At most `sample` entries in the order of the file, each with the same chance; a ValueError says what to do."""
    kept: list[Entry] = []
    bad: Counter[str] = Counter()
    first_bad: dict[str, int] = {}
    draws, seen = random.Random(f"{seed}/data"), 0
    for number, row in _rows(data):
        try:
            entry = _entry(number, row, data)
        except Bad as error:
            bad[str(error)] += 1
            first_bad.setdefault(str(error), number)
            continue
        seen += 1
        if len(kept) < data.sample:
            kept.append(entry)
        elif (place := draws.randrange(seen)) < data.sample:
            kept[place] = entry
    if bad and (data.on_bad == "stop" or not kept):
        raise ValueError(_complaint(data, bad, first_bad, seen))
    if not kept:
        raise ValueError(f"data set {data.file} is empty")
    return Taken(sorted(kept), _complaint(data, bad, first_bad, seen) if bad else "")


def _complaint(data: Data, bad: Counter[str], first: dict[str, int], good: int) -> str:
    """What is wrong with a data set: every reason once, with counts and where it is met first."""
    reasons = "; ".join(f"{why} ({count} rows, first {first[why]})" for why, count in bad.most_common(3))
    total = sum(bad.values())
    left_out = "they are left out" if data.on_bad == "skip" else 'fix them, or leave them out by [data] on_bad = "skip"'
    way = left_out if good else "no row can be used"
    return f"data set {data.file}: {total} of {total + good} rows cannot be used: {reasons}; {way}"


def _entry(number: int, row: Any, data: Data) -> Entry:
    if isinstance(row, Bad):
        raise row
    if not isinstance(row, dict):
        raise Bad("not an object")
    output = _length(row, data)
    if row.get(data.messages) not in (None, ""):
        return Entry(number, None, _messages(row[data.messages]), output)
    if data.prompt not in row:
        raise Bad(f"no column {data.prompt} or {data.messages}; there are: {_columns(row)}")
    prompt = row[data.prompt]
    if not isinstance(prompt, str) or not prompt.strip():
        raise Bad(f"{data.prompt} is no text, or empty")
    return Entry(number, prompt, None, output)


def _length(row: dict[str, Any], data: Data) -> int | str | None:
    """What a row says of its answer's length: tokens, or a text to count."""
    if data.output is None:
        return None
    if data.output not in row:
        raise Bad(f"no column {data.output}; there are: {_columns(row)}")
    value = row[data.output]
    if isinstance(value, float) and value.is_integer():  # how a column of whole numbers with gaps is stored
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LONGEST:
        return value
    if isinstance(value, str) and value.strip():
        return value
    raise Bad(f"{data.output} is neither tokens from 1 to {LONGEST:,} nor a text")


def _messages(value: Any) -> list[dict[str, Any]]:
    """Chat messages as they stand, content parts and all; a CSV has them as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise Bad("messages are no JSON") from None
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) and one.get("role") for one in value):
        raise Bad('messages are no list of {"role": ..., "content": ...}')
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Bad("messages hold half a surrogate, which no JSON can") from None
    return value


def _without_nulls(value: Any) -> Any:
    """A value of a Parquet column as it was before: members that a row does not have are nulls there."""
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def _columns(row: dict[str, Any]) -> str:
    names = list(row)
    return ", ".join(names[:MOST_SHOWN]) + (", ..." if len(names) > MOST_SHOWN else "")


# -- formats


def _rows(data: Data) -> Rows:
    path = Path(data.file)
    kind = data.format if data.format != "auto" else SUFFIXES.get(path.suffix.lower(), "")
    if not kind:
        known = ", ".join(sorted(SUFFIXES))
        raise ValueError(f"data set {data.file}: what is in it? Its name ends in none of {known}: set [data] format")
    try:
        yield from READERS[kind](path, data)
    except UnicodeDecodeError as error:
        raise ValueError(f"data set {data.file} is not UTF-8 (byte {error.start + 1}): save it as UTF-8") from None
    except (OSError, pa.ArrowException, csv.Error) as error:
        raise ValueError(f"data set {data.file} cannot be read as {kind}: {str(error).splitlines()[0]}") from None


def _jsonl(path: Path, _data: Data) -> Rows:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, _decoded(line)


def _csv(path: Path, data: Data) -> Rows:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        for row in rows:
            known = {key: value for key, value in row.items() if key is not None and value is not None}
            length = known.get(data.output or "", "").strip()
            if data.output and length.isdecimal() and len(length) <= len(str(LONGEST)):  # a CSV knows no numbers
                known[data.output] = int(length)
            yield rows.line_num, known


def _parquet(path: Path, data: Data) -> Rows:
    """Row group by row group, and of those only the columns that are wanted."""
    file = pq.ParquetFile(path)
    there = file.schema_arrow.names
    wanted = [name for name in (data.prompt, data.messages, data.output) if name in there]
    if data.prompt not in there and data.messages not in there:
        yield 1, Bad(f"no column {data.prompt} or {data.messages}; there are: {_columns(dict.fromkeys(there))}")
        return
    number = 0
    for batch in file.iter_batches(batch_size=1024, columns=wanted):
        for row in batch.to_pylist():
            number += 1
            yield number, _without_nulls(row)


def _sharegpt(path: Path, data: Data) -> Rows:
    """The first human turn of each conversation, and the turn that answers it."""
    text = path.read_text(encoding="utf-8-sig")
    whole = _decoded(text)
    found = whole if isinstance(whole, list) else [_decoded(line) for line in text.splitlines() if line.strip()]
    for number, one in enumerate(found, start=1):
        yield number, _conversation(one, data)


def _conversation(one: Any, data: Data) -> Any:
    turns = one.get("conversations", one.get("messages")) if isinstance(one, dict) else None
    if not isinstance(turns, list):
        return one if isinstance(one, Bad) else Bad('no list of "conversations"')
    said = [(_who(turn), _what(turn)) for turn in turns if isinstance(turn, dict)]
    human = next((index for index, (who, _) in enumerate(said) if who in HUMAN), None)
    if human is None:
        return Bad("no turn of a human")
    row = {data.prompt: said[human][1]}
    answer = next((what for who, what in said[human + 1 :] if who in ANSWER), None)
    if data.output is None:
        return row
    return {**row, data.output: answer} if answer is not None else Bad("no answer to the human's first turn")


def _who(turn: dict[str, Any]) -> str:
    return str(turn.get("from", turn.get("role", ""))).lower()


def _what(turn: dict[str, Any]) -> Any:
    return turn.get("value", turn.get("content"))


def _text(path: Path, data: Data) -> Rows:
    """Each line is a prompt."""
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, {data.prompt: line.strip()}


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return Bad("not JSON")


READERS: dict[str, Callable[[Path, Data], Rows]] = {
    "jsonl": _jsonl, "csv": _csv, "parquet": _parquet, "sharegpt": _sharegpt, "text": _text,
}  # fmt: skip
