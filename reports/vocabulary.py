"""Tokens of a text by the bundled vocabulary o200k_base: exact for OpenAI's newer models, an estimate for others."""

from __future__ import annotations

import base64
import gzip
from functools import cache
from pathlib import Path

import tiktoken

NAME = "o200k_base"
FILE = Path(__file__).parent.parent / "locustfiles" / "_text" / f"{NAME}.tiktoken.gz"
# How a text is cut before its pieces are encoded: as tiktoken has it, which a test compares.
CUT = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r"\s*[\r\n]+",
    r"\s+(?!\S)",
    r"\s+",
])  # fmt: skip


def tokens(text: str) -> int:
    """How many; special tokens in the text are ordinary text."""
    return len(_encoding().encode_ordinary(text))


@cache
def _encoding() -> tiktoken.Encoding:
    """The vocabulary as it is bundled: nothing is fetched, nothing is unpacked."""
    lines = (line.split() for line in gzip.decompress(FILE.read_bytes()).splitlines())
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    return tiktoken.Encoding(NAME, pat_str=CUT, mergeable_ranks=ranks, special_tokens={})
