"""Prompts of exactly n tokens from natural prose, and the nonce that makes each request's text new.

A prompt's content is `before + nonce + after`: a lead-in word (or the shared prefix), eight words by a key, prose.
All of it is words after single spaces, so under a tiktoken vocabulary its count is the sum of its words' counts (see
`Tokenizer`). Everything is a function of (seed, size, index) or of the key: no arm is named, so all get the same text.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import accumulate, islice

import msgspec

from locustfiles._tokens import ONE_TOKEN, TEXT, Tokenizer, load_tokenizer

NONCE_TOKENS = 8  # words of a nonce, each for one byte of a key
FITTED = 100  # different prompts per size when a server must count each of them: a longer pool repeats them
TRIES = 12  # counts that one of those may cost; most need 2 to 4
CALIBRATION_WORDS = 2000
LEAD = ONE_TOKEN.encode()  # chat templates trim content: without a lead-in the nonce would lose its first space
GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: odd, and no byte of it is 0 or 255


class Prompt(msgspec.Struct, frozen=True):
    """One prompt: JSON-escaped bytes without quotes around the nonce, or `messages`, a whole JSON array.

    `tokens` is the true count of the content with its nonce; None where nobody counted.
    """

    id: str
    tokens: int | None = None
    before: bytes = b""
    after: bytes = b""
    messages: bytes | None = None
    output: int | None = None  # of a data set: tokens of its answer


def nonce(key: int, words: Sequence[bytes] | None = None) -> bytes:
    """Eight words drawn by `key` modulo 2^64: another key, another nonce; k and k + 1 differ in every word.

    The bytes of key x GOLDEN mod 2^64 name the words. GOLDEN is odd: a bijection. A step of the key adds GOLDEN's byte
    and perhaps a carry to each byte of the product; as that byte is neither 0 nor 255, each byte changes.
    """
    table = nonce_words() if words is None else words
    return b"".join([table[byte] for byte in (key * GOLDEN % 2**64).to_bytes(NONCE_TOKENS, "big")])


@cache
def nonce_words() -> tuple[bytes, ...]:
    """The usual 256 words of a nonce, each after a space: one token each in o200k_base and in cl100k_base."""
    return _candidates()[:256]


@cache
def choose_words(tokenizer: Tokenizer) -> tuple[bytes, ...]:
    """256 words that cost one token each under `tokenizer`, so that every nonce costs NONCE_TOKENS.

    A server is asked, once per tokenizer: twice if the usual words will do, < 1,000 short counts at worst. If it has
    fewer than 256 such words the usual ones are kept, and a prompt's count is true for the nonce of key 0 only.
    """
    usual = nonce_words()
    if tokenizer.additive:
        return usual
    lead = tokenizer.count(ONE_TOKEN)

    def cost(words: Sequence[bytes]) -> int:
        return tokenizer.count((LEAD + b"".join(words)).decode()) - lead

    good = usual if cost(usual) == 256 else tuple(islice(_one_token_words(cost, _candidates()), 256))
    return good if len(good) == 256 else usual


def build_pool(input_tokens: int, count: int, seed: int, tokenizer: Tokenizer, shared_prefix: float) -> list[Prompt]:
    """`count` prompts of exactly `input_tokens` tokens, nonce included; a longer pool begins with the shorter one.

    The first round(shared_prefix x input_tokens) tokens are the same in all of them. Counted by a server, a prompt may
    miss its size by a token or two where no cut was exact: `tokens` tells.
    """
    shared = max(1, round(shared_prefix * input_tokens))
    if shared + NONCE_TOKENS > input_tokens:
        raise ValueError(
            f"a prompt of {input_tokens} tokens cannot hold a shared prefix of {shared} and a nonce of {NONCE_TOKENS}: "
            f"take {shared + NONCE_TOKENS} tokens or more, or a smaller shared_prefix"
        )
    prose, fill = measure(tokenizer), _exact if tokenizer.additive else _fitted
    place = int.from_bytes(hashlib.blake2b(f"{seed}/{input_tokens}".encode(), digest_size=8).digest(), "big")
    before = LEAD + next(fill(prose, tokenizer, Blank(LEAD, 1, shared, place))).text
    head = before + nonce(0, choose_words(tokenizer))
    passages = fill(prose, tokenizer, Blank(head, shared + NONCE_TOKENS, input_tokens, place))
    different = count if tokenizer.additive else min(count, FITTED)
    pool = [
        Prompt(f"{input_tokens}-{index}", passage.total, before, passage.text)
        for index, passage in enumerate(islice(passages, different))
    ]
    return [pool[index % different] for index in range(count)]


class Blank(msgspec.Struct, frozen=True):
    """What prose is to fill: the text so far, its tokens, and the tokens of the whole; `place` is the seed."""

    head: bytes
    head_tokens: int
    total: int
    place: int


class Passage(msgspec.Struct, frozen=True):
    """A piece of prose that begins with a space, and the tokens of head and piece together."""

    text: bytes
    total: int


class Prose(msgspec.Struct, frozen=True):
    """The bundled prose twice over, so that a passage may run past its end; word i starts at `offsets[i]`.

    `sums[i]` is the tokens of the words before word i: measured exactly, or estimated for a server's tokenizer.
    """

    text: bytes
    offsets: array[int]
    sums: array[float]

    @property
    def words(self) -> int:
        """Words of one lap."""
        return len(self.sums) // 2

    @property
    def tokens(self) -> float:
        """Tokens of one lap."""
        return self.sums[self.words]

    def cut(self, start: int, words: int) -> bytes:
        """`words` words from word `start` on, each after a space."""
        laps, words = divmod(words, self.words)
        lap = self.text[self.offsets[start] : self.offsets[start + self.words]] if laps else b""
        return lap * laps + self.text[self.offsets[start] : self.offsets[start + words]]

    def reach(self, start: int, tokens: float) -> int:
        """The fewest words from word `start` on that have at least `tokens` tokens."""
        laps, tokens = divmod(max(tokens, 0), self.tokens)
        return int(laps) * self.words + bisect_left(self.sums, self.sums[start] + tokens, start) - start

    def span(self, start: int, words: int) -> float:
        """Tokens of `words` words from word `start` on."""
        laps, words = divmod(words, self.words)
        return laps * self.tokens + self.sums[start + words] - self.sums[start]


@cache
def measure(tokenizer: Tokenizer) -> Prose:
    """The prose with its words' tokens: counted word by word, or o200k_base's scaled by one count of a sample."""
    words = (TEXT / "prose.txt").read_text("ascii").split()
    counter, scale = tokenizer, 1.0
    if not tokenizer.additive:
        counter = load_tokenizer("o200k_base")
        sample = " ".join(words[:CALIBRATION_WORDS])
        scale = tokenizer.count(sample) / counter.count(sample)
    cost = {word: counter.count(f" {word}") * scale for word in set(words)}
    return Prose(
        "".join([f" {word}" for word in words * 2]).encode(),
        array("q", accumulate([len(word) + 1 for word in words * 2], initial=0)),
        array("d", accumulate([cost[word] for word in words * 2], initial=0)),
    )


def _exact(prose: Prose, _: Tokenizer, blank: Blank) -> Iterator[Passage]:
    """Passages that fill the blank to the token, from different words on until all have had their turn."""
    tokens = blank.total - blank.head_tokens
    ends = set(prose.sums)
    rest = tokens % prose.tokens
    starts = [start for start in range(prose.words) if prose.sums[start] + rest in ends]
    for index in _spread(len(starts), blank.place):
        start = starts[index]
        yield Passage(prose.cut(start, prose.reach(start, tokens)), blank.total)


def _fitted(prose: Prose, tokenizer: Tokenizer, blank: Blank) -> Iterator[Passage]:
    """Passages cut by estimate, counted as a whole, and corrected by whole words until the count is right."""
    for start in _spread(prose.words, blank.place):
        yield _fit(prose, tokenizer, blank, start)


def _fit(prose: Prose, tokenizer: Tokenizer, blank: Blank, start: int) -> Passage:
    words = prose.reach(start, blank.total - blank.head_tokens)
    tried: dict[tuple[int, int], Passage] = {}
    while len(tried) < TRIES:
        text = prose.cut(start, words)
        passage = tried[start, words] = Passage(text, tokenizer.count((blank.head + text).decode()))
        miss = blank.total - passage.total
        if miss == 0 or (miss < 0 and words == 0):
            break
        moved = prose.reach(start, prose.span(start, words) + miss)
        words = moved if moved != words else words + (1 if miss > 0 else -1)
        while (start, words) in tried:  # one more is too much, one less too little: the next word leads instead
            start, words = (start + 1) % prose.words, max(words - 1, 0)
    return min(tried.values(), key=lambda passage: abs(passage.total - blank.total))


def _spread(length: int, place: int) -> Iterator[int]:
    """Each number below `length` once, then all over again: from a seeded one on, in golden-section steps."""
    step = round(length * GOLDEN / 2**64)
    while math.gcd(step, length) != 1:
        step += 1
    at = place % length
    while True:
        yield at
        at = (at + step) % length


def _one_token_words(cost: Callable[[Sequence[bytes]], int], words: Sequence[bytes]) -> Iterator[bytes]:
    """Those of `words` that cost one token, by halving: no word costs less, so n words for n tokens are all good."""
    if cost(words) <= len(words):
        yield from words
    elif len(words) > 1:
        yield from _one_token_words(cost, words[: len(words) // 2])
        yield from _one_token_words(cost, words[len(words) // 2 :])


@cache
def _candidates() -> tuple[bytes, ...]:
    return tuple(f" {word}".encode() for word in (TEXT / "nonce_words.txt").read_text("ascii").split())
