"""What was asked is kept as the text that the model read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from locustfiles._dialects._ask import Ask
from locustfiles._kept import prompt_of
from locustfiles._prompts import Prompt


def ask(**prompt: Any) -> Ask:
    return Ask("m", Prompt("p", **prompt), b"", 10, False, True, b"")


@pytest.mark.parametrize("text", ['Say "hi"\n\ttwice \\ once', "Grüße 🙂 \u202e", ""])
def test_a_prompt_is_kept_as_it_was_written(text: str) -> None:
    """Quotes, line ends, tabs, other scripts: escaped on the wire, plain in the record."""
    assert prompt_of(ask(after=msgspec.json.encode(text)[1:-1])) == text


def test_messages_are_kept_as_their_texts() -> None:
    """The system's text comes first, an empty line parts it from the user's."""
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Why?"}]},
    ]

    assert prompt_of(ask(messages=msgspec.json.encode(messages))) == "Be brief.\n\nWhy?"
