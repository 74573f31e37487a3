"""A data set of prompts: where it is, and which of its columns are what."""

from __future__ import annotations

from typing import Literal

from scenarios.kinds import Count, Frozen

FORMATS = ("auto", "jsonl", "csv", "parquet", "sharegpt", "text")


class Data(Frozen, frozen=True):
    """Prompts from a file, for the matrix (sizes that are "data") or for the tasks (when those name no file).

    `prompt` and `messages` name columns (the first that is there is taken); `output` one with the length of the answer,
    as tokens or as a text whose tokens are counted. At most `sample` are taken, drawn by the seed.
    """

    file: str
    format: Literal["auto", "jsonl", "csv", "parquet", "sharegpt", "text"] = "auto"
    prompt: str = "prompt"
    messages: str = "messages"
    output: str | None = None
    sample: Count = 500
    on_bad: Literal["stop", "skip"] = "stop"
    expected_input: Count = 512  # tokens, for estimates before any is read
    expected_output: Count = 256
