"""Every dialect: recorded replies tell what they told, however they are cut; whatever comes is classified."""

from __future__ import annotations

import json
import re
import typing
from array import array

import pytest
from dialect_pieces import EVENTS, FIXTURES, JSON, LINES, events, kind_of, read, recorded, told
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.sample import Outcome
from locustfiles._dialects import DIALECTS, Usage
from locustfiles._outcome import classify
from scenarios.scenario import APIS, WITHOUT_OUTPUT

CHAT, COMPLETIONS, RESPONSES = "openai-chat", "openai-completions", "openai-responses"
MESSAGES = "anthropic-messages"
OLLAMA, TGI, EMBEDDINGS, RERANK = "ollama-chat", "tgi-generate", "openai-embeddings", "rerank"
MODEL, RED = "smollm2-135m", "1. Red: The color of the"
CITY = f"{RED} most iconic and iconic city in the world"

# file -> api, what it tells beside model, and a natural or forced end (the outcome is ok)
RECORDED: dict[str, tuple[str, dict]] = {
    "llamacpp_completions.sse": (COMPLETIONS, {
        "text": "\n\nThe sentence should be in the", "usage": Usage(10, 8, 0), "finish": "length", "chunks": 8,
    }),
    "llamacpp_completions_whole.json": (COMPLETIONS, {
        "text": "\n\nThe sentence should be in the", "usage": Usage(10, 8, 9), "finish": "length", "streamed": False,
    }),
    "llamacpp_messages.sse": (MESSAGES, {"text": RED, "usage": Usage(40, 8, 0), "finish": "length", "chunks": 8}),
    "llamacpp_messages_cached.sse": (MESSAGES, {
        "text": "Hello there, welcome to the world of the internet. I'm here to help you with whatever you need. "
                "What's on your mind?",
        "usage": Usage(22, 29, 5), "finish": "stop", "chunks": 28,
    }),
    "llamacpp_messages_whole.json": (MESSAGES, {
        "text": RED, "usage": Usage(40, 8, 39), "finish": "length", "streamed": False,
    }),
    "llamacpp_responses.sse": (RESPONSES, {"text": RED, "usage": Usage(40, 8, 39), "finish": "stop", "chunks": 8}),
    "llamacpp_responses_whole.json": (RESPONSES, {
        "text": RED, "usage": Usage(40, 8, 39), "finish": "stop", "streamed": False,
    }),
    "ollama.ndjson": (OLLAMA, {
        "text": "The first colour is **Red**, which", "usage": Usage(19, 8), "finish": "length", "chunks": 8,
        "model": "smollm2:135m",
    }),
    "ollama_natural.ndjson": (OLLAMA, {
        "text": "I'm so glad you're here! I hope it's a great place to chat with you. What brings you in "
                "today? Are you looking for something specific, or just browsing around?",
        "usage": Usage(12, 39), "finish": "stop", "chunks": 38, "model": "smollm2:135m",
    }),
    "ollama_whole.json": (OLLAMA, {
        "text": "The first colour is **Red**, which", "usage": Usage(19, 8), "finish": "length", "streamed": False,
        "model": "smollm2:135m",
    }),
    "llamacpp_embeddings.json": (EMBEDDINGS, {
        "text": "", "usage": Usage(10, None), "finish": None, "streamed": False, "answers": 1,
    }),
    "llamacpp_rerank.json": (RERANK, {
        "text": "", "usage": Usage(27, None), "finish": None, "streamed": False, "answers": 2,
    }),
    "litellm_chat.sse": (CHAT, {
        "text": RED, "usage": Usage(40, 8, 0, 0), "finish": "length", "chunks": 8, "model": "smollm",
    }),
    "litellm_whole.json": (CHAT, {
        "text": RED, "usage": Usage(40, 8, 39), "finish": "length", "streamed": False, "model": "smollm",
    }),
    "litellm_mock.sse": (CHAT, {  # more chunks than tokens: it cuts its text every three characters
        "text": "One two three four five six seven eight nine ten eleven twelve.", "usage": Usage(17, 13, None, 0),
        "finish": "stop", "chunks": 21, "model": "mocked",
    }),
    "litellm_messages.sse": (MESSAGES, {
        "text": CITY, "usage": Usage(40, 16, 39), "finish": "stop", "chunks": 16, "model": "smollm",
    }),
    "litellm_responses.sse": (RESPONSES, {"text": CITY, "usage": Usage(40, 16, 39), "finish": "stop", "chunks": 16}),
}  # fmt: skip
# After the documentation, where no server could be had or its model could not do it: written by hand, so it verifies
# nothing but our reading.
SCRIPTED: dict[str, tuple[str, dict]] = {
    "ollama_scripted.ndjson": (OLLAMA, {
        "text": "Hi there", "reasoning": "hm", "calls": 'get{"a":1}', "usage": Usage(26, 9), "finish": "length",
        "chunks": 4, "model": "llama3.2",
    }),
    "ollama_scripted_whole.json": (OLLAMA, {
        "text": "Hi", "usage": Usage(26, 8), "finish": "stop", "streamed": False, "model": "llama3.2",
    }),
    "tgi.sse": (TGI, {"text": " a \u00e9", "usage": Usage(9, 8), "finish": "stop", "chunks": 2, "model": None}),
    "tgi_whole.json": (TGI, {
        "text": "a b", "usage": Usage(1, 8), "finish": "length", "streamed": False, "model": None,
    }),
}  # fmt: skip
USUAL = {
    "reasoning": "", "calls": "", "model": MODEL, "error": None, "done": True, "streamed": True, "malformed": 0,
    "chunks": 0, "answers": 0,
}  # fmt: skip


REPLIES = RECORDED | SCRIPTED


def streams() -> list[str]:
    return [name for name in REPLIES if not name.endswith(".json")]


def test_the_tables_know_the_same_apis() -> None:
    """What a scenario may say is what is spoken."""
    assert set(APIS) == set(DIALECTS)
    assert {name for name in APIS if not DIALECTS[name].generates} == set(WITHOUT_OUTPUT)
    assert [name for name in APIS if DIALECTS[name].name != name] == []


def test_verified_means_recorded() -> None:
    """A dialect is verified exactly when there is a recording of a real server for it."""
    recordings = {api for api, _ in RECORDED.values()} | {"json"}  # tested in a file of its own

    assert {name for name in DIALECTS if DIALECTS[name].verified} == recordings
    assert [name for name in REPLIES if name not in (FIXTURES / "README.md").read_text()] == []


def test_the_readme_says_which_are_unverified() -> None:
    """Its table has a row for each API, in the order of the dialects, marked as they are."""
    readme = (FIXTURES.parents[2] / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z-]+)` (\|.*)$", readme, re.MULTILINE))

    assert list(rows) == list(DIALECTS) == list(APIS)
    unverified = [name for name in DIALECTS if not DIALECTS[name].verified]
    assert [name for name in rows if "**unverified**" in rows[name]] == unverified


@pytest.mark.parametrize("name", REPLIES)
def test_a_recorded_reply(name: str) -> None:
    """Text, counts, end and chunks of a real server's reply, and its outcome."""
    api, expected = REPLIES[name]
    reply = read(api, recorded(name), headers=kind_of(name))

    assert told(reply) == {**USUAL, **expected}
    assert classify(reply, None, 8) == ("ok", None)


@pytest.mark.parametrize("name", streams())
def test_a_stream_cut_at_every_byte(name: str) -> None:
    """Cut in two anywhere it tells the same, and each chunk bears the time of the piece that completes it."""
    api, body = REPLIES[name][0], recorded(name)
    whole = told(read(api, body, headers=kind_of(name)))
    stamps = []
    for cut in range(len(body) + 1):
        reply = read(api, body[:cut], body[cut:], headers=kind_of(name))
        assert told(reply) == whole, cut
        stamps.append(list(reply.chunks).count(100))

    assert stamps == sorted(stamps)
    assert (stamps[0], stamps[-1]) == (0, whole["chunks"])
    assert set(stamps) == set(range(whole["chunks"] + 1))


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_byte_by_byte(name: str) -> None:
    """One byte at a time it tells the same, each chunk later than the one before."""
    api, body = REPLIES[name][0], recorded(name)
    reply = read(api, *(body[at : at + 1] for at in range(len(body))), headers=kind_of(name))

    assert told(reply) == told(read(api, body, headers=kind_of(name)))
    assert len(set(reply.chunks)) == len(reply.chunks)
    first = len(reply.reasoning)  # of what is visible, where reasoning comes before it
    assert reply.first_visible_ns == (reply.chunks[first] if reply.chunks else None)


PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"data: ", b"\n\n", b"\n", b"\r\n", b"event: error\n", b"null", b"[" * 3000, b'{"error":', b"[]"]),
    st.sampled_from([b'{"type":"error","error":{"message":"x"}}', b"<html>", b"{}", b"[DONE]", b'{"error":"x"}', b"3"]),
    st.builds(
        lambda name, start, stop: recorded(name)[min(start, stop) : max(start, stop)],
        st.sampled_from(sorted(REPLIES)), st.integers(0, 4000), st.integers(0, 4000),
    ),
)  # fmt: skip


@pytest.mark.parametrize("api", APIS)
@settings(max_examples=150, deadline=None)
@given(
    pieces=st.lists(PIECES, max_size=12), status=st.sampled_from([200, 200, 200, 404, 500]),
    headers=st.sampled_from([EVENTS, JSON, LINES, {}]), ends=st.booleans(),
)  # fmt: skip
def test_nothing_raises(api: str, pieces: list[bytes], status: int, headers: dict[str, str], ends: bool) -> None:
    """Whatever bytes come, in any dialect: stamps in order, and an outcome of the set with one clean line."""
    reply = DIALECTS[api].reply(array("q"), True)
    reply.begin(status, dict(headers))
    for number, piece in enumerate(pieces):
        reply.feed(piece, number)
    if ends:
        reply.close()
    outcome, error = classify(reply, None, 5)

    assert list(reply.chunks) == sorted(reply.chunks)
    assert len(reply.chunks) <= len(reply.text) + len(reply.reasoning) + len(reply.tool_calls)
    assert outcome in typing.get_args(Outcome)
    assert (error is None) == (outcome == "ok")
    assert error is None or (1 <= len(error) <= 200 and error.isprintable())
    assert all(isinstance(said, str) for said in [*reply.text, *reply.reasoning, *reply.tool_calls])


ERRORS = [b'{"error":{"message":"boom","type":"x"}}', b'{"error":"boom"}', b'{"detail":"boom"}', b'{"message":"boom"}']


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("body", ERRORS)
def test_a_refusal_says_what_the_server_said(api: str, body: bytes) -> None:
    """A status that is not 200 is an HTTP error with the server's own words; 429 is a rate limit."""
    outcome, error = classify(read(api, body, status=400, headers=JSON), None, 5)

    assert outcome == "http_error"
    assert str(error).startswith("400: boom")
    assert classify(read(api, body, status=429, headers=JSON), None, 5)[0] == "rate_limited"


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("body", ERRORS[:2])
def test_an_error_under_200_is_a_failure(api: str, body: bytes) -> None:
    """An error object as the whole reply, though the status is 200."""
    assert classify(read(api, body, headers=JSON), None, 5)[0] == "error_in_stream"


@pytest.mark.parametrize("name", streams())
def test_an_error_in_the_stream_is_a_failure(name: str) -> None:
    """After content, as an event or line of its own: never ok."""
    api, body = REPLIES[name][0], recorded(name)
    end = b"\n" if kind_of(name) is LINES else b"\n\n"
    content = body[: 3 * len(body) // 4].rpartition(end)[0] + end
    said = b'{"type":"error","error":{"type":"overloaded_error","message":"boom"}}'
    told = said + end if end == b"\n" else b"event: error\ndata: " + said + end
    reply = read(api, content, told, headers=kind_of(name))

    assert len(reply.chunks) > 0
    assert classify(reply, None, 5) == ("error_in_stream", "boom (overloaded_error)")


@pytest.mark.parametrize("name", streams())
def test_a_stream_without_its_end_is_broken(name: str) -> None:
    """A stream that stops in the middle, cleanly as HTTP goes, is not ok."""
    api, body = REPLIES[name][0], recorded(name)

    assert classify(read(api, body[: len(body) // 2], headers=kind_of(name)), None, 5)[0] == "stream_broken"


def test_the_first_word_is_the_error_however_it_was_cut() -> None:
    """An unreadable event before one that is an error by name: the former is told, in one piece or in two."""
    first, second = b"data: {oops\n\n", b'event: error\ndata: {"error":"late"}\n\n'

    whole, cut = read("openai-chat", first + second), read("openai-chat", first, second)
    assert told(whole) == told(cut)
    assert "oops" in str(whole.error)


def test_an_error_without_words_is_said_in_some() -> None:
    """An error event with nothing in it still has its line."""
    assert classify(read("openai-chat", b"error\n\n"), None, 5) == ("error_in_stream", "an error without a word")


# What the recordings do not hold, after the APIs' documentation.


def test_anthropic_thinks_calls_and_pings() -> None:
    """Thinking, a tool's name and its input are chunks; a ping and a signature are none; input is all of it."""
    counts = {"input_tokens": 3, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 20, "output_tokens": 1}
    said = events(
        {"type": "message_start", "message": {"model": "claude", "content": [], "usage": counts}},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "EqQB"}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "name": "get", "input": {}}},
        {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 15}},
        {"type": "message_stop"},
        named=True,
    )
    reply = read(MESSAGES, *said.splitlines(keepends=True))

    assert told(reply) == {
        **USUAL, "text": "Hi", "reasoning": "hm", "calls": 'get{"a":1}', "usage": Usage(33, 15, 10), "chunks": 4,
        "finish": "tool_calls", "model": "claude",
    }  # fmt: skip
    assert reply.first_visible_ns == reply.chunks[1]


def test_a_full_context_in_anthropics_words() -> None:
    """llama.cpp refuses a message that is too long as it refuses a chat."""
    reply = read(MESSAGES, recorded("llamacpp_messages_too_long.json"), status=400, headers=JSON)

    assert classify(reply, None, 8)[0] == "context_overflow"


@pytest.mark.parametrize(
    ("name", "status", "outcome", "words"),
    [
        ("litellm_limited.json", 429, "rate_limited", "429: litellm.RateLimitError: this is a mock rate limit error"),
        ("litellm_too_long.json", 400, "context_overflow", "400: litellm.ContextWindowExceededError: "),
    ],
)
def test_a_gateway_s_refusals(name: str, status: int, outcome: str, words: str) -> None:
    """Recorded: LiteLLM wraps what the engine behind it says into words of its own."""
    found, error = classify(read(CHAT, recorded(name), status=status, headers=JSON), None, 8)

    assert found == outcome
    assert str(error).startswith(words)


def test_anthropic_that_breaks_off_has_no_output_count() -> None:
    """What `message_start` says of the output is no count of it."""
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}}

    assert read(MESSAGES, events(start, named=True)).usage == Usage(3, None)


def test_responses_reason_call_and_end_incomplete() -> None:
    """Reasoning and calls are chunks; `incomplete` at its token limit is a length; counts come with the end."""
    usage = {"input_tokens": 9, "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 12}}
    last = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "usage": usage}
    said = events(
        {"type": "response.created", "response": {"status": "in_progress", "model": "gpt", "usage": None}},
        {"type": "response.output_item.added", "item": {"type": "reasoning", "summary": []}},
        {"type": "response.reasoning_summary_text.delta", "delta": "hm"},
        {"type": "response.output_text.delta", "delta": "Hi"},
        {"type": "response.output_text.done", "text": "Hi"},
        {"type": "response.output_item.added", "item": {"type": "function_call", "name": "get", "arguments": ""}},
        {"type": "response.function_call_arguments.delta", "delta": "{}"},
        {"type": "response.incomplete", "response": last},
        named=True,
    )
    reply = read(RESPONSES, said)

    assert told(reply) == {
        **USUAL, "text": "Hi", "reasoning": "hm", "calls": "get{}", "usage": Usage(9, 20, None, 12), "chunks": 4,
        "finish": "length", "model": "gpt",
    }  # fmt: skip
    assert classify(reply, None, 20) == ("ok", None)
    assert classify(reply, None, 30)[0] == "truncated"


@pytest.mark.parametrize(
    ("last", "outcome"),
    [
        ({"type": "response.completed", "response": {}}, "ok"),
        ({"type": "response.completed"}, "ok"),
        ({"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}}, "ok"),
        ({"type": "response.incomplete"}, "ok"),
        ({"type": "response.failed"}, "error_in_stream"),
        ({"type": "response.failed", "response": {"error": {"message": "boom"}}}, "error_in_stream"),
        ({"type": "response.in_progress", "response": {}}, "stream_broken"),
    ],
)
def test_an_end_without_its_status_is_an_end_by_name(last: dict, outcome: str) -> None:
    """Gateways leave the response's status out, or the response."""
    said = events({"type": "response.output_text.delta", "delta": "Hi"}, last, named=True)

    assert classify(read(RESPONSES, said), None, 5)[0] == outcome


def test_a_failed_response_is_a_failure() -> None:
    """`response.failed` says why in the response, `error` in the event."""
    why = {"code": "server_error", "message": "boom"}
    failed = {"type": "response.failed", "response": {"status": "failed", "error": why}}

    assert classify(read(RESPONSES, events(failed, named=True)), None, 5) == ("error_in_stream", "boom (server_error)")
    assert classify(read(RESPONSES, events({"type": "error", **why})), None, 5)[1] == "boom (server_error)"


def test_ollama_without_its_content_type() -> None:
    """A gateway that says application/json: the first line, which is not the last, tells that it streams."""
    body = recorded("ollama_scripted.ndjson")

    assert told(read(OLLAMA, body, headers={})) == told(read(OLLAMA, body, headers=JSON))
    assert told(read(OLLAMA, body, headers=JSON)) == told(read(OLLAMA, body, headers=LINES))


def test_a_last_line_without_its_end_is_taken() -> None:
    """Newline-delimited JSON often lacks the last newline."""
    body = recorded("ollama_scripted.ndjson")

    assert told(read(OLLAMA, body.rstrip(b"\n"), headers=LINES)) == told(read(OLLAMA, body, headers=LINES))
    assert not read(OLLAMA, body[:-9], headers=LINES).done


def test_tgi_fails_in_its_own_words() -> None:
    """An error is an event with `error` and `error_type`, or an error status with the same."""
    error = {"error": "Request failed during generation: boom", "error_type": "generation"}
    whole = json.dumps({"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 9",
                        "error_type": "validation"}).encode()  # fmt: skip

    assert classify(read(TGI, events(error)), None, 5) == (
        "error_in_stream", "Request failed during generation: boom",
    )  # fmt: skip
    assert classify(read(TGI, whole, status=422, headers=JSON), None, 5)[0] == "context_overflow"


def test_ollama_refuses_in_one_line() -> None:
    """Recorded: a model that is not there."""
    reply = read(OLLAMA, recorded("ollama_no_model.json"), status=404, headers=JSON)

    assert classify(reply, None, 8) == ("http_error", '404: model "nothing" not found, try pulling it first')


@pytest.mark.parametrize(
    ("api", "body", "usage"),
    [
        (RERANK, {"results": [{"index": 0}], "meta": {"billed_units": {"search_units": 1}}}, Usage(None, None)),
        (RERANK, {"results": [{"index": 0}], "meta": {"tokens": {"input_tokens": 7}}}, Usage(7, None)),
        (RERANK, {"results": [{"index": 0}], "usage": {"total_tokens": 15}}, Usage(15, None)),
        (
            EMBEDDINGS,
            {"data": [{"embedding": "AAAA"}], "usage": {"prompt_tokens": 3, "total_tokens": 3}},
            Usage(3, None),
        ),
    ],
)
def test_counts_under_their_names(api: str, body: dict, usage: Usage) -> None:
    """Cohere has its tokens in `meta`, Jina only a total: all are the input's."""
    reply = read(api, json.dumps(body).encode(), headers=JSON)

    assert (reply.usage, reply.answers, classify(reply, None, 5)) == (usage, 1, ("ok", None))


@pytest.mark.parametrize("body", [b'{"data":[]}', b'{"object":"list"}', b"[]", b'{"data":3}'])
def test_no_vector_is_no_answer(body: bytes) -> None:
    """A reply without a single answer is empty, or no reply of this API at all; never ok."""
    assert classify(read(EMBEDDINGS, body, headers=JSON), None, 5)[0] in ("empty", "http_error")
