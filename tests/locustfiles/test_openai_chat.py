"""The OpenAI chat dialect: how it asks, and what it makes of the streams of real servers."""

from __future__ import annotations

import json
import tracemalloc
from array import array
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locustfiles._dialects import DIALECTS, Ask, Usage
from locustfiles._dialects import _openai_reply as replies
from locustfiles._dialects._openai_reply import ChatReply
from locustfiles._prompts import Prompt

FIXTURES = Path(__file__).parent / "fixtures"
EVENTS, JSON = {"content-type": "text/event-stream; charset=utf-8"}, {"content-type": "application/json"}
CHAT = DIALECTS["openai-chat"]
DONE = b"data: [DONE]\n\n"


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


def read(*pieces: bytes, status: int = 200, headers: dict[str, str] = EVENTS) -> ChatReply:
    """A reply that came in these pieces, 10 ns apart from 100 on."""
    reply = ChatReply(array("q"))
    reply.begin(status, headers)
    for number, piece in enumerate(pieces):
        reply.feed(piece, 100 + 10 * number)
    reply.close()
    return reply


def event(*choices: dict, **more: object) -> bytes:
    return b"data: " + json.dumps({"id": "x", "choices": list(choices), **more}).encode() + b"\n\n"


def delta(finish: str | None = None, **fields: object) -> dict:
    return {"index": 0, "delta": fields, "finish_reason": finish, "logprobs": None}


def told(reply: ChatReply) -> tuple:
    """Everything that a reply tells, except when."""
    return ("".join(reply.text), "".join(reply.reasoning), "".join(reply.tool_calls), reply.usage, reply.finish_reason,
            reply.model, reply.error, reply.done, reply.streamed, reply.malformed, len(reply.chunks),
            reply.first_chunk_tokens)  # fmt: skip


# how it asks


def test_a_forced_length_is_asked_in_three_ways() -> None:
    """The whole body of a synthetic request: length, its forcing, usage in the stream, prompt around nonce."""
    assert sent(ask()) == {
        "model": "m", "stream": True, "stream_options": {"include_usage": True}, "ignore_eos": True,
        "max_tokens": 7, "min_tokens": 7, "messages": [{"role": "user", "content": 'say é " one two " twice'}],
    }  # fmt: skip


def test_a_natural_end_forces_nothing() -> None:
    """Without force_length only the limit is sent; without stream nothing of streams."""
    body = sent(ask(force_length=False, stream=False))

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


# recorded streams of a real engine


def recorded(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def test_a_real_forced_stream() -> None:
    """llama.cpp, 8 forced tokens: 8 chunks, the text, usage with an empty `choices`, [DONE]; timings do no harm."""
    reply = read(recorded("llamacpp_forced.sse"))

    assert told(reply) == (
        "1. Red: This is the most", "", "", Usage(input=34, output=8, cached=0), "length", "smollm2-135m", None, True,
        True, 0, 8, None,
    )  # fmt: skip


def test_a_real_natural_stream() -> None:
    """llama.cpp, natural stop: the role chunk and the finish chunk are no tokens; the end token has no chunk."""
    reply = read(recorded("llamacpp_natural.sse"))

    assert ("".join(reply.text), reply.finish_reason) == ("I'm ready to help. What's your question?", "stop")
    assert (len(reply.chunks), reply.usage) == (11, Usage(input=37, output=12, cached=24))


def test_a_real_whole_reply() -> None:
    """llama.cpp, not streamed: the same text and counts, no stamps."""
    reply = read(recorded("llamacpp_whole.json"), headers=JSON)

    assert told(reply) == (
        "1. Red: This is the most", "", "", Usage(input=34, output=8, cached=24), "length", "smollm2-135m", None, True,
        False, 0, 0, None,
    )  # fmt: skip


STREAM = recorded("llamacpp_forced.sse")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=len(STREAM)), max_size=30))
def test_how_a_real_stream_is_cut_changes_nothing(places: list[int]) -> None:
    """However the recorded stream is cut, it tells the same; a chunk bears the time of the byte that completes it."""
    ends = sorted(places)
    pieces = [STREAM[start:stop] for start, stop in zip([0, *ends], [*ends, len(STREAM)], strict=True)]
    whole = read(STREAM)
    reply = ChatReply(array("q"))
    reply.begin(200, EVENTS)
    fed, due = 0, []
    complete = [at + 2 for at in range(len(STREAM)) if STREAM.startswith(b"\n\n", at)][1:9]  # of the content events
    for number, piece in enumerate(pieces):
        reply.feed(piece, number)
        due += [number for at in complete if fed < at <= fed + len(piece)]
        fed += len(piece)
    reply.close()

    assert told(reply) == told(whole)
    assert list(reply.chunks) == due
    assert reply.first_visible_ns == due[0]


# scripted streams, after the documentation and issues of their servers


ROLE = event(delta(role="assistant", content=""), model="m")
END = event(delta("stop"))
LITELLM_USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def test_openai_counts_in_an_empty_choices() -> None:
    """OpenAI: role chunk with empty content, `usage: null` on the way, details in the last chunk."""
    usage = {
        "prompt_tokens": 9, "completion_tokens": 12, "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 10, "accepted_prediction_tokens": 0},
    }  # fmt: skip
    parts = [ROLE, event(delta(content="Hi"), usage=None), event(delta(content="!"), usage=None), END]
    reply = read(*parts, event(usage=usage), DONE)

    assert told(reply)[:6] == ("Hi!", "", "", Usage(input=9, output=12, cached=4, reasoning=10), "stop", "m")
    assert list(reply.chunks) == [110, 120]
    assert reply.done


def test_litellm_counts_beside_an_empty_delta() -> None:
    """LiteLLM: the usage chunk has one choice with an empty delta; it is no token and takes no finish reason away."""
    parts = [event(delta(role="assistant", content="a")), event(delta(content="b")), END]
    reply = read(*parts, event(delta(), usage=LITELLM_USAGE), DONE)

    assert (list(reply.chunks), reply.finish_reason) == ([100, 110], "stop")
    assert reply.usage == Usage(input=5, output=2)


def test_azure_begins_with_its_filters() -> None:
    """Azure: a leading chunk without choices or model, whose filter results are no error."""
    first = event(model="", prompt_filter_results=[{"prompt_index": 0, "content_filter_results": {}}])
    reply = read(first, event(delta(content="x", role="assistant"), model="gpt"), END, DONE)

    assert (reply.error, reply.model, list(reply.chunks)) == (None, "gpt", [110])


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_a_token_but_not_visible(name: str) -> None:
    """vLLM, SGLang, DeepSeek: reasoning under either name starts the clock; only content is visible."""
    thought = event(delta(**{name: "Hm", "content": None}))
    reply = read(ROLE, thought, thought, event(delta(content="Yes")), END, DONE)

    assert (list(reply.chunks), reply.first_visible_ns) == ([110, 120, 130], 130)
    assert (reply.reasoning, reply.text) == (["Hm", "Hm"], ["Yes"])


def test_reasoning_sent_under_both_names_is_one() -> None:
    """vLLM while it renames the field sends both: one text, one stamp; content beside it is kept too."""
    reply = read(
        event(delta(reasoning_content="a", reasoning="a")), event(delta(reasoning="b", content="c")), END, DONE
    )

    assert (reply.reasoning, reply.text, list(reply.chunks)) == (["a", "b"], ["c"], [100, 110])


def test_a_tool_call_is_generated_text() -> None:
    """Name and pieces of arguments are stamped; a piece with neither is not."""
    pieces = [
        [{"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": '{"city":'}}],
        [{"index": 0, "function": {"arguments": '"Paris"}'}}],
        [{"index": 0, "function": {"arguments": ""}}],
        [],
    ]
    reply = read(*(event(delta(tool_calls=piece)) for piece in pieces), event(delta("tool_calls")), DONE)

    assert "".join(reply.tool_calls) == 'weather{"city":"Paris"}'
    assert (list(reply.chunks), reply.first_visible_ns, reply.finish_reason) == ([100, 110, 120], None, "tool_calls")


def test_usage_in_every_chunk_tells_the_first_ones_tokens() -> None:
    """vLLM with continuous_usage_stats: the first content chunk's own count, the last chunk's total."""
    counts = [0, 3, 5, 5]
    contents = ["", "abc", "de", ""]
    chunks = [
        event(delta(content=text), usage={"prompt_tokens": 4, "completion_tokens": count})
        for text, count in zip(contents, counts, strict=True)
    ]
    reply = read(*chunks, DONE)

    assert (reply.first_chunk_tokens, reply.usage, len(reply.chunks)) == (3, Usage(input=4, output=5), 2)


def test_a_refusal_is_text() -> None:
    """OpenAI's refusal deltas were generated and are visible."""
    reply = read(event(delta(refusal="No.")), END, DONE)

    assert (reply.text, list(reply.chunks), reply.first_visible_ns) == (["No."], [100], 100)


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (b'data: {"error": {"message": "boom", "type": "server_error", "code": 500}}\n\n', "boom (server_error)"),
        (b'data: {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}\n\n',
         "slow down (rate_limit_exceeded)"),
        (b'data: {"error": "Request failed during generation", "error_type": "generation"}\n\n',
         "Request failed during generation"),
        (b'data: {"object": "error", "message": "vLLM of 2024", "type": "BadRequestError", "code": 400}\n\n',
         "vLLM of 2024"),
        (b'data: {"detail": "no"}\n\n', "no"),
        (b'event: error\ndata: {"message": "boom", "code": 3}\n\n', "boom"),
        (b"event: error\ndata: upstream timed out\n\n", "upstream timed out"),
        (b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
         "Overloaded (overloaded_error)"),
        (b'error: {"code":500,"message":"Context size has been exceeded.","type":"server_error"}\n\n',
         "Context size has been exceeded. (server_error)"),
        (b'data: {"choices":[{"delta":{"content":""},"finish_reason":"error"}],"error":{"message":"routed away"}}\n\n',
         "routed away"),
        (b'data: {"error": {"code": null, "param": "x"}}\n\n', '{"code":null,"param":"x"}'),
        (b'data: {"error": {"message": "\\u001b[31mred\\u202e\\n Bearer abcdefgh"}}\n\n', "red Bearer ***"),
    ],
)  # fmt: skip
def test_an_error_in_the_stream_is_told(stream: bytes, error: str) -> None:
    """Whatever a server calls an error is one clean line, and the tokens before it stay."""
    reply = read(event(delta(content="a")), stream)

    assert (reply.error, reply.text, list(reply.chunks)) == (error, ["a"], [100])


@pytest.mark.parametrize(
    "harmless",
    [b'data: {"choices":[],"error":null}\n\n', b'data: {"choices":null}\n\n', b"data: {}\n\n", b": OPENROUTER\n\n",
     b'data: {"choices":[{"delta":null}]}\n\n', b'data: {"choices":[{"delta":{"content":"","tool_calls":null}}]}\n\n',
     b'data: {"choices":[],"usage":{"prompt_tokens":null}}\n\n', b'data: {"choices":[{"finish_reason":""}]}\n\n',
     b"event: ping\ndata: {}\n\n"],
)  # fmt: skip
def test_what_is_odd_but_harmless_changes_nothing(harmless: bytes) -> None:
    """Nulls, empty objects, pings: no token, no error, no finish reason."""
    reply = read(harmless, event(delta(content="a")), harmless)

    assert (reply.error, reply.malformed, reply.finish_reason, list(reply.chunks)) == (None, 0, None, [110])


@pytest.mark.parametrize(
    "event_",
    [b"{", b"", b"[]", b"3", b"null", b'{"choices":3}', b'{"choices":[{"delta":{"content":5}}]}', b"\xff\xfe",
     b'{"choices":[{"delta":{"content":"\xff"}}]}', b'{"x":' + b"[" * 100_000, b'{"error":' + b'{"error":' * 100_000,
     b'{"choices":[{"delta":{"content":"\\ud800"}}]}', b"[DONE", b'{"usage":{"prompt_tokens":"9"}}',
     b'{"usage":{"prompt_tokens":1e999}}'],
)  # fmt: skip
def test_a_malformed_event_is_counted_and_the_rest_is_read(event_: bytes) -> None:
    """What cannot be read is counted and told once; what follows it is read as ever."""
    bad = b"data: " + event_ + b"\n\n"
    reply = read(event(delta(content="a")), bad, bad, event(delta("stop", content="b")), DONE)

    assert reply.malformed == 2
    assert str(reply.error).startswith("an event that cannot be read")
    assert len(str(reply.error)) <= 200
    assert (reply.text, reply.finish_reason, reply.done) == (["a", "b"], "stop", True)


@pytest.mark.parametrize("count", ["-1", "1e300", "9999999999999999999999999", "-0.5"])
def test_an_impossible_count_is_not_told(count: str) -> None:
    """A count that no reply can have is absent: it must not reach the columns of a row."""
    usage = f'{{"prompt_tokens": 3.0, "completion_tokens": {count}}}'.encode()
    reply = read(event(delta(content="a")), b'data: {"usage":' + usage + b"}\n\n", DONE)

    assert reply.usage == Usage(input=3, output=None)


@pytest.mark.parametrize("tail", [b"data: [DONE]", b"data: [DONE]\n", b"data:[DONE]\r\n", b"data: [DONE]\r", DONE])
def test_done_is_believed_without_its_empty_line(tail: bytes) -> None:
    """Servers that close right after [DONE] have ended their stream; other cut-off events are dropped."""
    assert read(event(delta(content="a")), tail).done
    cut_off = read(event(delta(content="a")), event(delta(content="b"))[:-1])
    assert (cut_off.text, cut_off.done) == (["a"], False)


# the wrong kind of body


def test_plain_json_where_events_were_asked_for() -> None:
    """Whatever its content type says, a JSON object is a whole reply: text, no stamps, not streamed."""
    body = recorded("llamacpp_whole.json")

    assert (
        told(read(body, headers=JSON)) == told(read(body[:1], body[1:], headers=EVENTS)) == told(read(body, headers={}))
    )


def test_events_under_another_content_type() -> None:
    """A stream that is not labelled as one is still stamped, however it is cut."""
    whole = told(read(STREAM))

    for headers in ({}, JSON, {"content-type": "text/plain"}):
        for cut in range(1, 12):
            assert told(read(STREAM[:cut], STREAM[cut:], headers=headers)) == whole


def test_a_whole_reply_tells_reasoning_and_tool_calls() -> None:
    """Not streamed: reasoning, arguments given as an object, and details of the usage."""
    message = {"role": "assistant", "content": None, "reasoning": "Hm",
               "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}  # fmt: skip
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 1}}
    body = {"model": "m", "choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": usage}
    reply = read(json.dumps(body).encode(), headers=JSON)

    assert told(reply)[:6] == ("", "Hm", 'f{"a":1}', Usage(input=1, output=2, reasoning=1), "tool_calls", "m")


def test_an_error_under_200_is_told() -> None:
    """A whole reply that is an error object is no reply."""
    reply = read(b'{"error": {"message": "no such model"}}', headers=JSON)

    assert (reply.error, reply.done) == ("no such model", False)


def test_a_refusal_by_status_keeps_its_head() -> None:
    """A body that is not 200 is kept up to its bound, as it comes: the connection may break before it is whole."""
    reply = ChatReply(array("q"))
    reply.begin(503, EVENTS)
    reply.feed(b"data: {}\n\n", 1)
    assert reply.head == b"data: {}\n\n"
    reply.feed(b"x" * 100_000, 2)
    reply.feed(b"x" * 100_000, 3)
    reply.close()

    assert (len(reply.head), list(reply.chunks), reply.streamed) == (replies.HEAD_BYTES, [], False)


# bounds


def test_names_of_hostile_servers_are_cleaned() -> None:
    """Model and finish reason end up in rows, pages and terminals: one clean line each."""
    reply = read(event(delta("\x1b]0;x\x07stop\n", content="a"), model="\x1b[31m" + "m" * 10_000), DONE)

    assert reply.finish_reason == "stop"
    assert reply.model == "m" * (replies.LONGEST_NAME - 1) + "…"


@pytest.mark.parametrize("streamed", [True, False])
def test_a_reply_without_end_is_an_error(streamed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound a reply is given up: an error, and nothing more is kept."""
    monkeypatch.setattr(replies, "STREAM_BYTES", 1 << 20)
    monkeypatch.setattr(replies, "WHOLE_BYTES", 1 << 20)
    piece = event(delta(content="a" * 1000)) if streamed else b'{"a": "' + b"x" * 1000
    reply = ChatReply(array("q"))
    reply.begin(200, EVENTS if streamed else JSON)
    for _ in range(1200):
        reply.feed(piece, 1)
    kept = len("".join(reply.text))
    for _ in range(1200):
        reply.feed(piece, 1)
    reply.close()

    assert reply.error == "a reply of more than 1 MiB"
    assert len("".join(reply.text)) == kept <= 1 << 20
    assert not reply.done


def test_an_event_without_end_is_an_error() -> None:
    """A line beyond the decoder's bound ends the reading, once."""
    reply = ChatReply(array("q"))
    reply.begin(200, EVENTS)
    for _ in range(200):
        reply.feed(b"x" * 65536, 1)
    reply.close()

    assert reply.error == "an event of more than 8 MiB"


PIECE = st.one_of(
    st.binary(max_size=80),
    st.sampled_from([
        b"data: ", b"\n\n", b"\r", b"\n", DONE, ROLE, END, b'{"choices":[', b'{"delta":{"content":"a"}}]}', b"[" * 3000,
        b"event: error\n", b"error: x", b"\xef\xbb\xbf", b"<html><title>x</title>", b'{"error":', b"]", b"}", b"null",
        event(delta(content="a")), event(delta(reasoning="b", tool_calls=[{}])), event(usage=LITELLM_USAGE),
        b'data: {"error":[[{"message":{"error":[]}}]]}\n\n', b'data: {"message":' + b"[" * 900 + b"]" * 900 + b"}\n\n",
    ]),
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(
    st.lists(PIECE, max_size=30),
    st.sampled_from([200, 200, 200, 204, 404, 500]),
    st.sampled_from([EVENTS, JSON, {}, {"content-type": "\xff"}]),
    st.booleans(),
)
def test_nothing_raises(pieces: list[bytes], status: int, headers: dict[str, str], ends: bool) -> None:
    """Whatever bytes come, however they are cut, a reply takes them: stamps in order, one line of error, bounded."""
    reply = ChatReply(array("q"))
    reply.begin(status, headers)
    for number, piece in enumerate(pieces):
        reply.feed(piece, number)
    if ends:
        reply.close()

    assert list(reply.chunks) == sorted(reply.chunks)
    assert len(reply.chunks) <= len(reply.text) + len(reply.reasoning) + len(reply.tool_calls)
    assert reply.error is None or (len(reply.error) <= 200 and reply.error.isprintable())
    assert len(reply.head) <= replies.HEAD_BYTES
    assert all(isinstance(text, str) for text in reply.text)


def test_garbage_takes_no_memory() -> None:
    """A hundred thousand events that mean nothing leave next to nothing behind."""
    reply = ChatReply(array("q"))
    reply.begin(200, EVENTS)
    piece = b"data: {]\n\nid: 7\nevent: x\n\n" * 600
    tracemalloc.start()
    for _ in range(170):
        reply.feed(piece, 1)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert reply.malformed == 102_000
    assert held < 50_000
