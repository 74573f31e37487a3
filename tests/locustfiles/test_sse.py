"""Server-sent events: every legal form, however it is cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locustfiles._sse import LONGEST_EVENT, EventDecoder, EventError


def literal(stream: bytes) -> list[tuple[str, str]]:
    """(event name, data) of a whole stream, by the letter of the specification (section 9.2.6), slowly and in text."""
    text = stream.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    lines = re.split("\r\n|\n|\r", text)[:-1]  # what follows the last line end is no line
    events: list[tuple[str, str]] = []
    data, name = "", ""
    for line in lines:
        if line == "":
            if data:
                events.append((name, data.removesuffix("\n")))
            data, name = "", ""
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data":
                data += value + "\n"
    return events


def decoded(pieces: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Events and events named "error" that the decoder finds in pieces."""
    decoder = EventDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)], [data for _, data in decoder.errors]


def expected(stream: bytes) -> tuple[list[bytes], list[bytes]]:
    """The same by the letter."""
    events = [(name, data.encode("utf-8", "surrogateescape")) for name, data in literal(stream)]
    return [data for name, data in events if name != "error"], [data for name, data in events if name == "error"]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """The stream in pieces, cut at these places (modulo its length), empty pieces among them."""
    ends = sorted(place % (len(stream) + 1) for place in places)
    return [stream[start:stop] for start, stop in zip([0, *ends], [*ends, len(stream)], strict=True)]


END = st.sampled_from([b"\n", b"\r\n", b"\r"])
TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12).map(str.encode)
LINE = st.one_of(
    TEXT.map(lambda text: b"data: " + text),
    TEXT.map(lambda text: b"data:" + text),
    TEXT.map(lambda text: b": " + text),
    st.sampled_from([
        b"", b"", b"", b"data", b"data:", b"data:  two", b"event: error", b"event:error", b"event: ping", b"event",
        b"id: 7", b"retry: 10", b":", b"datax: no", b"DATA: no", b" data: no", b"unknown", b"data: [DONE]",
        b"data: \xe2\x80\xa8\xc2\x85|", b"data:\tx", b"event: error ",
    ]),
)  # fmt: skip
BLOCK = TEXT.map(lambda text: b"data: {" + text + b"}\n\n") | TEXT.map(lambda text: b"data: " + text + b"\r\n\r\n")
STREAM = st.builds(
    lambda bom, lines, tail: bom + b"".join(lines) + tail,
    st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf"]),
    st.lists(BLOCK | st.builds(lambda line, end: line + end, LINE, END), max_size=25),
    TEXT | LINE,
)


@settings(max_examples=600, deadline=None)
@given(STREAM, st.lists(st.integers(min_value=0, max_value=10_000), max_size=20))
def test_any_cut_of_any_stream_gives_what_the_specification_says(stream: bytes, places: list[int]) -> None:
    """However a stream is written and cut, its events are those of the decoder that follows the letter."""
    assert decoded(cut(stream, places)) == expected(stream)


@settings(max_examples=150, deadline=None)
@given(STREAM)
def test_one_byte_at_a_time(stream: bytes) -> None:
    """The finest cut of all, through every CRLF and every character."""
    assert decoded([stream[at : at + 1] for at in range(len(stream))]) == expected(stream)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_arbitrary_bytes_are_decoded_as_the_specification_says(pieces: list[bytes]) -> None:
    """Bytes that nobody meant as a stream, invalid UTF-8 among them, raise nothing and mean what the letter says."""
    stream = b"".join(pieces)
    if not re.search(rb"(^|[\r\n])(\xef\xbb\xbf)?error(:|[\r\n])", stream):  # no field of the specification; see below
        assert decoded(pieces) == expected(stream)


FORMS = {
    "LF": (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
    "CR": (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
    "mixed": (b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", [b"a", b"b", b"c"]),
    "a comment": (b": ping\n\ndata: a\n: in between\n\n", [b"a"]),
    "several data lines": (b"data: a\ndata:\ndata: b\n\n", [b"a\n\nb"]),
    "a byte-order mark": (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
    "no space": (b"data:a\n\ndata:  b\n\n", [b"a", b" b"]),
    "no colon": (b"data\n\ndata\ndata\n\n", [b"", b"\n"]),
    "other fields": (b"id: 1\nevent: chunk\nretry: 5\ndata: a\n\nid: 2\n\n", [b"a"]),
    "U+2028, U+0085 and VT": ("data: a\u2028\u0085\x0bb\n\n".encode(), ["a\u2028\u0085\x0bb".encode()]),
    "an event without its empty line": (b"data: a\n\ndata: b\n", [b"a"]),
    "nothing": (b"", []),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_legal_form(form: str) -> None:
    """The form gives these events, whole and in every cut in two."""
    stream, events = FORMS[form]

    assert expected(stream)[0] == events
    for place in range(len(stream) + 1):
        assert decoded([stream[:place], stream[place:]])[0] == events
        if not stream.startswith(b"\xef\xbb\xbf"):
            assert decoded([b": past the beginning\n\n", stream[:place], stream[place:]])[0] == events


def test_whole_events_are_read_in_the_light_of_what_came_before() -> None:
    """Reads that look like whole events (the fast path) are not, after a name, a CR, or with line ends inside."""
    begun = b": past the beginning\n\n"
    for pieces in (
        [begun, b"event: error\n", b"data: a\n\n", b"data: b\n\n"],
        [begun, b"data: a\r", b"\ndata: b\n\n"],
        [begun, b"data: a\n", b"data: b\n\ndata: c\n\n"],
        [begun, b"da", b"data: b\n\n"],
        [begun, b"data: a\rb\r\n\r\n", b"data: a\rdata: b\r\n\r\n", b"data: a\ndata: b\r\n\r\n"],
        [begun, b"data: a\rdata: b\n\n", b"data: a\r\n\n", b"data: a\ndata: b\n\ndata: c\n\n"],
        [begun, b"data: a\n\n\n\ndata: b\n\n", b"data: a\r\n\r\n\r\n\r\n", b"data: a\n\r\n\r\n"],
        [begun, b"data: \xef\xbb\xbf\n\n", b"\xef\xbb\xbfdata: a\n\n"],
    ):
        assert decoded(pieces) == expected(b"".join(pieces))


def test_an_event_is_given_with_the_byte_that_completes_it() -> None:
    """No event waits for the next read: also the second CR of two completes one (its stamp would be late)."""
    for end in (b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r", b"\r\n\n"):
        decoder = EventDecoder()
        *begin, last = (bytes([byte]) for byte in b"data: a" + end.removesuffix(b"\n" if end == b"\r\n\r\n" else b""))
        assert [event for byte in begin for event in decoder.feed(byte)] == []
        assert decoder.feed(last) == [b"a"]


def test_an_error_field_is_an_error() -> None:
    """llama.cpp of 2024 and 2025 sends `error: {...}` in place of data: kept apart, as an event named "error" is."""
    assert decoded([b'data: a\n\nerror: {"code":500}\n\ndata: b\n\n']) == ([b"a", b"b"], [b'{"code":500}'])


def test_what_the_end_cuts_off_can_be_asked_for() -> None:
    """`end` gives the event without its empty line, whatever it lacks, and nothing when nothing is cut off."""
    for tail in (b"data: [DONE]", b"data: [DONE]\n", b"data: [DONE]\r\n", b"data: [DONE]\r"):
        decoder = EventDecoder()
        assert decoder.feed(b"data: a\n\n" + tail) == [b"a"]
        assert decoder.end() == [b"[DONE]"]
    decoder = EventDecoder()
    decoder.feed(b"data: a\n\n")
    assert decoder.end() == []


@pytest.mark.parametrize("piece", [b"x" * 65536, b"data: " + b"x" * 65530, b"data\n" * 13107, b"data:\r" * 10922])
def test_memory_is_bounded(piece: bytes) -> None:
    """A line or an event without end is an error before it takes more than 8 MiB, however its bytes are spent."""
    decoder = EventDecoder()
    decoder.feed(b"data: a\n\n")
    fed = 0
    with pytest.raises(EventError, match="8 MiB"):
        while fed < 10 * LONGEST_EVENT:
            assert decoder.feed(piece) == []
            fed += len(piece)

    assert fed <= LONGEST_EVENT + 65536


def test_a_large_event_is_no_error() -> None:
    """An event of almost 8 MiB in reads of 64 KiB is whole."""
    payload = b"x" * (LONGEST_EVENT - 16384)
    stream = b"data: " + payload + b"\n\n"

    events, _ = decoded([stream[at : at + 65536] for at in range(0, len(stream), 65536)])

    assert events == [payload]
