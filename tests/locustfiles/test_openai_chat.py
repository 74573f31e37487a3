"""How the OpenAI chat dialect asks."""

from __future__ import annotations

import json

import msgspec
import pytest

from locustfiles._dialects import DIALECTS, Ask
from locustfiles._prompts import Prompt

CHAT = DIALECTS["openai-chat"]


def ask(**changes: object) -> Ask:
    """An ordinary request of the matrix."""
    prompt = Prompt(id="p", tokens=3, before=b'say \\u00e9 \\"', after=b'\\" twice')
    usual = Ask(model="m", prompt=prompt, nonce=b" one two ", max_tokens=7, force_length=True, stream=True, extra=b"")
    return msgspec.structs.replace(usual, **changes)


def sent(request: Ask) -> dict:
    """What the server reads."""
    return json.loads(b"".join(CHAT.body(request)), object_pairs_hook=once)


def once(pairs: list[tuple[str, object]]) -> dict:
    """An object whose keys are all different: which of two a server takes is its own choice."""
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)


def test_a_forced_length_is_asked_in_three_ways() -> None:
    """The whole body of a synthetic request: length, its forcing, usage in the stream, prompt around nonce."""
    assert sent(ask()) == {
        "model": "m", "stream": True, "stream_options": {"include_usage": True}, "ignore_eos": True,
        "max_tokens": 7, "min_tokens": 7, "messages": [{"role": "user", "content": 'say é " one two " twice'}],
    }  # fmt: skip


def test_a_natural_end_forces_nothing() -> None:
    """Without force_length only the limit is sent; without stream nothing of streams."""
    body = sent(ask(force_length=False, stream=False, extra=b'"stream_options":{"include_usage":true}'))

    assert body == {"model": "m", "max_tokens": 7, "messages": [{"role": "user", "content": 'say é " one two " twice'}]}


def test_messages_go_as_they_are() -> None:
    """A task that brings its own messages sends exactly these bytes."""
    messages = b'[ {"role":"system","content":"be brief"} ,{"role":"user","content":"hi"}]'
    request = ask(prompt=Prompt(id="t", messages=messages), nonce=b"", force_length=False)

    assert messages in CHAT.body(request)
    assert sent(request)["messages"] == json.loads(messages)


@pytest.mark.parametrize(
    ("extra", "changed", "absent"),
    [
        (b'"temperature":0,"seed":18446744073709551617', {"temperature": 0, "seed": 2**64 + 1}, ()),
        (b'"ignore_eos":false', {"min_tokens": 7}, ("ignore_eos",)),
        (b'"ignore_eos":null,"min_tokens":0', {"max_tokens": 7}, ("ignore_eos", "min_tokens")),
        (b'"min_tokens":3', {"min_tokens": 3, "ignore_eos": True}, ()),
        (b'"stream_options":{"include_usage":true,"continuous_usage_stats":true}',
         {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}, ()),
        (b'"stream_options":false', {"stream": True}, ("stream_options",)),
        (b'"max_completion_tokens":1', {"max_completion_tokens": 7, "min_tokens": 7}, ("max_tokens",)),
        (b'"max_tokens":9,"model":"other","stream":false', {"max_tokens": 7, "model": "m", "stream": True}, ()),
        (b'"nvext":{"ignore_eos":true}', {"nvext": {"ignore_eos": True}, "ignore_eos": True}, ()),
    ],
)  # fmt: skip
def test_extra_body_adds_overrides_and_switches_off(extra: bytes, changed: dict, absent: tuple) -> None:
    """extra_body wins where the scenario has no other word; false, 0, null take a member away; no key comes twice."""
    body = sent(ask(extra=extra))

    assert {name: body[name] for name in changed} == changed
    assert [name for name in absent if name in body] == []


def test_a_prompt_is_spliced_not_encoded() -> None:
    """The pieces of a body are the prompt's own bytes objects where they can be: megabytes are not copied twice."""
    before, after = b"x" * 1000, b"y" * 1_000_000
    request = ask(prompt=Prompt(id="p", before=before, after=after))

    assert any(piece is after for piece in CHAT.body(request))
    assert any(piece is request.nonce for piece in CHAT.body(request))


def test_the_key_is_a_bearer() -> None:
    """With a key there is an Authorization header, without one there is none."""
    assert CHAT.headers("k")["authorization"] == "Bearer k"
    assert "authorization" not in CHAT.headers(None)
