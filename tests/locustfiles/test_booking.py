"""One row per request: the characters of what a reply says."""

from __future__ import annotations

import json

import pytest
from dialect_pieces import JSON, events, read

from exporters.fleet import Lane, Order
from exporters.sample import Timeline
from locustfiles._booking import Exchange, Span, sample_of
from locustfiles._dialects import Ask, Reply
from locustfiles._pace import Turn
from locustfiles._prompts import Prompt


def chars(reply: Reply) -> int | None:
    """What the row of this reply says."""
    order = Order(seq=1, phase="window", lanes=(Lane(arm="a"),), block=1, users=1)
    turn = Turn(order=order, lane=order.lanes[0], phase="window", user=0, number=0, backoff_s=0.0, opened_ns=0)
    ask = Ask(model="m", prompt=Prompt("p"), nonce=b"", max_tokens=9, force_length=True, stream=True, extra=b"")
    timeline = Timeline(sent=1, sent_wall_ns=1, end=1000, chunks=reply.chunks)
    sample, _, _ = sample_of(Exchange(turn, ask, timeline, reply, ended=1000), 0, "1", Span(), None)
    return sample.output_chars


def delta(**said: object) -> dict:
    return {"choices": [{"delta": said}]}


@pytest.mark.parametrize(
    ("said", "count"),
    [([delta(content="Grüß"), delta(content=" Gott")], 9), ([delta(reasoning="hm"), delta(content="4")], 3),
     ([delta(role="assistant")], 0), ([], 0)],
)  # fmt: skip
def test_a_row_has_the_characters_of_text_and_reasoning(said: list[dict], count: int) -> None:
    """Characters, not bytes; an empty reply has none of them."""
    assert chars(read("openai-chat", events(*said))) == count


def test_a_tool_call_is_text_too() -> None:
    """It is generated token by token as well."""
    call = delta(tool_calls=[{"index": 0, "function": {"name": "look", "arguments": '{"at": 1}'}}])

    assert chars(read("openai-chat", events(call))) >= len('{"at": 1}')


def test_vectors_have_no_characters() -> None:
    """Absent, not 0: nothing was written."""
    body = json.dumps({"data": [{"embedding": [0.1]}], "usage": {"prompt_tokens": 3}}).encode()

    assert chars(read("openai-embeddings", body, headers=JSON)) is None
