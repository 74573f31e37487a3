"""The tasks workload: prompts of the user's own, or the bundled sample set, one JSON object per line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from locustfiles._prompts import Prompt
from locustfiles._tokens import TEXT

BUNDLED = TEXT / "tasks.jsonl"


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a task file: `prompt` or chat `messages`. `max_tokens` is accepted and not used yet."""

    id: str | int | None = None
    prompt: str | None = None
    messages: list[dict[str, Any]] | None = None
    max_tokens: int | None = None


def load_tasks(path: str | Path | None) -> list[Prompt]:
    """The tasks of a JSONL file, in its order; None means the bundled set. A ValueError says file, line and remedy.

    They are sent as they are, with an empty nonce: a nonce would change what the model is asked to do.
    """
    file = BUNDLED if path is None else Path(path)
    try:
        lines = file.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    except OSError as error:
        raise ValueError(f"tasks file {file}: {error.strerror or error}") from None
    tasks: dict[str, Prompt] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            task = _prompt(line, f"task-{number}")
            if task.id in tasks:
                raise ValueError(f'the id "{task.id}" was used before')
        except ValueError as error:
            raise ValueError(f"tasks file {file}, line {number}: {error}") from None
        tasks[task.id] = task
    if not tasks:
        raise ValueError(f'tasks file {file} has no task: each line is {{"prompt": "..."}} or {{"messages": [...]}}')
    return list(tasks.values())


def _prompt(line: bytes, fallback_id: str) -> Prompt:
    try:
        task = msgspec.json.decode(line, type=Task)
    except msgspec.ValidationError as error:
        raise ValueError(f"{error}; accepted are {', '.join(Task.__struct_fields__)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"no JSON object ({error})") from None
    name = fallback_id if task.id is None else str(task.id)
    if (task.prompt is None) == (task.messages is None):
        raise ValueError('give either "prompt" or "messages"')
    if task.max_tokens is not None and task.max_tokens < 1:
        raise ValueError(f"max_tokens is {task.max_tokens}, must be at least 1")
    if task.messages is not None:
        return Prompt(name, messages=_messages(task.messages))
    if not (task.prompt or "").strip():
        raise ValueError('"prompt" is empty')
    return Prompt(name, after=msgspec.json.encode(task.prompt)[1:-1])


def _messages(messages: list[dict[str, Any]]) -> bytes:
    """The chat as a JSON array; roles are checked, all else is between the user and the service."""
    if not messages:
        raise ValueError('"messages" is empty')
    for message in messages:
        role = message.get("role")
        if not isinstance(role, str) or not role:
            raise ValueError(f'each message needs a "role" ("user", "system", ...), not {role!r}')
    return msgspec.json.encode(messages)
