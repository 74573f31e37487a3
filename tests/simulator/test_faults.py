"""Every fault as a client sees it, from the engine and from the script."""

from __future__ import annotations

import time

import pytest

from simulator.process import served
from tests.simulator.plain_client import PlainClient, chat_bytes, metrics_when


@pytest.fixture(params=["simulated", "scripted"])
def url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(request.param)


def fault(name: str) -> dict[str, str]:
    return {"x-simulator-fault": name}


def ask(client: PlainClient, name: str, stream: bool = True):
    return client.chat(headers=fault(name), stream=stream, max_tokens=20)


@pytest.mark.parametrize("stream", [True, False])
def test_refusals_are_statuses_that_leave_the_connection_usable(url: str, stream: bool) -> None:
    """429 with Retry-After, 500; the next request on the same connection is served."""
    with PlainClient(url) as client:
        limited, failed = ask(client, "429", stream), ask(client, "500", stream)
        after = client.chat(stream=True, max_tokens=5)

    assert (limited.status, limited.headers["retry-after"]) == (429, "1")
    assert failed.status == 500
    assert after.texts


def test_an_empty_stream_is_200_and_done(url: str) -> None:
    """No token, no finish reason."""
    with PlainClient(url) as client:
        streamed, whole = ask(client, "empty"), ask(client, "empty", stream=False)

    assert (streamed.status, streamed.payloads) == (200, [b"[DONE]"])
    assert whole.json["choices"][0]["message"]["content"] == ""
    assert whole.json["usage"]["completion_tokens"] == 0


def test_a_reset_comes_after_three_tokens(url: str) -> None:
    """ECONNRESET in the middle, not a clean end."""
    with PlainClient(url) as client:
        client.send(chat_bytes(fault("reset"), stream=True, max_tokens=20))
        data = b""
        with pytest.raises(ConnectionResetError):
            while part := client.socket.recv(65536):
                data += part

    assert data.count(b'"content":" ') == 3


def test_malformed_events_and_error_objects_come_within_the_stream(url: str) -> None:
    """Three tokens, then what is no JSON, or an error object, under 200; then the connection serves on."""
    with PlainClient(url) as client:
        malformed, failed = ask(client, "malformed"), ask(client, "stream-error")
        after = client.chat(stream=True, max_tokens=5)

    assert (malformed.status, malformed.payloads[-2:]) == (200, [b"{this is no JSON", b"[DONE]"])
    assert failed.status == 200
    assert failed.events[-1]["error"]["message"]
    assert [b'"content":" ' in payload for payload in failed.payloads].count(True) == 3
    assert after.texts


def test_broken_replies_that_are_not_streamed(simulated: str) -> None:
    """No JSON under 200, and a 500."""
    with PlainClient(simulated) as client:
        malformed, failed = ask(client, "malformed", stream=False), ask(client, "stream-error", stream=False)

    assert (malformed.status, malformed.body) == (200, b"{this is no JSON")
    assert failed.status == 500


def test_a_stall_lasts_as_long_as_it_says_and_loses_nothing(url: str) -> None:
    """Three tokens, a pause of 0.3 s, then all the others."""
    with PlainClient(url) as client:
        plain = client.chat(stream=True, max_tokens=20)
        started = time.monotonic()
        stalled = ask(client, "stall=0.3")
        took = time.monotonic() - started

    assert took > 0.3
    assert stalled.whole
    assert len(stalled.texts) == len(plain.texts)


def test_a_stall_for_ever_holds_the_connection_and_frees_the_engine() -> None:
    """Three tokens, then silence; nothing runs any more."""
    with served("simulator", ("--fail-stall", "1", "--faults-after", "1")) as url, PlainClient(url) as client:
        assert client.chat(stream=True, max_tokens=20).whole  # the first is spared
        client.send(chat_bytes(stream=True, max_tokens=20))
        metrics_when(url, 'vllm:request_success_total{finished_reason="abort"}', 1)
        metrics_when(url, "vllm:num_requests_running", 0)
        client.socket.settimeout(0.2)
        data = b""
        with pytest.raises(TimeoutError):
            while part := client.socket.recv(65536):
                data += part

    assert data.count(b'"content":" ') == 3


def test_a_slow_start_delays_the_first_token_only(url: str) -> None:
    """0.3 s more, then as always."""
    with PlainClient(url) as client:
        started = time.monotonic()
        reply = ask(client, "slow-start=0.3")
        took = time.monotonic() - started

    assert took > 0.3
    assert len(reply.texts) in (20, 30)


def test_a_client_that_leaves_before_a_slow_start_is_never_served() -> None:
    """What it asked for does not reach the engine."""
    with served("simulator", ()) as url:
        with PlainClient(url) as client:
            client.send(chat_bytes(fault("slow-start=0.2"), max_tokens=5))
        with PlainClient(url) as other:
            ask(other, "slow-start=0.5")
        rows = metrics_when(url, "vllm:num_requests_running", 0)

    assert rows["vllm:time_to_first_token_seconds_count"] == 1
