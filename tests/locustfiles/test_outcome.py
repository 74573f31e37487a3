"""Outcomes: every way a request can end has one name of the closed set and one clean line."""

from __future__ import annotations

import json
import time
import typing
from array import array
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.sample import Outcome
from locustfiles._dialects import DIALECTS, Reply
from locustfiles._dialects._said import line, message_of
from locustfiles._outcome import classify, retry_after_s
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


# refusals


@pytest.mark.parametrize(
    ("status", "message", "outcome"),
    [
        (429, "whatever", "rate_limited"),
        (429, "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 41000", "rate_limited"),
        (429, "CUDA out of memory", "rate_limited"),
        (400, "ThrottlingException: Rate exceeded, request was throttled", "rate_limited"),
        (503, "Too many requests, please wait before trying again.", "rate_limited"),
        (403, "You exceeded your current quota, please check your plan", "rate_limited"),
        (500, "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 23.69 GiB total capacity)", "server_oom"),
        (503, "torch.OutOfMemoryError: HIP out of memory", "server_oom"),
        (500, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)", "server_oom"),
        (500, "worker was OOMKilled", "server_oom"),
        (500, "RESOURCE_EXHAUSTED: Out of memory allocating 17179869184 bytes", "server_oom"),
        (500, "failed to find free space in the KV cache", "server_oom"),
        (500, "Out of available cache blocks: asked 5, only 2 free blocks", "server_oom"),
        (500, "CUDA error: an illegal memory access was encountered", "http_error"),
        (500, "there is no room for that in the memory of the people", "http_error"),
        (400, "the word boom is no reason", "http_error"),
        (400, "out of memory is no business of a client", "http_error"),
        # OpenAI
        (400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
         "context_overflow"),
        (400, "Your input exceeds the context window of this model. Please adjust your input and try again.",
         "context_overflow"),
        # vLLM, old and new
        (400, "This model's maximum context length is 1024 tokens. However, you requested 1029 tokens (1028 in the "
              "messages, 1 in the completion).", "context_overflow"),
        (400, "The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure "
              "that `max_model_len` is no smaller than the number of text tokens.", "context_overflow"),
        (400, "You passed 1015 input tokens and requested 10 output tokens. However, the model's context length is only "
              "1024 tokens", "context_overflow"),
        # SGLang
        (400, "The input (61709 tokens) is longer than the model's context length (40960 tokens).", "context_overflow"),
        (400, "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens).", "context_overflow"),
        # TGI
        (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens "
              "and 20 `max_new_tokens`", "context_overflow"),
        (422, "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000", "context_overflow"),
        # llama.cpp
        (400, "the request exceeds the available context size. try increasing the context size or enable context shift",
         "context_overflow"),
        (500, "Context size has been exceeded.", "context_overflow"),
        # Anthropic, TensorRT-LLM, Gemini, Bedrock
        (400, "prompt is too long: 204000 tokens > 200000 maximum", "context_overflow"),
        (400, "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000", "context_overflow"),
        (400, "Prompt length (5000) exceeds maximum input length (4096)", "context_overflow"),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
         "context_overflow"),
        (400, "Input is too long for requested model.", "context_overflow"),
        # near misses
        (504, "context deadline exceeded", "http_error"),
        (400, "Missing field in request context", "http_error"),
        (400, "Unsupported value: 'max_tokens' must be at least 1, got 0", "http_error"),
        (404, "The model `x` does not exist.", "http_error"),
        (401, "Invalid Authentication", "http_error"),
        (503, "The engine is currently overloaded, please try again later", "http_error"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_by_status_and_words(status: int, message: str, outcome: str) -> None:
    """The wordings of real servers, and others that only look like them."""
    kind, text = classify(reply(refusal(message), status, JSON), None, 8)

    assert kind == outcome
    assert str(text).startswith(f"{status}: {message[:40]}")


SHAPES = {
    "OpenAI": (b'{"error":{"message":"M","type":"t","param":null,"code":"C"}}', "M (C)"),
    "vLLM of 2024, SGLang": (
        b'{"object":"error","message":"M","type":"BadRequestError","code":400}',
        "M (BadRequestError)",
    ),
    "TGI": (b'{"error":"M","error_type":"validation"}', "M (validation)"),
    "FastAPI": (b'{"detail":"M"}', "M"),
    "FastAPI, a list": (
        b'{"detail":[{"loc":["body"],"msg":"M","type":"missing","input":"our prompt"}]}',
        "M (missing)",
    ),
    "a gateway around another": (b'{"error":{"message":{"error":{"message":"M","code":"C"}},"code":"502"}}', "M (C)"),
    "a string": (b'"M"', "M"),
    "other JSON": (b'{"a":1}', '{"a":1}'),
    "plain text": (b"M\n", "M"),
    "a page": (b"<html><head><title>\nM </title>", "M"),
    "a page without a title": (b"<html>", "a page without a title"),
    "JSON cut off": (b'{"error":{"message":"M \\u00e9","param":"xxx', "M \\u00e9"),
    "nothing": (b"", "Bad Gateway, no body"),
    "Latin-1": (b"\xe9t\xe9", "�t�"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_an_error_body_is_understood(shape: str) -> None:
    """The message of a refusal is found wherever servers put it."""
    body, said = SHAPES[shape]

    assert classify(reply(body, 502, JSON), None, None) == ("http_error", f"502: {said}")


def test_an_echoed_prompt_is_no_reason() -> None:
    """FastAPI echoes the input: its words ("context length", "out of memory") classify nothing."""
    echo = {"detail": [{"msg": "Field required", "input": "the context length, out of memory, rate limit"}]}

    assert classify(reply(json.dumps(echo).encode(), 500, JSON), None, None)[0] == "http_error"


def test_a_redirect_says_where_to() -> None:
    """Redirects are not followed; the line says which address to use."""
    kind, text = classify(reply(b"", 308, {"location": "https://b/v1/"}), None, None)

    assert kind == "http_error"
    assert text == "308: redirects to https://b/v1/, which is not followed: put that address into url or path"


def test_a_status_that_nobody_defined() -> None:
    """599 without a body is still a line."""
    assert classify(reply(b"", 599), None, None) == ("http_error", "599: no body")


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


# the line


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("two\r\nlines\tand  more ", "two lines and more"),
        ("\x1b[1;31mred\x1b[0m \x1b]0;title\x07x\x1b]8;;http://a\x1b\\link \x9b2Jy\x1bcz", "red x link y z"),
        ("\x1bPq#0;2\x1b\\a\x00\x08b\x7fc\x85d", "a b c d"),
        ("safe\u202egnp.exe\u2066\u200b\u2028next\ufeff\ud800.", "safe gnp.exe next ."),
        ("Bearer abc.def-123 failed", "Bearer *** failed"),
        ("Incorrect API key provided: my-own-key-99. You can", "Incorrect API key provided: *** You can"),
        ("key sk-proj-abcdefghij, hf_abcdefghij", "key sk-***, hf_***"),
        ("jwt eyJhbGciOi.eyJzdWIi.c2ln end", "jwt eyJ*** end"),
        ("http://user:password@host/x", "http://***@host/x"),
        ("a task-force asks for risk-free-returns", "a task-force asks for risk-free-returns"),
    ],
)
def test_a_line_is_clean(text: str, clean: str) -> None:
    """No control characters, terminal escapes, invisible characters or secrets."""
    assert line(text) == clean


def test_a_line_is_bounded_and_says_so() -> None:
    """At most 200 characters; what was cut ends in an ellipsis; a secret across the cut is masked before."""
    assert line("x" * 300) == "x" * 199 + "…"
    assert line("x" * 200) == "x" * 200
    assert line("y" * 190 + " sk-" + "a" * 50) == "y" * 190 + " sk-***"


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


def test_a_large_error_body_is_searched_quickly() -> None:
    """A body of 16 KiB that teases every pattern takes no more than a few milliseconds."""
    for tease in (
        b"<title" * 3000,
        b'{"message":"' + b"\\" * 16000,
        b"api key " * 2000,
        b"input " * 3000,
        b"://a" * 4000,
    ):
        start = time.process_time()
        classify(reply(tease, 500, {}), None, None)
        line(tease.decode())
        assert time.process_time() - start < 0.2
    assert message_of(b"<title" * 3000)


# Retry-After

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0), ("2", 2.0), (" 1.5 ", 1.5), ("120", 120.0), (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0), ("Fri, 15 Jan 2027 08:01:00 -0000", 60.0), ("-5", None), ("soon", None),
        ("", None), ("nan", None), ("inf", None), ("1e9", None), ("²", None), ("1, 2", None), ("9" * 400, None),
        ("Fri, 99 Jan 2027 08:01:00 GMT", None), ("Fri, 15 Jan 0001 00:00:00 +2359", 0.0),
    ],
)  # fmt: skip
def test_retry_after(value: str, seconds: float | None) -> None:
    """Seconds or an HTTP date, never negative; whatever else it says is as good as absent."""
    assert retry_after_s(reply(b"", 429, {"retry-after": value}), NOW) == seconds


def test_no_retry_after() -> None:
    """Without the header there is no wish."""
    assert retry_after_s(reply(b"", 429), NOW) is None


@given(
    st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} (Jan|Feb|Foo) \d{1,5} \d\d:\d\d:\d\d [+-]?\w{0,5}")
)
def test_retry_after_never_raises(value: str) -> None:
    """Any header value gives a wait that is not negative, or none."""
    wait = retry_after_s(reply(b"", 429, {"retry-after": value}), NOW)

    assert wait is None or wait >= 0
