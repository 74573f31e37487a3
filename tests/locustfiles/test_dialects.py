"""Every dialect: recorded replies tell what they told, however they are cut; whatever comes is classified."""

from __future__ import annotations

import typing
from array import array

import pytest
from dialect_pieces import EVENTS, FIXTURES, JSON, LINES, kind_of, read, recorded, told
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.sample import Outcome
from locustfiles._dialects import DIALECTS, Usage
from locustfiles._outcome import classify
from scenarios.scenario import APIS
from shapes._launch import ENTRIES

COMPLETIONS = "openai-completions"
MODEL, RED = "smollm2-135m", "1. Red: The color of the"

# file -> api, what it tells beside model, and a natural or forced end (the outcome is ok)
RECORDED: dict[str, tuple[str, dict]] = {
    "llamacpp_completions.sse": (COMPLETIONS, {
        "text": "\n\nThe sentence should be in the", "usage": Usage(10, 8, 0), "finish": "length", "chunks": 8,
    }),
    "llamacpp_completions_whole.json": (COMPLETIONS, {
        "text": "\n\nThe sentence should be in the", "usage": Usage(10, 8, 9), "finish": "length", "streamed": False,
    }),
}  # fmt: skip
USUAL = {
    "reasoning": "", "calls": "", "model": MODEL, "error": None, "done": True, "streamed": True, "malformed": 0,
    "chunks": 0, "answers": 0,
}  # fmt: skip


def streams() -> list[str]:
    return [name for name in RECORDED if not name.endswith(".json")]


def test_the_tables_know_the_same_apis() -> None:
    """What a scenario may say, what is spoken and what has an entry file are the same."""
    assert set(APIS) == set(DIALECTS) == set(ENTRIES)
    assert [name for name in APIS if DIALECTS[name].name != name] == []


def test_verified_means_recorded() -> None:
    """A dialect is verified exactly when there is a recording of a real server for it."""
    recordings = {api for api, _ in RECORDED.values()} | {"openai-chat"}

    assert {name for name in DIALECTS if DIALECTS[name].verified} == recordings
    assert [name for name in RECORDED if name not in (FIXTURES / "README.md").read_text()] == []


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_reply(name: str) -> None:
    """Text, counts, end and chunks of a real server's reply, and its outcome."""
    api, expected = RECORDED[name]
    reply = read(api, recorded(name), headers=kind_of(name))

    assert told(reply) == {**USUAL, **expected}
    assert classify(reply, None, 8) == ("ok", None)


@pytest.mark.parametrize("name", streams())
def test_a_stream_cut_at_every_byte(name: str) -> None:
    """Cut in two anywhere it tells the same, and each chunk bears the time of the piece that completes it."""
    api, body = RECORDED[name][0], recorded(name)
    whole = told(read(api, body))
    stamps = []
    for cut in range(len(body) + 1):
        reply = read(api, body[:cut], body[cut:])
        assert told(reply) == whole, cut
        stamps.append(list(reply.chunks).count(100))

    assert stamps == sorted(stamps)
    assert (stamps[0], stamps[-1]) == (0, whole["chunks"])
    assert set(stamps) == set(range(whole["chunks"] + 1))


@pytest.mark.parametrize("name", RECORDED)
def test_a_reply_byte_by_byte(name: str) -> None:
    """One byte at a time it tells the same, each chunk later than the one before."""
    api, body = RECORDED[name][0], recorded(name)
    reply = read(api, *(body[at : at + 1] for at in range(len(body))), headers=kind_of(name))

    assert told(reply) == told(read(api, body, headers=kind_of(name)))
    assert len(set(reply.chunks)) == len(reply.chunks)
    assert reply.first_visible_ns == (reply.chunks[0] if reply.chunks else None)


PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"data: ", b"\n\n", b"\n", b"\r\n", b"event: error\n", b"null", b"[" * 3000, b'{"error":', b"[]"]),
    st.sampled_from([b'{"type":"error","error":{"message":"x"}}', b"<html>", b"{}", b"[DONE]", b'{"error":"x"}', b"3"]),
    st.builds(
        lambda name, start, stop: recorded(name)[min(start, stop) : max(start, stop)],
        st.sampled_from(sorted(RECORDED)), st.integers(0, 4000), st.integers(0, 4000),
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
    api, body = RECORDED[name][0], recorded(name)
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
    api, body = RECORDED[name][0], recorded(name)

    assert classify(read(api, body[: len(body) // 2], headers=kind_of(name)), None, 5)[0] == "stream_broken"
