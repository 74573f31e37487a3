"""Entries of a data set as prompts: for the matrix with a nonce in front and their lengths, for tasks as they are."""

from __future__ import annotations

import msgspec

from locustfiles._datasets import Entry, read_data
from locustfiles._prompts import FITTED, LEAD, Prompt, nonce
from locustfiles._tokens import Tokenizer
from scenarios.data import Data

PARAGRAPH = "\n\n"  # between the nonce and the text


def matrix_prompts(data: Data, seed: int, tokenizer: Tokenizer, outputs: Tokenizer) -> list[Prompt]:
    """Prompts of the matrix: lead-in, nonce, text; `tokens` of all of that, `output` of the answer.

    A server counts the first FITTED texts only: each is a request to it. The others have no count but the usage's.
    """
    entries = read_data(data, seed).entries
    if all(entry.prompt is None for entry in entries):
        raise ValueError(f"data set {data.file}: the matrix needs texts in {data.prompt}; use [tasks] for messages")
    counted = len(entries) if tokenizer.additive else FITTED
    return [
        _prompt(entry, tokenizer if index < counted else None, outputs)
        for index, entry in enumerate(entry for entry in entries if entry.prompt is not None)
    ]


def task_prompts(data: Data, seed: int) -> list[Prompt]:
    """Prompts of the tasks: the texts or messages as they are."""
    return [
        Prompt(f"data-{entry.number}", messages=msgspec.json.encode(entry.messages))
        if entry.messages is not None
        else Prompt(f"data-{entry.number}", after=_escaped(entry.prompt or ""))
        for entry in read_data(data, seed).entries
    ]


def _prompt(entry: Entry, tokenizer: Tokenizer | None, outputs: Tokenizer) -> Prompt:
    after = PARAGRAPH + (entry.prompt or "")
    tokens = tokenizer.count((LEAD + nonce(0)).decode() + after) if tokenizer is not None else None
    made = outputs.count(entry.output) if isinstance(entry.output, str) else entry.output
    return Prompt(f"data-{entry.number}", tokens, LEAD, _escaped(after), output=made)


def _escaped(text: str) -> bytes:
    """A text inside a JSON string; half a surrogate, which no JSON can hold, becomes a question mark."""
    return msgspec.json.encode(text.encode("utf-8", "replace").decode())[1:-1]
