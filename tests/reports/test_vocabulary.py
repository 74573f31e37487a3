"""The report's own count of tokens is tiktoken's."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from locustfiles._tokens import load_tokenizer
from reports.vocabulary import CUT, NAME, _encoding, tokens

THEIRS = load_tokenizer(NAME)


@given(st.text())
@settings(max_examples=300, deadline=None)
def test_any_text_has_as_many_tokens_as_tiktoken_says(text: str) -> None:
    """The bundled vocabulary and the cut are o200k_base's."""
    assert tokens(text) == THEIRS.count(text)


def test_the_cut_is_tiktokens() -> None:
    """Character by character: a new version of tiktoken that cuts otherwise is noticed."""
    assert _encoding()._pat_str == CUT
    assert THEIRS._encoding._pat_str == CUT  # type: ignore[attr-defined]


def test_special_tokens_are_text() -> None:
    """A reply that says <|endoftext|> has several tokens, and no error."""
    assert tokens("<|endoftext|>") > 1
