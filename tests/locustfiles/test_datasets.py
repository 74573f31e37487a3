"""Data sets: every format gives the same entries, a sample is fair and seeded, what is bad is said once with counts."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from locustfiles._datasets import read_data
from locustfiles._entries import matrix_prompts, task_prompts
from locustfiles._prompts import nonce
from locustfiles._tokens import load_tokenizer
from scenarios.data import Data

ROWS = [{"q": f'Question {i}: "why" is ü,\n{i}?', "n": i + 1, "a": f"Because of {i}."} for i in range(20)]


def written(folder: Path, suffix: str, rows: list[dict[str, Any]] = ROWS) -> Path:
    path = folder / f"set{suffix}"
    if suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    elif suffix in (".csv", ".tsv"):
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(rows[0]), delimiter="," if suffix == ".csv" else "\t")
            table.writeheader()
            table.writerows(rows)
    elif suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=3)
    else:
        turns = [
            {"conversations": [{"from": "human", "value": row["q"]}, {"from": "gpt", "value": row["a"]}]}
            for row in rows
        ]
        path.write_text(json.dumps(turns))
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet", ".json"])
def test_every_format_gives_the_same_entries(tmp_path: Path, suffix: str) -> None:
    """Texts and answers of a column, quotes, commas, line ends and all."""
    entries = read_data(Data(file=str(written(tmp_path, suffix)), prompt="q", output="a"), 1).entries
    assert [(entry.prompt, entry.output) for entry in entries] == [(row["q"], row["a"]) for row in ROWS]


def test_lines_of_a_text_are_prompts(tmp_path: Path) -> None:
    """Empty lines are none."""
    (tmp_path / "a.txt").write_text("one\n\n  two  \n")
    assert [entry.prompt for entry in read_data(Data(file=str(tmp_path / "a.txt")), 1).entries] == ["one", "two"]


def test_a_sample_is_fair_and_the_same_for_a_seed(tmp_path: Path) -> None:
    """5 of 20 over 400 seeds: each entry about 100 times; one seed, one sample; in the file's order."""
    path = str(written(tmp_path, ".parquet"))
    counts: Counter[int] = Counter()
    for seed in range(400):
        numbers = [entry.number for entry in read_data(Data(file=path, prompt="q", sample=5), seed).entries]
        assert numbers == sorted(numbers)
        counts.update(numbers)
    assert len(counts) == 20
    assert all(60 < count < 145 for count in counts.values()), counts
    data = Data(file=path, prompt="q", sample=5)
    assert read_data(data, 3) == read_data(data, 3)


def test_prompts_of_the_matrix_have_their_lengths(tmp_path: Path) -> None:
    """Tokens of the whole content with its nonce; the answer's as counted or as told."""
    tokenizer = load_tokenizer("o200k_base")
    path = str(written(tmp_path, ".jsonl"))
    for output, wanted in (("a", [tokenizer.count(row["a"]) for row in ROWS]), ("n", [row["n"] for row in ROWS])):
        prompts = matrix_prompts(Data(file=path, prompt="q", output=output), 1, tokenizer, tokenizer)
        assert [prompt.output for prompt in prompts] == wanted
        for prompt, row in zip(prompts, ROWS, strict=True):
            content = json.loads(b'"' + prompt.before + nonce(0) + prompt.after + b'"')
            assert content.endswith(row["q"])
            assert tokenizer.count(content) == prompt.tokens


def test_messages_pass_through_untouched(tmp_path: Path) -> None:
    """Content parts (an image) stay as they are; for the matrix there must be texts."""
    parts = [
        {"type": "text", "text": "what?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    rows = [{"id": 1, "chat": [{"role": "user", "content": parts}]}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = Data(file=str(tmp_path / "a.jsonl"), messages="chat")
    assert json.loads(task_prompts(data, 1)[0].messages) == rows[0]["chat"]
    with pytest.raises(ValueError, match="needs texts"):
        matrix_prompts(data, 1, load_tokenizer("o200k_base"), load_tokenizer("o200k_base"))


def test_a_parquet_row_has_only_its_own_members(tmp_path: Path) -> None:
    """Content parts of unlike members share a column there: none gets the other's as null."""
    parts = [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    rows = [{"messages": [{"role": "user", "content": [part]}]} for part in parts]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    prompts = task_prompts(Data(file=str(tmp_path / "a.parquet")), 1)
    assert [json.loads(prompt.messages) for prompt in prompts] == [row["messages"] for row in rows]


def test_a_number_as_a_text_is_an_answer_and_a_number_is_a_length(tmp_path: Path) -> None:
    """ "72" in JSON is what was answered, 72 and 72.0 are tokens; a CSV cannot tell and means tokens."""
    rows = [{"prompt": "a", "n": "72"}, {"prompt": "b", "n": 72}, {"prompt": "c", "n": 72.0}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "a.csv").write_text("prompt,n\na,72\n")
    entries = read_data(Data(file=str(tmp_path / "a.jsonl"), output="n"), 1).entries
    assert [entry.output for entry in entries] == ["72", 72, 72]
    assert [entry.output for entry in read_data(Data(file=str(tmp_path / "a.csv"), output="n"), 1).entries] == [72]


BAD = {
    "column.jsonl": ('{"text": "a", "label": 1}\n', "no column prompt or messages; there are: text, label"),
    "broken.jsonl": (
        '{"prompt": "a"}\n{oops\n{"prompt": "b"}\n',
        "1 of 3 rows cannot be used: not JSON (1 rows, first 2)",
    ),
    "empty.jsonl": ("", "is empty"),
    "number.jsonl": ('{"prompt": 3}\n', "prompt is no text, or empty"),
    "list.jsonl": ("[1]\n", "not an object"),
    "roles.jsonl": ('{"messages": [{"content": "a"}]}\n', "messages are no list of"),
    "latin.jsonl": (b'{"prompt": "\xfc"}', "is not UTF-8 (byte 13)"),
    "half.jsonl": ('{"messages": [{"role": "user", "content": "\\ud800"}]}\n', "half a surrogate"),
    "nobody.json": ('[{"conversations": [{"from": "gpt", "value": "a"}]}]', "no turn of a human"),
    "what.bin": ("a", "set [data] format"),
    "not.parquet": ("a", "cannot be read as parquet"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_one_clear_line(tmp_path: Path, name: str) -> None:
    """File, counts, the first place, what is there, and the way out."""
    content, words = BAD[name]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match="data set") as wrong:
        read_data(Data(file=str(tmp_path / name)), 1)
    assert words in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_bad_rows_can_be_left_out(tmp_path: Path) -> None:
    """on_bad = "skip": the others are taken, with what was left out; when none is left it is an error."""
    (tmp_path / "a.jsonl").write_text('{"prompt": "a"}\n{oops\n{"prompt": " "}\n{"prompt": "b"}\n')
    data = Data(file=str(tmp_path / "a.jsonl"), on_bad="skip")
    taken = read_data(data, 1)
    assert [entry.prompt for entry in taken.entries] == ["a", "b"]
    assert "2 of 4 rows cannot be used" in taken.left_out
    assert taken.left_out.endswith("they are left out")
    (tmp_path / "a.jsonl").write_text("{oops\n")
    with pytest.raises(ValueError, match="no row can be used"):
        read_data(data, 1)
