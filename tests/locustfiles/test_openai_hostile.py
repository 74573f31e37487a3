"""What no server should send to the OpenAI dialect: malformed, endless, meant for a terminal. Nothing raises."""

from __future__ import annotations

import tracemalloc
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_pieces import DONE, END, EVENTS, JSON, LITELLM_USAGE, ROLE, delta, event, read

from locustfiles._dialects import Usage
from locustfiles._dialects import _incoming as replies
from locustfiles._dialects._openai_reply import ChatReply


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


@pytest.mark.parametrize(
    ("status", "piece"), [(200, b"data: {]\n\nid: 7\nevent: error\ndata: {}\n\n" * 600), (500, b"x" * 20_000)]
)
def test_garbage_takes_no_memory(status: int, piece: bytes) -> None:
    """A hundred thousand events that mean nothing, or megabytes of an error body, leave next to nothing behind."""
    read(*[piece] * 9, status=status)  # what the interpreter keeps for itself is not the reply's
    reply = ChatReply(array("q"))
    reply.begin(status, EVENTS)
    tracemalloc.start()
    for _ in range(170):
        reply.feed(piece, 1)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert reply.malformed == (102_000 if status == 200 else 0)
    assert held < 50_000
