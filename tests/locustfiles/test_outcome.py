"""Outcomes: every way a request can end has one name of the closed set and one clean line."""

from __future__ import annotations

import json
import typing
from array import array
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.sample import Outcome
from locustfiles._dialects import DIALECTS, Reply
from locustfiles._outcome import classify
from locustfiles._wire import Failure

FIXTURES = Path(__file__).parent / "fixtures"
EVENTS, JSON, HTML = ({"content-type": kind} for kind in ("text/event-stream", "application/json", "text/html"))
OUTCOMES = typing.get_args(Outcome)


def reply(body: bytes = b"", status: int = 200, headers: dict[str, str] = EVENTS, ends: bool = True) -> Reply:
    """A reply with this body; it does not end when the wire failed."""
    it = DIALECTS["openai-chat"].reply(array("q"), stream=True)
    if status:
        it.begin(status, dict(headers))
    if body:
        it.feed(body, 1)
    if ends:
        it.close()
    return it


def stream(*contents: str, finish: str | None = "stop", tokens: int | None = None, done: bool = True) -> bytes:
    """A stream of these contents, its end and the server's count."""
    events = [{"choices": [{"delta": {"content": text}}]} for text in contents]
    if finish:
        events.append({"choices": [{"delta": {}, "finish_reason": finish}]})
    if tokens is not None:
        events.append({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": tokens}})
    return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n" * done


def refusal(message: object, **more: object) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


# the end of a reply


@pytest.mark.parametrize(
    ("body", "asked", "outcome"),
    [
        (stream("a", "b"), None, "ok"),
        (stream("a", "b", finish="length", tokens=2), 2, "ok"),
        (stream("a", "b", finish="length", tokens=3), 2, "ok"),
        (stream("a", "b", finish="length"), 2, "ok"),  # nobody can tell
        (stream("a", "b", finish="length"), 5, "ok"),
        (stream("a", "b", "c", finish="length", tokens=2), 3, "ok"),  # a server that does not count the last
        (stream("a", "b", finish="length", tokens=2), 3, "truncated"),
        (stream("a", "b", finish="length", tokens=2), None, "truncated"),
        (stream("a", finish="stop", tokens=1), 9, "ok"),  # shorter than asked: the miss is reported, nothing failed
        (stream("a", finish="tool_calls"), None, "ok"),
        (stream("a", finish="content_filter"), None, "ok"),
        (stream("a", finish=None), None, "ok"),
        (stream("a", done=False), None, "ok"),
        (stream("a", finish=None, done=False), None, "stream_broken"),
        (stream("a", finish="error"), None, "error_in_stream"),
        (stream("a", finish="abort"), None, "error_in_stream"),
        (stream(), None, "empty"),
        (stream("", "", finish="length", tokens=0), 5, "empty"),
        (b"data: [DONE]\n\n", None, "empty"),
        (b": ping\n\n", None, "empty"),
        (b"", None, "empty"),
    ],
)
def test_how_a_stream_ends(body: bytes, asked: int | None, outcome: str) -> None:
    """A stream's outcome follows from its content, its finish reason and the length that was forced."""
    assert classify(reply(body), None, asked)[0] == outcome


def test_recorded_replies_of_a_real_engine() -> None:
    """llama.cpp: a forced length and a natural end are ok, a full context truncates, the refusals say why."""
    outcomes = {
        name: classify(reply((FIXTURES / name).read_bytes(), status, headers), None, asked)
        for name, status, headers, asked in [
            ("llamacpp_forced.sse", 200, EVENTS, 8),
            ("llamacpp_natural.sse", 200, EVENTS, None),
            ("llamacpp_runs_out.sse", 200, EVENTS, 1000),
            ("llamacpp_whole.json", 200, JSON, 8),
            ("llamacpp_too_long.json", 400, JSON, 8),
            ("llamacpp_bad_request.json", 400, JSON, 8),
        ]
    }

    assert outcomes == {
        "llamacpp_forced.sse": ("ok", None),
        "llamacpp_natural.sse": ("ok", None),
        "llamacpp_runs_out.sse": ("truncated", "stopped by a limit after 41 tokens; 1000 tokens was asked"),
        "llamacpp_whole.json": ("ok", None),
        "llamacpp_too_long.json": (
            "context_overflow",
            "400: request (1531 tokens) exceeds the available context size (512 tokens), try increasing it "
            "(exceed_context_size_error)",
        ),
        "llamacpp_bad_request.json": (
            "http_error", "400: Expected 'messages' to be an array (invalid_request_error)",
        ),
    }  # fmt: skip


def test_why_there_is_no_token() -> None:
    """An empty reply says what the server said about it; hidden reasoning that used up the length says what to do."""
    usage = {"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 9}}
    body = b"data: %s\n\n" % json.dumps({"choices": [{"finish_reason": "length"}], "usage": usage}).encode()

    assert classify(reply(body), None, 9) == (
        "empty",
        "the reply has no token: 9 tokens of hidden reasoning, then finish reason length; raise the output length",
    )
    assert classify(reply(stream(finish="content_filter")), None, 9)[1] == (
        "the reply has no token, finish reason content_filter"
    )
    assert classify(reply(b'{"status": "ok"}', headers=JSON), None, 9) == (
        "empty", 'the reply has no token: {"status":"ok"}',
    )  # fmt: skip


@pytest.mark.parametrize("headers", [HTML, JSON, EVENTS, {}])
def test_a_page_under_200_is_an_http_error(headers: dict[str, str]) -> None:
    """HTML instead of JSON, under any content type: its title is in the line."""
    page = b"\n<!DOCTYPE html><html><head><TITLE>Sign in &amp; go</TITLE></head><body>x</body></html>"

    assert classify(reply(page, headers=headers), None, 5) == (
        "http_error", "answered HTML instead of JSON: Sign in &amp; go",
    )  # fmt: skip


def test_other_text_under_200_is_an_http_error() -> None:
    """Neither JSON nor a page: the line shows how it begins."""
    assert classify(reply(b"It works!", headers={}), None, 5) == (
        "http_error", "answered something that is no JSON: It works!",
    )  # fmt: skip


# the wire


@pytest.mark.parametrize(
    ("kind", "status", "body", "outcome"),
    [
        ("dns", 0, b"", "connection"),
        ("connect", 0, b"", "connection"),
        ("tls", 0, b"", "connection"),
        ("reset", 0, b"", "connection"),
        ("closed", 0, b"", "connection"),
        ("reset", 200, b"", "stream_broken"),
        ("closed", 200, stream("a"), "stream_broken"),
        ("protocol", 200, stream("a"), "stream_broken"),
        ("protocol", 0, b"", "stream_broken"),
        ("timeout", 0, b"", "timeout"),
        ("timeout", 200, stream("a"), "timeout"),
        ("timeout", 503, refusal("out of memory"), "timeout"),
        ("first_token_timeout", 200, b"", "timeout"),
        ("reset", 500, refusal("CUDA out of memory"), "server_oom"),  # the refusal had been said
        ("closed", 429, b"", "rate_limited"),
        ("closed", 200, b"data: %s\n\n" % refusal("boom"), "error_in_stream"),
        ("reset", 200, b"data: %s\n\n" % refusal("CUDA error: out of memory"), "server_oom"),
    ],
)
def test_how_the_wire_fails(kind: str, status: int, body: bytes, outcome: str) -> None:
    """Where a connection broke tells its outcome, unless the server had said why before."""
    broken = reply(body, status, EVENTS if status == 200 else JSON, ends=False)
    found, text = classify(broken, Failure(kind, "the detail"), 5)  # type: ignore[arg-type]

    assert found == outcome
    if outcome in ("connection", "stream_broken", "timeout"):
        assert text == "the detail"
    else:
        assert "the detail" not in str(text)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ({"message": "boom"}, "error_in_stream"),
        ({"message": "slow", "code": "rate_limit_exceeded"}, "rate_limited"),
        ({"message": "CUDA out of memory"}, "server_oom"),
        ({"message": "Context size has been exceeded."}, "context_overflow"),
    ],
)
def test_an_error_object_is_a_failure_under_200(error: dict, outcome: str) -> None:
    """Streamed after content and [DONE], or as the whole reply: never ok."""
    told = json.dumps({"error": error}).encode()

    assert (
        classify(reply(stream("a", done=False) + b"data: " + told + b"\n\ndata: [DONE]\n\n"), None, None)[0] == outcome
    )
    assert classify(reply(told, headers=JSON), None, None)[0] == outcome


def test_a_malformed_event_is_a_failure() -> None:
    """Between good events as well: something of the reply is lost."""
    kind, text = classify(reply(stream("a", done=False) + b"data: {oops\n\n" + stream("b")), None, None)

    assert (kind, text) == ("error_in_stream", "an event that cannot be read: {oops")


@settings(max_examples=400, deadline=None)
@given(
    st.binary(max_size=400) | st.text(max_size=200).map(lambda text: json.dumps({"error": {"message": text}}).encode()),
    st.sampled_from([0, 200, 200, 302, 400, 404, 429, 500, 503, 999]),
    st.sampled_from([EVENTS, JSON, HTML, {}]),
    st.none() | st.builds(Failure, st.sampled_from(["dns", "reset", "protocol", "timeout"]), st.text(max_size=300)),
    st.none() | st.integers(min_value=1, max_value=9),
)
def test_every_end_has_an_outcome_and_a_clean_line(
    body: bytes, status: int, headers: dict[str, str], failure: Failure | None, asked: int | None
) -> None:
    """Whatever came: an outcome of the set, and a printable line of 1 to 200 characters unless it is ok."""
    ended = reply(body if status else b"", status, headers, ends=failure is None)
    outcome, text = classify(ended, failure, asked)

    assert outcome in OUTCOMES
    assert (text is None) == (outcome == "ok")
    if text and failure is None:
        assert 1 <= len(text) <= 200
        assert text.isprintable()
