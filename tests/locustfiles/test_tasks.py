"""Tasks: what is in the file is what is sent, and what is wrong in it is said with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locustfiles._prompts import Prompt
from locustfiles._tasks import BUNDLED, load_tasks

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


def loaded(tmp_path: Path, data: bytes) -> list[Prompt]:
    """The tasks of a file with these bytes."""
    file = tmp_path / "mine.jsonl"
    file.write_bytes(data)
    return load_tasks(file)


def test_bundled_set_is_sent_as_written() -> None:
    """None means the bundled set: 40 different tasks or more, some of them chats, each sent as its line says."""
    tasks = load_tasks(None)
    lines = [json.loads(line) for line in BUNDLED.read_text("utf-8").splitlines()]

    assert len({task.id for task in tasks}) == len(lines) >= 40
    assert [task.id for task in tasks] == [line["id"] for line in lines]
    for task, line in zip(tasks, lines, strict=True):
        if "messages" in line:
            assert json.loads(task.messages) == line["messages"]
        else:
            assert json.loads(b'"' + task.before + task.after + b'"') == line["prompt"]
            assert task.messages is None
    assert sum(task.messages is not None for task in tasks) == 4


@given(prompts=st.lists(TEXTS, min_size=1, max_size=5))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, prompts: list[str]) -> None:
    """Quotes, control characters, line separators and emoji reach the body unchanged."""
    data = "".join(json.dumps({"prompt": prompt}, ensure_ascii=False) + "\n" for prompt in prompts).encode()
    tasks = loaded(tmp_path_factory.mktemp("tasks"), data)

    assert [json.loads(b'"' + task.after + b'"') for task in tasks] == prompts


def test_byte_order_mark_blank_lines_and_ids(tmp_path: Path) -> None:
    """A BOM, CRLF, blank lines and a missing last line end are fine; a task without an id is named by its line."""
    data = b'\xef\xbb\xbf{"prompt": "a", "max_tokens": 5}\r\n\r\n  \n{"id": 12, "prompt": "b"}\n{"prompt": "c"}'
    tasks = loaded(tmp_path, data)

    assert [(task.id, task.after) for task in tasks] == [("task-1", b"a"), ("12", b"b"), ("task-5", b"c")]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"promt": "x"}', "unknown field `promt`; accepted are id, prompt, messages, max_tokens"),
        ('{"prompt": 3}', "Expected `str | null`, got `int`"),
        ('{"prompt": "x"', "no JSON object"),
        ('["x"]', "Expected `object`, got `array`"),
        ('{"id": "x"}', 'give either "prompt" or "messages"'),
        ('{"prompt": "x", "messages": [{"role": "user"}]}', 'give either "prompt" or "messages"'),
        ('{"prompt": "  "}', '"prompt" is empty'),
        ('{"messages": []}', '"messages" is empty'),
        ('{"messages": [{"content": "x"}]}', 'each message needs a "role"'),
        ('{"prompt": "x", "max_tokens": 0}', "max_tokens is 0, must be at least 1"),
        ('{"id": "first", "prompt": "x"}', 'the id "first" was used before'),
    ],
)
def test_wrong_line_is_named(tmp_path: Path, line: str, told: str) -> None:
    """A line that cannot be a task is one clear line with file, number and what is accepted."""
    with pytest.raises(ValueError) as error:
        loaded(tmp_path, b'{"id": "first", "prompt": "fine"}\n' + line.encode())

    assert str(error.value).startswith(f"tasks file {tmp_path / 'mine.jsonl'}, line 2: ")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_undecodable_text_is_named(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are an error of their line, not a crash."""
    with pytest.raises(ValueError, match="line 1: no JSON object"):
        loaded(tmp_path, b'{"prompt": "\xff\xfe"}')


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_empty_file_is_told(tmp_path: Path, data: bytes) -> None:
    """A file without a task is an error that shows what a task looks like."""
    with pytest.raises(ValueError, match=r'has no task: each line is \{"prompt": "..."\}'):
        loaded(tmp_path, data)


def test_missing_file_is_told(tmp_path: Path) -> None:
    """A path that leads nowhere is named."""
    with pytest.raises(ValueError, match=r"nowhere\.jsonl: No such file or directory"):
        load_tasks(tmp_path / "nowhere.jsonl")
