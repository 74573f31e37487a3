"""The simulator's tokens: those of o200k_base, from the checkout's bundled vocabulary; never from the internet."""

from __future__ import annotations

import gzip
import logging
import os
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import tiktoken

from simulator.kv import BLOCK_TOKENS

NAME = "o200k_base"
CACHED_AS = "fb374d419588a4632f3f557e76b4b70aebbca790"  # sha1 of its address: its name in tiktoken's cache
# A file of the checkout, read and not imported: the rooms stay apart, and there is one copy of it.
BUNDLED = Path(__file__).resolve().parent.parent / "locustfiles" / "_text" / f"{NAME}.tiktoken.gz"

log = logging.getLogger(__name__)


class Vocabulary(Protocol):
    """Turns text into token numbers."""

    def encode(self, text: str) -> Sequence[int]:
        """The tokens of `text`; special tokens in it are ordinary text."""


class Tiktoken:
    """The real tokens: about 0.5 ms for 4,096 of them."""

    def __init__(self, encoding: tiktoken.Encoding) -> None:
        self._encoding = encoding

    def encode(self, text: str) -> Sequence[int]:
        """Its tokens."""
        return self._encoding.encode_ordinary(text)


class Quarters:
    """Four characters are a token: for where no vocabulary can be had."""

    def encode(self, text: str) -> Sequence[int]:
        """As many numbers as there are quarters, by content, so that equal prefixes stay equal."""
        return [hash(text[start : start + 4]) & 0x7FFFFFFF for start in range(0, len(text), 4)]


def load_vocabulary() -> Vocabulary:
    """o200k_base from TIKTOKEN_CACHE_DIR or the checkout; without either four characters a token, with a warning."""
    own = os.environ.get("TIKTOKEN_CACHE_DIR")
    try:
        if own and (Path(own) / CACHED_AS).exists():
            return Tiktoken(tiktoken.get_encoding(NAME))
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / CACHED_AS).write_bytes(gzip.decompress(BUNDLED.read_bytes()))
            os.environ["TIKTOKEN_CACHE_DIR"] = folder  # tiktoken looks there only
            return Tiktoken(tiktoken.get_encoding(NAME))
    except OSError as error:
        log.warning("no vocabulary %s (%s): four characters count as a token; set TIKTOKEN_CACHE_DIR", NAME, error)
        return Quarters()
    finally:
        if own is None:
            os.environ.pop("TIKTOKEN_CACHE_DIR", None)
        else:
            os.environ["TIKTOKEN_CACHE_DIR"] = own


def contents(tokens: Sequence[int]) -> Iterator[int]:
    """A hash of each whole block of a prompt, with all that came before it (vLLM's prefix caching)."""
    packed, running = array("I", tokens).tobytes(), 0
    size = BLOCK_TOKENS * array("I").itemsize
    for start in range(0, len(packed) - size + 1, size):
        running = hash((running, packed[start : start + size]))
        yield running
