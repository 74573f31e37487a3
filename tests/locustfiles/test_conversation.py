"""Conversations: each turn is the last one and more, its tokens are known, and both arms say the same."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from locustfiles._conversation import Said, Words, said, think_s
from locustfiles._prompts import build_pool
from locustfiles._tokens import load_tokenizer
from scenarios.conversation import Conversation

TOKENIZER = load_tokenizer("o200k_base")
SYSTEM = build_pool(50, 1, 1, TOKENIZER, 0.0)[0]
WORDS = Words(build_pool(40, 20, 1, TOKENIZER, 0.0), build_pool(30, 20, 1, TOKENIZER, 0.0), SYSTEM, None)
ASKED = Conversation(turns=5, system=50, uncached_share=0.4)


def told(number: int, user: int = 0, asked: Conversation = ASKED, key: str = "run") -> Said:
    return said(asked, WORDS, f"1/short/8/{user}", number, key)


def messages(one: Said) -> list[dict]:
    return json.loads(one.prompt.messages)


def test_turns_and_conversations_follow_each_other() -> None:
    """The first conversation is 1 to 5 turns long, by the user; all others are 5; numbers count up."""
    lengths = []
    for user in range(200):
        seen = [(one.conversation, one.turn) for one in (told(number, user) for number in range(30))]
        assert seen[0] == (0, 0)
        assert all(b in ((a[0], a[1] + 1), (a[0] + 1, 0)) for a, b in pairwise(seen))
        lengths.append([sum(c == conversation for c, _ in seen) for conversation in range(5)])
    assert {first for first, *_ in lengths} == {1, 2, 3, 4, 5}
    assert {length for _, *others in lengths for length in others} == {5}


def test_a_turn_is_the_one_before_and_two_messages_more() -> None:
    """System, then user and assistant in turn, ending with the user; the part before is the same byte for byte."""
    for number in range(1, 30):
        before, now = told(number - 1), told(number)
        roles = [message["role"] for message in messages(now)]
        assert roles == ["system", *["user", "assistant"] * now.turn, "user"]
        if now.conversation == before.conversation and not now.uncached:
            assert now.prompt.messages.startswith(before.prompt.messages[:-1])


def test_an_uncached_conversation_begins_anew_in_every_turn() -> None:
    """About 40 % of the conversations; no two turns of those share their first words, and the rest of them do."""
    by_conversation: dict[tuple[int, int], list[Said]] = {}
    for user in range(60):
        for number in range(25):
            one = told(number, user)
            by_conversation.setdefault((user, one.conversation), []).append(one)
    uncached = [turns for turns in by_conversation.values() if turns[0].uncached]
    assert 0.3 < len(uncached) / len(by_conversation) < 0.5
    for turns in by_conversation.values():
        assert len({one.uncached for one in turns}) == 1
        fronts = [messages(one)[0]["content"][:30] for one in turns]
        assert len(set(fronts)) == (len(turns) if turns[0].uncached else 1)


@pytest.mark.parametrize("number", range(0, 20, 3))
def test_its_tokens_are_exact(number: int) -> None:
    """The sum over all contents under the tokenizer, also of those with a front of their own."""
    for user in range(5):
        one = told(number, user)
        assert sum(TOKENIZER.count(message["content"]) for message in messages(one)) == one.prompt.tokens


def test_the_same_words_for_both_arms_and_new_ones_for_another_run() -> None:
    """Nothing but place, turn and key decides; another run's nonces differ, its prose does not."""
    assert told(7) == told(7)
    other = told(7, key="another run")
    assert other.prompt.messages != told(7).prompt.messages
    assert other.prompt.tokens == told(7).prompt.tokens
    assert told(7, user=1).prompt.messages != told(7).prompt.messages


def test_thoughts_are_exponential_and_seeded() -> None:
    """Mean and median of 4,000 thoughts of 2 s; constant ones are 2 s; none without."""
    asked = Conversation(think=2.0)
    thoughts = np.array([think_s(asked, 7, "1/a/8/0", number) for number in range(4000)])
    assert thoughts.mean() == pytest.approx(2.0, rel=0.05)
    assert np.median(thoughts) == pytest.approx(2.0 * np.log(2), rel=0.06)
    assert think_s(asked, 7, "1/a/8/0", 3) == thoughts[3]
    assert think_s(Conversation(think=2.0, thinking="constant"), 7, "", 1) == 2.0
    assert think_s(Conversation(), 7, "", 1) == 0.0
