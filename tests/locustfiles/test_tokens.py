"""Token counts: right, additive where promised, and never from the internet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locustfiles._tokens import VOCABULARIES, ServerTokenizer, client_count, load_tokenizer

SOLID = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=12)
OFFLINE = """
import os, socket
def refuse(*_): raise OSError("a vocabulary needed the network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from locustfiles._tokens import load_tokenizer
print(load_tokenizer("cl100k_base").count("The rays of light <|endoftext|>"), os.environ.get("TIKTOKEN_CACHE_DIR"))
"""


def start(**environment: str) -> subprocess.Popen[str]:
    """A fresh process without a network that counts a text, since tiktoken keeps what it loaded."""
    kept = {key: value for key, value in os.environ.items() if key not in {"TIKTOKEN_CACHE_DIR", "XDG_CACHE_HOME"}}
    return subprocess.Popen(
        [sys.executable, "-c", OFFLINE],
        env={**kept, **environment},
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def counted(process: subprocess.Popen[str]) -> str:
    """What the process printed, once it ended well."""
    out, err = process.communicate(timeout=60)

    assert process.returncode == 0, err
    return out.strip()


CACHED = VOCABULARIES["cl100k_base"].cached_as


def test_several_processes_unpack_one_vocabulary_at_once_and_without_the_network(tmp_path: Path) -> None:
    """Processes that start together on an empty cache all count right and leave one whole file, no variable behind."""
    processes = [start(XDG_CACHE_HOME=str(tmp_path)) for _ in range(3)]

    assert [counted(process) for process in processes] == ["10 None"] * 3
    assert [path.name for path in (tmp_path / "tokenswarm" / "vocabularies").iterdir()] == [CACHED]


def test_damaged_vocabulary_is_replaced(tmp_path: Path) -> None:
    """A cached file with other contents is unpacked anew, not downloaded; a directory of the user's own stays set."""
    (tmp_path / CACHED).write_bytes(b"half a file")

    assert counted(start(TIKTOKEN_CACHE_DIR=str(tmp_path))) == f"10 {tmp_path}"
    assert (tmp_path / CACHED).stat().st_size == 1_681_126


def test_unwritable_cache_falls_back_to_the_temporary_directory(tmp_path: Path) -> None:
    """Where no cache directory can be made, the vocabulary goes to the temporary directory."""
    (tmp_path / "file").touch()

    assert counted(start(XDG_CACHE_HOME=str(tmp_path / "file"), TMPDIR=str(tmp_path))) == "10 None"
    assert (tmp_path / f"tokenswarm-vocabularies-{os.getuid()}" / CACHED).exists()


def test_unknown_tokenizer_is_one_line_that_says_what_is_accepted() -> None:
    """A wrong name is answered with the right ones."""
    with pytest.raises(ValueError) as error:
        load_tokenizer("gpt-5")

    assert str(error.value) == 'tokenizer "gpt-5" is unknown: "auto", "o200k_base", "cl100k_base" are accepted'


@pytest.mark.parametrize("name", sorted(VOCABULARIES))
@settings(max_examples=300, deadline=None)
@given(words=st.lists(SOLID, min_size=1, max_size=12))
def test_counts_add_up_at_every_space(name: str, words: list[str]) -> None:
    """Under a tiktoken vocabulary a text costs the sum of its words, each with the space before it."""
    tokenizer = load_tokenizer(name)
    text = "".join(f" {word}" for word in words)

    assert tokenizer.additive
    assert tokenizer.count(text) == sum(tokenizer.count(f" {word}") for word in words)


@pytest.mark.parametrize("special", [0, 1, 2])
def test_server_counts_lose_the_special_tokens_of_every_text(special: int) -> None:
    """What a server adds to any text (BOS, EOS) is no part of the count, and finding that out costs two calls."""
    asked: list[str] = []

    def count(text: str) -> int:
        asked.append(text)
        return len(text.split()) + special

    tokenizer = ServerTokenizer(count)

    assert len(asked) == 2
    assert tokenizer.count("four words and nothing") == 4


def test_reply_is_counted_whole() -> None:
    """A token split over two chunks is one token."""
    tokenizer = load_tokenizer("o200k_base")

    assert client_count(tokenizer, [" ref", "lection"]) == tokenizer.count(" reflection")
    assert client_count(tokenizer, []) == 0
