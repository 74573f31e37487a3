"""Prompts: exact, seeded, natural; nonces: all different, and never at the expense of the count."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locustfiles._prompts import (
    FITTED,
    GOLDEN,
    LEAD,
    NONCE_TOKENS,
    Prompt,
    build_pool,
    choose_words,
    measure,
    nonce,
    nonce_words,
)
from locustfiles._tokens import TEXT, ServerTokenizer, load_tokenizer

O200K = load_tokenizer("o200k_base")
CL100K = load_tokenizer("cl100k_base")
KEYS = st.integers(0, 2**64 - 1)


def content(prompt: Prompt, key: int, words: tuple[bytes, ...] | None = None) -> str:
    """The prompt's text as a server reads it: out of a JSON body."""
    text: str = json.loads(b'{"content":"' + prompt.before + nonce(key, words) + prompt.after + b'"}')["content"]
    return text


@pytest.mark.parametrize("tokenizer", [O200K, CL100K], ids=lambda tokenizer: tokenizer.name)
@pytest.mark.parametrize(("size", "share"), [(9, 0.0), (128, 0.0), (128, 0.5), (1024, 0.0), (4096, 0.25)])
def test_thousand_sent_bodies_have_exactly_n_tokens(tokenizer, size: int, share: float) -> None:
    """Each body that is sent, its own nonce spliced in, re-encodes to the size that was asked for."""
    pool = build_pool(size, 1000, 7, tokenizer, share)
    sent = [tokenizer.count(content(prompt, index * GOLDEN)) for index, prompt in enumerate(pool)]

    assert sent == [size] * 1000
    assert [prompt.tokens for prompt in pool] == sent


def test_sizes_beyond_the_prose_are_exact() -> None:
    """A prompt longer than the bundled prose goes round it, also where it ends within a word of a full lap."""
    lap = int(measure(O200K).tokens)
    for rest in (lap - 1, lap, lap + 1, 2 * lap + 1000):
        (prompt,) = build_pool(1 + NONCE_TOKENS + rest, 1, 7, O200K, 0.0)

        assert O200K.count(content(prompt, 5)) == 1 + NONCE_TOKENS + rest


def test_prompts_are_a_function_of_seed_size_and_index() -> None:
    """A longer pool begins with the shorter one; another seed gives other prompts; no two of a pool are equal."""
    pool = build_pool(128, 1000, 7, O200K, 0.0)

    assert build_pool(128, 10, 7, O200K, 0.0) == pool[:10]
    assert len({prompt.after for prompt in pool}) == len({prompt.id for prompt in pool}) == 1000
    assert {prompt.after for prompt in build_pool(128, 10, 8, O200K, 0.0)}.isdisjoint(p.after for p in pool[:10])
    assert build_pool(128, 0, 7, O200K, 0.0) == []


def test_passages_are_whole_words_of_the_prose() -> None:
    """What follows the nonce stands word for word in the bundled text, from the start of a word to the end of one."""
    prose = " " + " ".join((TEXT / "prose.txt").read_text("ascii").split()) + " "
    doubled = prose + prose[1:]

    for prompt in build_pool(1024, 50, 7, O200K, 0.0):
        assert prompt.before == LEAD
        assert prompt.after.decode() + " " in doubled


def test_shared_prefix_is_its_share_of_the_tokens() -> None:
    """With a share s, the first round(s n) tokens are the same text in every prompt, and only those."""
    pool = build_pool(200, 100, 7, O200K, 0.333)
    (before,) = {prompt.before for prompt in pool}

    assert O200K.count(before.decode()) == 67
    assert len({prompt.after for prompt in pool}) == 100


@pytest.mark.parametrize(("size", "share", "needed"), [(8, 0.0, 9), (128, 0.95, 130)])
def test_too_small_a_prompt_is_refused_with_the_size_it_takes(size: int, share: float, needed: int) -> None:
    """A size that cannot hold prefix and nonce is named together with one that can."""
    with pytest.raises(ValueError, match=rf"prompt of {size} tokens cannot hold .* take {needed} tokens or more"):
        build_pool(size, 1, 7, O200K, share)


def test_prose_needs_no_escape_in_json() -> None:
    """The prose is ASCII that JSON leaves alone, so that slices of it may go into a body as they are."""
    text = "".join(prompt.before.decode() + prompt.after.decode() for prompt in build_pool(4096, 60, 7, O200K, 0.1))

    assert json.dumps(text) == f'"{text}"'
    for line in (TEXT / "prose.txt").read_text("ascii").splitlines():
        assert json.dumps(line) == f'"{line}"'


def test_nonce_words_are_single_tokens() -> None:
    """256 different lower-case ASCII words, each one token after a space in both vocabularies."""
    words = [word.decode() for word in nonce_words()]

    assert len(set(words)) == 256
    assert all(word[1:].isascii() and word[1:].isalpha() and word[1:].islower() for word in words)
    assert {tokenizer.count(word) for word in words for tokenizer in (O200K, CL100K)} == {1}


@given(key=KEYS)
def test_nonce_names_its_key(key: int) -> None:
    """The key can be computed back from the nonce: no two keys below 2^64 share one."""
    numbers = bytes(nonce_words().index(b" " + word) for word in nonce(key).split())

    assert int.from_bytes(numbers, "big") * pow(GOLDEN, -1, 2**64) % 2**64 == key
    assert nonce(key + 2**64) == nonce(key)


@given(key=KEYS)
def test_consecutive_keys_differ_in_every_word(key: int) -> None:
    """The nonces of k and k + 1 have no word in common at any place."""
    assert all(one != other for one, other in zip(nonce(key).split(), nonce(key + 1).split(), strict=True))


def server(count: Callable[[str], int]) -> tuple[ServerTokenizer, list[str]]:
    """A server's tokenizer with this count, and the texts that it is asked for."""
    asked: list[str] = []

    def counted(text: str) -> int:
        asked.append(text)
        return count(text)

    return ServerTokenizer(counted), asked


def costly(*words: str) -> Callable[[str], int]:
    """A vocabulary like cl100k_base that lacks some words: they cost one token more."""
    return lambda text: CL100K.count(text) + sum(text.split().count(word) for word in words)


def test_server_sized_prompts_are_exact_with_few_calls() -> None:
    """Sized by a server, prompts are exact for any nonce at about three calls each, and at most 100 are counted."""
    tokenizer, asked = server(lambda text: CL100K.count(text) + 1)
    pool = build_pool(1024, 300, 7, tokenizer, 0.2)
    calls = len(asked)

    assert {prompt.tokens for prompt in pool} == {1024}
    assert {CL100K.count(content(prompt, key)) for key, prompt in enumerate(pool[:FITTED])} == {1024}
    assert CL100K.count(pool[0].before.decode()) == round(0.2 * 1024)
    assert pool[FITTED : 2 * FITTED] == pool[:FITTED]
    assert len({prompt.after for prompt in pool}) == FITTED
    assert calls <= 4 * FITTED


def test_words_that_cost_more_at_the_server_are_no_nonce_words() -> None:
    """Words of more than one token there are replaced by spares, so that each nonce still costs the same."""
    tokenizer, asked = server(costly("river", "stone", "clock"))
    words = choose_words(tokenizer)
    pool = build_pool(128, 20, 7, tokenizer, 0.0)

    assert len(set(words)) == 256
    assert {b" river", b" stone", b" clock"}.isdisjoint(words)
    assert {tokenizer.count(content(prompt, key, words)) for key, prompt in enumerate(pool)} == {128}
    assert choose_words(O200K) == nonce_words()
    assert len(asked) < 250


def test_miss_is_told() -> None:
    """Where whole words cannot give the size (each costs two tokens), `tokens` is the true count, one token off."""
    tokenizer, asked = server(lambda text: 2 * len(text.split()))
    pool = build_pool(127, 10, 7, tokenizer, 0.0)

    assert {abs(prompt.tokens - 127) for prompt in pool} == {1}
    assert [tokenizer.count(content(prompt, 0)) for prompt in pool] == [prompt.tokens for prompt in pool]
    assert len(asked) < 1200
