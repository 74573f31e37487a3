"""Replies in any split, and the dates of what they bring."""

from __future__ import annotations

import contextlib
import socket
import struct
from array import array
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.sample import Timeline
from locustfiles import _flight, _poll
from locustfiles._flight import Flight
from locustfiles._framing import Framing, FramingError
from locustfiles._poll import Poll
from locustfiles._wire import Target

MS = 1_000_000
TARGET = Target(host="127.0.0.1", port=1)
REPLIES = [
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=1\r\n world\r\n0\r\nX-End: 1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nX-End: 1\r\n\r\nhello world",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\na: b\r\n\r\nHTTP/1.0 200 OK\r\nx-END: 1\r\n\r\nhello world",
]


class Body:
    """A sink that keeps everything; each "!" in the body counts as a content chunk."""

    def __init__(self) -> None:
        self.chunks, self.text, self.closed = array("q"), b"", 0

    def begin(self, status: int, headers: dict[str, str]) -> None:
        self.status, self.headers = status, headers

    def feed(self, data: bytes, at_ns: int) -> None:
        self.text += data
        self.chunks.extend([at_ns] * data.count(b"!"))

    def close(self) -> None:
        self.closed += 1


@given(st.sampled_from(REPLIES), st.lists(st.integers(1, 200)))
def test_a_reply_is_the_same_in_any_split(reply: bytes, cuts: list[int]) -> None:
    """However its bytes are split, the sink gets one head with the trailers, the same body, one close."""
    sink = Body()
    framing = Framing(sink, Timeline())
    edges = [0, *sorted({cut for cut in cuts if cut < len(reply)}), len(reply)]
    for at, (start, stop) in enumerate(pairwise(edges)):
        framing.take(reply[start:stop], at)

    assert framing.eof()
    assert (sink.status, sink.text, sink.closed) == (200, b"hello world", 1)
    assert sink.headers["x-end"] == "1"


@given(st.sampled_from(REPLIES[:2]), st.data())
def test_a_reply_cut_short_is_never_whole(reply: bytes, data: st.DataObject) -> None:
    """A reply with a length ends nowhere but at its end."""
    framing = Framing(Body(), Timeline())
    framing.take(reply[: data.draw(st.integers(1, len(reply) - 1))], 0)

    assert not framing.eof()


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_framing_error(data: bytes) -> None:
    """Whatever a server sends, framing takes it or says that it breaks the protocol."""
    framing = Framing(Body(), Timeline())
    with contextlib.suppress(FramingError):
        framing.take(b"HTTP/1.1 200 OK\r\n" + data, 0)

    assert framing.begun


def test_what_a_sink_raises_is_a_protocol_failure() -> None:
    """A sink that raises ends the exchange with a Failure that names the error, not the process."""
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n!"
    for broken in ("begin", "feed", "close"):
        flight, sink, _ = in_flight([(reply, 0)])
        setattr(sink, broken, lambda *_: 1 / 0)
        flight._framing = Framing(sink, flight._timeline)
        flight.readable()

        assert flight._failure is not None
        assert flight._failure.kind == "protocol"
        assert "ZeroDivisionError" in flight._failure.detail


class Clocks:
    """Time that stands still, and reads that bear the stamps they are given."""

    def __init__(self, reads: list[tuple[bytes, int | None]]) -> None:
        self.wall, self.now, self.reads = 1_700_000_000_000_000_000, 5_000 * MS, list(reads)

    def recvmsg(self, size: int, room: int) -> tuple[bytes, list[tuple[int, int, bytes]], int, None]:
        if not self.reads:
            raise BlockingIOError
        data, age = self.reads.pop(0)
        if age is None:
            return data, [], 0, None
        stamp = divmod(self.wall - age, 1_000_000_000)
        return data, [(socket.SOL_SOCKET, 35, struct.pack("@ll", *stamp))], 0, None


def in_flight(reads: list[tuple[bytes, int | None]]) -> tuple[Flight, Body, Clocks]:
    """A flight 1,000 ms after it was sent, whose socket holds `reads`: data and its age in ns, None = no stamp."""
    clocks, sink = Clocks(reads), Body()
    idle = SimpleNamespace(stop=lambda: None)
    channel = SimpleNamespace(recvmsg=clocks.recvmsg, tls=None, reader=idle, writer=idle)
    flight = Flight(channel, TARGET, sink, Timeline(chunks=sink.chunks, sent=clocks.now - 1000 * MS))
    return flight, sink, clocks


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both clocks stand."""
    clocks = Clocks([])
    monkeypatch.setattr(_flight, "time_ns", lambda: clocks.wall)
    monkeypatch.setattr(_flight, "monotonic_ns", lambda: clocks.now)


HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.usefixtures("still")
def test_an_event_is_dated_by_the_age_of_its_segment() -> None:
    """Event time = now on the monotonic clock - (wall - kernel stamp); the lag is booked once per read."""
    flight, sink, clocks = in_flight([(HEAD + b"!", 7 * MS)])
    flight.readable()

    assert list(sink.chunks) == [clocks.now - 7 * MS]
    assert list(flight._timeline.lags) == [7 * MS]
    assert flight._timeline.headers == clocks.now - 7 * MS
    assert (flight._timeline.kernel_reads, flight._timeline.user_reads, flight._timeline.clock_steps) == (1, 0, 0)


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("age", [-1, 1001 * MS, 3_600_000 * MS])
def test_a_stamp_from_another_time_is_a_clock_step(age: int) -> None:
    """An age below zero or above the time since the request was sent: the wall clock stepped, the read dates itself."""
    flight, sink, clocks = in_flight([(HEAD + b"!", age)])
    flight.readable()

    assert list(sink.chunks) == [clocks.now]
    assert list(flight._timeline.lags) == []
    assert (flight._timeline.kernel_reads, flight._timeline.user_reads, flight._timeline.clock_steps) == (0, 1, 1)


@pytest.mark.usefixtures("still")
def test_a_read_without_a_stamp_is_dated_by_us() -> None:
    """No ancillary data: user clock, counted per read."""
    flight, sink, clocks = in_flight([(HEAD + b"!", None)])
    flight.readable()

    assert list(sink.chunks) == [clocks.now]
    assert (flight._timeline.kernel_reads, flight._timeline.user_reads, flight._timeline.clock_steps) == (0, 1, 0)


@pytest.mark.usefixtures("still")
def test_stamps_of_a_stream_never_run_backwards() -> None:
    """A read dated by us, then one whose kernel stamp is earlier: the later event is not the earlier one."""
    flight, sink, clocks = in_flight([(HEAD + b"!", None)])
    flight.readable()
    clocks.reads = [(b"!", 2 * MS)]
    flight.readable()

    assert list(sink.chunks) == [clocks.now, clocks.now]


@pytest.mark.usefixtures("still")
def test_only_a_read_with_several_events_is_uncertain() -> None:
    """One event is exact; of three in one read, all but the last are as uncertain as the poll says."""
    flight, _, clocks = in_flight([(HEAD + b"!", 0)])
    flight.readable()
    clocks.reads = [(b"!!!", 0)]
    flight._poll = SimpleNamespace(reads=0, uncertainty_ns=lambda *_: 42)
    flight.readable()

    assert flight._timeline.merged == [(1, 3, 42)]


class Loop:
    """A loop whose polls are played: each begins and returns at given times, in ms."""

    MINPRI, MAXPRI = -2, 2

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.ru_nvcsw = self.pendingcnt = 0
        monkeypatch.setattr(_poll.time, "monotonic_ns", lambda: self.now * MS)
        monkeypatch.setattr(_poll.resource, "getrusage", lambda _: self)
        self.ru_nvcsw = 1
        self.poll = Poll(self)

    def prepare(self, **_: object) -> SimpleNamespace:
        return SimpleNamespace(start=lambda begins: setattr(self, "begins", begins))

    def check(self, **_: object) -> SimpleNamespace:
        return SimpleNamespace(start=lambda returns: setattr(self, "returns", returns))

    def turn(self, begins: int, returns: int, slept: bool, events: int) -> None:
        """One poll, and a read of each of its events."""
        self.now = begins
        self.begins()
        self.now, self.pendingcnt = returns, events
        self.ru_nvcsw += slept
        self.returns()
        self.poll.reads += events


@pytest.mark.parametrize(
    ("slept", "events", "stamp", "emptied", "uncertain"),
    [
        (True, 1, 99, 0, 4),  # woken by the first arrival at 100, read at 103: the read's own lag
        (True, 1, 103, 0, 3),  # more arrived while others were read: since the poll returned
        (True, 64, 103, 0, 13),  # a crowd: it woke late, nothing had arrived when it fell asleep at 90
        (False, 1, 103, 0, 43),  # they were waiting: since the poll of 60 had looked
        (False, 1, 103, 95, 8),  # or since this very socket was read empty
    ],
)
def test_the_uncertainty_of_a_merged_read(
    monkeypatch: pytest.MonkeyPatch, slept: bool, events: int, stamp: int, emptied: int, uncertain: int
) -> None:
    """How far off an event may be is bounded by what the polls before its read are known to have seen."""
    loop = Loop(monkeypatch)
    loop.turn(60, 65, slept=False, events=1)
    loop.turn(90, 100, slept, events)

    assert loop.poll.uncertainty_ns(103 * MS, stamp * MS, emptied * MS) == uncertain * MS


@pytest.mark.parametrize(("grown", "uncertain"), [(False, 83), (True, 43)])
def test_a_poll_without_room_to_spare_has_not_seen_everything(
    monkeypatch: pytest.MonkeyPatch, grown: bool, uncertain: int
) -> None:
    """64 events at 60 ms may have been all there was room for, unless a poll once brought more."""
    loop = Loop(monkeypatch)
    if grown:
        loop.turn(5, 6, slept=False, events=200)
    loop.turn(20, 25, slept=False, events=1)
    loop.turn(60, 65, slept=False, events=64)
    loop.turn(90, 100, slept=False, events=64)

    assert loop.poll.uncertainty_ns(103 * MS, 103 * MS, 0) == uncertain * MS
