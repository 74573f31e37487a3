"""What a user says in its conversations: every turn as the whole history, from texts that are there already. Pure.

All of it is a function of the seed, the place and the turn, so nothing is kept between requests, and both arms get the
same words. The first conversation of each user is cut short by the seed, so that users are not in step.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from exporters.fleet import Order
from locustfiles._prompts import LEAD, NONCE_TOKENS, Prompt, nonce
from scenarios.conversation import Conversation

LEAST = NONCE_TOKENS + 1  # tokens of a message: a lead-in and a nonce
OPEN = {"system": b'{"role":"system","content":"', "user": b'{"role":"user","content":"',
        "assistant": b'{"role":"assistant","content":"'}  # fmt: skip
CLOSE = b'"}'


class Said(NamedTuple):
    """One turn: the messages up to it, which conversation of its user it is in, and whether nothing may be cached."""

    prompt: Prompt
    conversation: int
    turn: int
    uncached: bool


class Words(NamedTuple):
    """The texts that conversations are made of, and the words of nonces."""

    questions: Sequence[Prompt]
    answers: Sequence[Prompt]
    system: Prompt | None
    nonces: Sequence[bytes] | None


def said(asked: Conversation, words: Words, place: str, number: int, key: str) -> Said:
    """A user's request `number` in a step; `place` names block, cell, rung and user, `key` makes the texts new."""
    first = 1 + _draw(f"{place}/first") % asked.turns
    conversation, turn = (0, number) if number < first else divmod(number - first, asked.turns)
    conversation += number >= first
    uncached = _draw(f"{place}/{conversation}/uncached") < asked.uncached_share * 2**64
    front = LEAD + nonce(_draw(f"{key}/{conversation}/{turn}/front"), words.nonces) + b" " if uncached else b""
    messages = list(_messages(words, (place, key), conversation, turn))
    role, text, _ = messages[0]
    parts = [OPEN[role] + front + text + CLOSE, *(OPEN[role] + text + CLOSE for role, text, _ in messages[1:])]
    tokens = [count for _, _, count in messages]
    total = None if None in tokens else sum(filter(None, tokens)) + (LEAST if uncached else 0)
    whole = Prompt(f"conversation-{turn + 1}", total, messages=b"[" + b",".join(parts) + b"]")
    return Said(whole, conversation, turn, uncached)


def _messages(
    words: Words, names: tuple[str, str], conversation: int, turn: int
) -> Iterator[tuple[str, bytes, int | None]]:
    """Role, escaped text and tokens of each message of a turn, oldest first."""
    place, key = names
    if words.system is not None:
        yield "system", words.system.before + nonce(0, words.nonces) + words.system.after, words.system.tokens
    for one in range(turn + 1):
        for role, texts in (("user", words.questions), ("assistant", words.answers)):
            if role == "user" or one < turn:
                text = texts[_draw(f"{place}/{conversation}/{one}/{role}") % len(texts)]
                own = nonce(_draw(f"{key}/{conversation}/{one}/{role}"), words.nonces)
                yield role, text.before + own + text.after, text.tokens


def conversing(order: Order, user: int) -> str:
    """What names a user's conversations in a step: the same in both arms."""
    cell = order.cell.name if order.cell else order.workload
    return f"{order.block}/{cell}/{order.users}/{user}"


def think_s(asked: Conversation, seed: int, place: str, number: int) -> float:
    """Seconds that a user thinks before its request `number`: the same in both arms."""
    if asked.thinking == "constant" or not asked.think:
        return asked.think
    share = _draw(f"{seed}/{place}/{number}/think") / 2**64
    return -asked.think * math.log1p(-share)


def thinking(asked: Conversation, seed: int) -> Callable[[Order, int, int], float]:
    """How long a user thinks before a request of an order."""
    return lambda order, user, number: think_s(asked, seed, conversing(order, user), number)


def _draw(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")
