"""What the OpenAI dialect makes of real servers' replies: recorded, or scripted after documents and issues."""

from __future__ import annotations

import json
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_pieces import DONE, END, EVENTS, JSON, LITELLM_USAGE, ROLE, delta, event, read, recorded, told

from locustfiles._dialects import Usage
from locustfiles._dialects._incoming import HEAD_BYTES
from locustfiles._dialects._openai_reply import ChatReply


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
    call = {"function": {"name": "f"}}
    both = [event(delta(reasoning="b", content="c")), event(delta(tool_calls=[call], content="d"))]
    reply = read(event(delta(reasoning_content="a", reasoning="a")), *both, END, DONE)

    assert (reply.reasoning, reply.text, reply.tool_calls) == (["a", "b"], ["c", "d"], ["f"])
    assert list(reply.chunks) == [100, 110, 120]


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

    assert (len(reply.head), list(reply.chunks), reply.streamed) == (HEAD_BYTES, [], False)
