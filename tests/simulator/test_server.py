"""The simulator on a socket: OpenAI's protocol, in order, however the request is cut."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.process import served
from tests.simulator.plain_client import PlainClient, Reply, chat_bytes, metrics, metrics_when, post_bytes

USAGE = {"include_usage": True}
EACH = {"include_usage": True, "continuous_usage_stats": True}


def chat(url: str, **members: object) -> Reply:
    with PlainClient(url) as client:
        return client.chat(**members)


def test_a_stream_has_a_role_the_tokens_a_finish_and_usage(simulated: str) -> None:
    """One chunk per token, one token per chunk by its own /tokenize, usage in an event without choices, [DONE]."""
    reply = chat(simulated, stream=True, max_tokens=12, stream_options=USAGE)
    role, *tokens, finish, usage = reply.events

    assert (reply.status, reply.whole) == (200, True)
    assert reply.headers["content-type"] == "text/event-stream"
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert len(tokens) == len(reply.texts) == 12
    assert finish["choices"][0]["finish_reason"] == "length"
    assert usage["choices"] == []
    assert (usage["usage"]["prompt_tokens"], usage["usage"]["completion_tokens"]) == (4, 12)
    with PlainClient(simulated) as client:
        client.send(post_bytes("/tokenize", b'{"prompt": "%s"}' % "".join(reply.texts).encode()))
        assert client.read().json["count"] == 12


def test_usage_comes_as_it_was_asked_for(simulated: str) -> None:
    """Not at all, or at the end, or with every token: then it counts up."""
    silent = chat(simulated, stream=True, max_tokens=3).events
    counting = chat(simulated, stream=True, max_tokens=3, stream_options=EACH).events

    assert all("usage" not in event for event in silent)
    assert [event["usage"]["completion_tokens"] for event in counting if "usage" in event] == [1, 2, 3, 3]


def test_a_reply_that_is_not_streamed_is_one_object(simulated: str) -> None:
    """The same tokens with usage, by content length."""
    streamed = chat(simulated, stream=True, max_tokens=9)
    whole = chat(simulated, max_tokens=9)
    choice = whole.json["choices"][0]

    assert choice["message"] == {"role": "assistant", "content": "".join(streamed.texts)}
    assert choice["finish_reason"] == "length"
    assert whole.json["usage"]["total_tokens"] == 4 + 9


def test_a_natural_stop_says_so(simulated: str) -> None:
    """Without a forced length the model stops by itself, the same for the same text, and later for min_tokens."""
    first, second = (chat(simulated, ignore_eos=False, max_tokens=300) for _ in range(2))
    longer = chat(simulated, ignore_eos=False, max_tokens=300, min_tokens=230)

    assert first.json["choices"][0]["finish_reason"] == "stop"
    assert first.json["usage"] == second.json["usage"]
    assert longer.json["usage"]["completion_tokens"] == 230


def test_a_repeated_prompt_is_cached_up_to_its_last_block(simulated: str) -> None:
    """cached_tokens is in whole blocks of 16, less than the prompt."""
    text = "one two three four five six seven eight nine ten " * 12
    cold, warm = (chat(simulated, messages=[{"content": text}], max_tokens=2).json["usage"] for _ in range(2))

    assert cold["prompt_tokens_details"]["cached_tokens"] == 0
    assert warm["prompt_tokens_details"]["cached_tokens"] == (warm["prompt_tokens"] - 1) // 16 * 16 > 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 400), max_size=12), streams=st.lists(st.booleans(), min_size=1, max_size=3))
def test_requests_may_be_cut_and_pipelined_anywhere(simulated: str, cuts: list[int], streams: list[bool]) -> None:
    """However the bytes of several requests arrive, each gets its own reply, in order."""
    data = b"".join(chat_bytes(stream=stream, max_tokens=number + 1) for number, stream in enumerate(streams))
    edges = [0, *sorted({min(cut, len(data)) for cut in cuts}), len(data)]
    with PlainClient(simulated) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start, end in pairwise(edges):
            client.send(data[start:end])
        replies = [client.read() for _ in streams]

    for number, (reply, stream) in enumerate(zip(replies, streams, strict=True)):
        said = reply.texts if stream else reply.json["choices"][0]["message"]["content"].split()
        assert len(said) == number + 1


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (post_bytes("/v1/chat/completions", b"{not json"), 400),
        (post_bytes("/v1/chat/completions", b'{"messages": "text"}'), 400),
        (chat_bytes(max_tokens=0), 400),
        (chat_bytes({"x-simulator-fault": "nonsense"}), 400),
        (chat_bytes(max_tokens=9000), 400),
        (post_bytes("/tokenize", b"[]"), 400),
        (b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n", 404),
        (b"GET /v1/chat/completions HTTP/1.1\r\nhost: x\r\n\r\n", 404),
        (chat_bytes(stream=True).replace(b"HTTP/1.1", b"HTTP/1.0"), 505),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_gets_a_line_in_openais_form(simulated: str, data: bytes, status: int) -> None:
    """A status, and an error object with a message; the server goes on."""
    with PlainClient(simulated) as client:
        client.send(data)
        reply = client.read()

    assert (reply.status, reply.json["error"]["code"]) == (status, status)
    assert reply.json["error"]["message"]
    assert chat(simulated, max_tokens=1).status == 200


def test_a_prompt_beyond_the_context_gets_vllms_words(simulated: str) -> None:
    """The limit, what was asked, and the prompt's tokens as far as they were counted: one more than there is room."""
    said = chat(simulated, max_tokens=8190).json["error"]

    assert said["type"] == "BadRequestError"
    assert "maximum context length is 8192 tokens. However, you requested 8190 output tokens" in said["message"]
    assert said["message"].endswith(" (parameter=input_tokens, value=3)")


def test_key_and_model_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """401 without the key, 404 for another model, also with a fault behind its name; /health needs no key."""
    monkeypatch.setenv("SIMULATOR_TEST_KEY", "right")
    with served("simulator", ("--api-key-env", "SIMULATOR_TEST_KEY", "--model", "known")) as url:
        key = {"authorization": "Bearer right"}
        statuses = [
            chat(url, headers=headers, model=model, max_tokens=1).status
            for headers, model in (
                ({}, "known"), ({"authorization": "Bearer wrong"}, "known"), (key, "other"), (key, "known"),
                (key, "known+500"), (key, "other+500"),
            )
        ]  # fmt: skip
        with PlainClient(url) as client:
            health, models = client.get("/health").status, client.get("/v1/models").status

    assert statuses == [401, 401, 404, 200, 500, 404]
    assert (health, models) == (200, 401)


def test_a_large_body_waits_for_our_word(simulated: str) -> None:
    """Expect: 100-continue is answered before the body comes."""
    head, body = chat_bytes({"expect": "100-continue"}, max_tokens=2).split(b"\r\n\r\n", 1)
    with PlainClient(simulated) as client:
        client.send(head + b"\r\n\r\n")
        assert client.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(body)
        assert client.read().json["usage"]["completion_tokens"] == 2


def test_connection_close_is_honoured(simulated: str) -> None:
    """The reply comes whole, then the end of the connection."""
    with PlainClient(simulated) as client:
        assert client.chat(headers={"connection": "close"}, max_tokens=2, stream=True).whole
        assert client.socket.recv(1) == b""


def test_a_client_that_goes_away_frees_the_engine() -> None:
    """Its request is cancelled, running or waiting, memory comes back, and it is counted as aborted."""
    with served("simulator", ("--profile", "small")) as url:
        leavers = [PlainClient(url) for _ in range(14)]  # two more than the batch holds
        for client in leavers:
            client.send(chat_bytes(stream=True, max_tokens=8000))
        metrics_when(url, "vllm:num_requests_waiting", 2)
        assert metrics(url)["vllm:num_requests_running"] == 12
        for client in leavers:
            client.socket.close()
        rows = metrics_when(url, "vllm:num_requests_running", 0)

    assert rows["vllm:num_requests_waiting"] == rows["vllm:kv_cache_usage_perc"] == 0
    assert rows['vllm:request_success_total{finished_reason="abort"}'] == 14


def test_metrics_equal_what_was_served() -> None:
    """Counters and histograms are the sums over the replies; times agree with the client's, from below."""
    with served("simulator", ("--profile", "small")) as url:

        def ask(number: int) -> tuple[float, dict[str, int]]:
            started = time.monotonic()
            text = " ".join(["word"] * (10 + 40 * number))
            said = chat(url, messages=[{"content": text}], stream=number % 2 == 0, max_tokens=5 + number,
                        stream_options=USAGE)  # fmt: skip
            took = time.monotonic() - started
            return took, said.events[-1]["usage"] if number % 2 == 0 else said.json["usage"]

        with ThreadPoolExecutor(8) as pool:
            served_ = list(pool.map(ask, range(24)))
        rows = metrics(url)
    took, usages = sum(seconds for seconds, _ in served_), [usage for _, usage in served_]
    given, made = (sum(usage[name] for usage in usages) for name in ("prompt_tokens", "completion_tokens"))

    assert given == sum(10 + 40 * number for number in range(24))
    assert rows["vllm:prompt_tokens_total"] == rows["vllm:request_prompt_tokens_sum"] == given
    assert rows["vllm:generation_tokens_total"] == rows["vllm:request_generation_tokens_sum"] == made
    assert rows['vllm:request_success_total{finished_reason="length"}'] == 24
    assert rows["vllm:e2e_request_latency_seconds_count"] == rows["vllm:time_to_first_token_seconds_count"] == 24
    assert rows["vllm:inter_token_latency_seconds_count"] == made - 24
    assert rows["vllm:prefix_cache_queries_total"] == given
    cached = sum(usage["prompt_tokens_details"]["cached_tokens"] for usage in usages)
    assert rows["vllm:prefix_cache_hits_total"] == cached > 0
    assert 0.5 * took < rows["vllm:e2e_request_latency_seconds_sum"] < took
    parts = [rows[f"vllm:request_{part}_time_seconds_sum"] for part in ("queue", "prefill", "decode")]
    assert sum(parts) == pytest.approx(rows["vllm:e2e_request_latency_seconds_sum"])
    assert rows['vllm:e2e_request_latency_seconds_bucket{le="+Inf"}'] == 24
    assert rows["vllm:num_requests_running"] == 0
