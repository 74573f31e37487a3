"""Counting tokens: a bundled tiktoken vocabulary, or the baseline server's own /tokenize. Never in the hot path."""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec
import tiktoken

TEXT = Path(__file__).parent / "_text"
ONE_TOKEN = "Continue"  # one token, alone and after a space, in every vocabulary that we looked at


class Vocabulary(msgspec.Struct, frozen=True):
    """A bundled vocabulary: its file's name in tiktoken's cache (sha1 of its address) and its contents' sha256."""

    cached_as: str
    sha256: str


VOCABULARIES = {
    "o200k_base": Vocabulary(
        "fb374d419588a4632f3f557e76b4b70aebbca790", "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
    ),
    "cl100k_base": Vocabulary(
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4", "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
    ),
}


class Tokenizer(Protocol):
    """Counts tokens. `additive`: a text cut before its spaces costs the sum of its parts, so nothing needs re-counting.

    tiktoken's patterns never match a space anywhere but at the start of a piece (single spaces, no line breaks), and
    pieces are encoded one by one: every such cut is a boundary between tokens. A server's tokenizer promises nothing.
    """

    @property
    def name(self) -> str:
        """Who counted: a vocabulary's name, or "server"."""

    @property
    def additive(self) -> bool:
        """Whether the counts of parts cut before spaces add up, by construction."""

    def count(self, text: str) -> int:
        """Tokens of `text`; special tokens in it are ordinary text."""

    def __hash__(self) -> int: ...


class TiktokenTokenizer:
    """Counts with a tiktoken vocabulary: exact for OpenAI's models, an estimate for others."""

    additive = True

    def __init__(self, encoding: tiktoken.Encoding) -> None:
        self._encoding = encoding
        self.name: str = encoding.name

    def count(self, text: str) -> int:
        """Tokens of `text`."""
        return len(self._encoding.encode_ordinary(text))


class ServerTokenizer:
    """Counts with the server under test, less the special tokens that it adds to every text (a BOS, say).

    Those are 2 c(w) - c(w w) for a word w that costs the same alone and after a space: two calls, made at once.
    """

    name = "server"
    additive = False

    def __init__(self, count: Callable[[str], int]) -> None:
        self._count = count
        self._special = max(0, 2 * count(ONE_TOKEN) - count(f"{ONE_TOKEN} {ONE_TOKEN}"))

    def count(self, text: str) -> int:
        """Tokens of `text`: one call of the server."""
        return max(0, self._count(text) - self._special)


def load_tokenizer(name: str) -> Tokenizer:
    """The tokenizer of a bundled vocabulary; never needs the internet."""
    if name not in VOCABULARIES:
        accepted = ", ".join(f'"{known}"' for known in VOCABULARIES)
        raise ValueError(f'tokenizer "{name}" is unknown: "auto", {accepted} are accepted')
    # tiktoken looks in this directory first; it is left as it was, since it belongs to the user
    with _environment("TIKTOKEN_CACHE_DIR", str(_unpacked(name))):
        return TiktokenTokenizer(tiktoken.get_encoding(name))


def client_count(tokenizer: Tokenizer, chunks: Iterable[str]) -> int:
    """Output tokens of one reply by our own count: of the whole text, for a token may span two chunks.

    For after the clock has stopped: about 50 us per 1,000 characters.
    """
    return tokenizer.count("".join(chunks))


def _unpacked(name: str) -> Path:
    """The first directory that holds the vocabulary as tiktoken expects it, or that could be given it."""
    vocabulary = VOCABULARIES[name]
    for directory in _directories():
        path = directory / vocabulary.cached_as
        if _holds(path, vocabulary.sha256) or _unpack(name, path):
            return directory
    raise OSError(f"no room to unpack the vocabulary {name}: set XDG_CACHE_HOME or TMPDIR to a writable directory")


def _directories() -> Iterator[Path]:
    own = os.environ.get("TIKTOKEN_CACHE_DIR")
    if own:
        yield Path(own)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    if cache.is_absolute():  # a container's user may have no home: "~" stays as it is
        yield cache / "tokenswarm" / "vocabularies"
    yield Path(tempfile.gettempdir()) / f"tokenswarm-vocabularies-{os.getuid()}"


def _holds(path: Path, sha256: str) -> bool:
    # checked here although tiktoken checks too: it would answer a damaged file with a download
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:
        return False


def _unpack(name: str, path: Path) -> bool:
    """Write the vocabulary to `path`; whole or not at all, however many processes do it at once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
    except OSError:
        return False
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(gzip.decompress((TEXT / f"{name}.tiktoken.gz").read_bytes()))
        os.replace(temporary, path)
    except OSError:  # disk full
        Path(temporary).unlink(missing_ok=True)
        return False
    return True


@contextmanager
def _environment(key: str, value: str) -> Iterator[None]:
    before = os.environ.get(key)
    os.environ[key] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[key]
        else:
            os.environ[key] = before
