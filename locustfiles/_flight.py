"""One request and its reply in flight: written and read by callbacks in the hub, dated by the kernel.

The user's greenlet sleeps from the first byte written to the end of the message. Nothing here blocks, switches or
raises into the hub; what a callback may do per pass is bounded, so that timers and other connections stay alive.
"""

from __future__ import annotations

import ssl
import struct
import time
from collections.abc import Sequence
from typing import Any

from gevent.hub import Waiter, get_hub

from exporters.sample import Timeline
from locustfiles._framing import Framing, Sink, protocol_failure
from locustfiles._poll import poll_of
from locustfiles._socket import Channel
from locustfiles._target import Deadlines, Failure, Target
from locustfiles._tls import Tls, refusal

READ_BYTES = 16384  # recvmsg allocates as much each time: four times this costs a chunk 1.4 us more
READS_PER_PASS = 4  # then the other connections and the timers have their turn
ANCILLARY_BYTES = 64  # one SCM_TIMESTAMPNS takes 32
UNPACK_TIMESPEC = struct.Struct("@ll").unpack_from
TIMESPEC_BYTES = struct.calcsize("@ll")

monotonic_ns, time_ns = time.monotonic_ns, time.time_ns


class Flight:
    """One exchange on one channel, from the first byte written until it lands: whole, failed or too late."""

    __slots__ = ("_channel", "_chunks", "_deadlines", "_due", "_failure", "_framing", "_hub", "_kept", "_lags", "_over",
                 "_parts", "_poll", "_recvmsg", "_target", "_timeline", "_timer", "_waiter")  # fmt: skip

    def __init__(self, channel: Channel, target: Target, sink: Sink, timeline: Timeline) -> None:
        self._channel, self._target, self._timeline = channel, target, timeline
        self._chunks, self._lags = sink.chunks, timeline.lags
        self._framing = Framing(sink, timeline)
        self._recvmsg = channel.recvmsg
        self._hub = get_hub()
        self._poll = poll_of(self._hub)
        self._waiter = Waiter(self._hub)
        self._timer: Any = None
        self._parts: list[memoryview] = []
        self._failure: Failure | None = None
        self._over = self._kept = False

    @property
    def unanswered(self) -> bool:
        """Whether not a single byte of a reply came."""
        return not self._framing.begun

    @property
    def kept(self) -> bool:
        """Whether the channel may carry another exchange."""
        return self._kept

    def run(self, request: Sequence[bytes], deadlines: Deadlines, due: int) -> Failure | None:
        """Send the request and wait until the reply has landed; `due` is when the whole exchange ends, in ns."""
        self._deadlines, self._due = deadlines, due
        self._parts = [memoryview(part) for part in request if part]
        timeline = self._timeline
        self._channel.reader.start(self.readable)
        try:
            timeline.written = None
            timeline.sent_wall_ns, timeline.sent = time_ns(), monotonic_ns()
            self._write()
            self._set_timer()
            self._waiter.get()
        finally:
            self._stop()
            self._framing.release()
        self._kept = self._failure is None and self._framing.keep and timeline.written is not None
        return self._failure

    def readable(self) -> None:
        """Read what has arrived and date it: event time = now on the monotonic clock - the age of the segment."""
        chunks, timeline, framing, poll = self._chunks, self._timeline, self._framing, self._poll
        tls = self._channel.tls
        poll.reads += 1
        try:
            for _ in range(READS_PER_PASS):
                data, ancillary, _, _ = self._recvmsg(READ_BYTES, ANCILLARY_BYTES)
                wall, now = time_ns(), monotonic_ns()
                if not data:
                    self._closed(now)
                    return
                full, ended = len(data) == READ_BYTES, False
                if tls is not None:
                    data, ended = self._opened(tls, data)
                    if not data and not ended:  # the session's own: a ticket may be older than the request
                        if full:
                            continue
                        return
                at = self._dated(ancillary, wall, now)
                before, last = len(chunks), framing.at or timeline.sent
                self._take(data, at, ended)
                events = len(chunks) - before
                if events > 1:
                    timeline.merged.append((before, events, poll.uncertainty_ns(now, at, last)))
                if self._over or not full:
                    return
        except BlockingIOError:
            pass
        except Exception as error:
            self._land(self._failed(error))

    def _dated(self, ancillary: Sequence[tuple[int, int, bytes]], wall: int, now: int) -> int:
        """When the newest segment of a read arrived, on the monotonic clock."""
        timeline, at = self._timeline, now
        if ancillary and len(ancillary[0][2]) >= TIMESPEC_BYTES:
            seconds, ns = UNPACK_TIMESPEC(ancillary[0][2])
            lag = wall - seconds * 1_000_000_000 - ns
            if 0 <= lag <= now - timeline.sent:
                at = now - lag
                timeline.kernel_reads += 1
                self._lags.append(lag)
            else:  # older than the request or from the future: the wall clock stepped
                timeline.clock_steps += 1
                timeline.user_reads += 1
        else:
            timeline.user_reads += 1
        return max(at, self._framing.at)  # stamps of two clocks may cross by a little; a stream's never do

    def _opened(self, tls: Tls, data: bytes) -> tuple[bytes, bool]:
        """The text of what was read, and whether the server has ended the session."""
        pieces = list(tls.open(data))
        if tls.speaks:  # such as a new key
            self._channel.write([])
        return b"".join(pieces), bool(pieces) and not pieces[-1]

    def _take(self, data: bytes, at: int, ended: bool) -> None:
        framing = self._framing
        if data:
            framing.take(data, at)
        if ended:
            self._closed(at)
        elif framing.done:
            self._land(None)

    def _closed(self, at: int) -> None:
        framing = self._framing
        framing.at = at
        whole = framing.eof()
        framing.keep = False
        if whole:
            self._land(None)
        else:
            self._land(self._failure or Failure("closed", f"{self._target.place} closed {self._framing.where()}"))

    def _write(self) -> None:
        """Write what the kernel takes, now and whenever it takes more; the reply may come meanwhile."""
        writer = self._channel.writer
        try:
            if self._channel.write(self._parts):
                self._timeline.written = monotonic_ns()
                writer.stop()
            elif not writer.active:
                writer.start(self._write)
        except OSError as error:
            writer.stop()  # it takes no more, but its reply may lie in front of the reset: reading will tell
            self._failure = self._failed(error)

    def _failed(self, error: Exception) -> Failure:
        if isinstance(error, ssl.SSLError):
            return refusal(error, self._target)
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            return Failure("reset", f"{self._target.place}: {reason} {self._framing.where()}")
        return protocol_failure(error)

    def _set_timer(self) -> None:
        first_s, left_s = self._deadlines.first_token_s, (self._due - monotonic_ns()) / 1e9
        if first_s > 0 and not self._chunks:
            left_s = min(left_s, first_s - (monotonic_ns() - self._timeline.sent) / 1e9)
        self._timer = self._hub.loop.timer(max(left_s, 0.0))
        self._timer.start(self._expired, update=True)

    def _expired(self) -> None:
        """A deadline has passed: what the kernel already holds was in time, the rest is not."""
        self.readable()
        if self._over:
            return
        now, first_s = monotonic_ns(), self._deadlines.first_token_s
        self._timer.close()
        if first_s > 0 and not self._chunks and now - self._timeline.sent >= first_s * 1e9:
            self._land(Failure("first_token_timeout", f"no token within {first_s:g} s"))
        elif now >= self._due:
            text = f"not complete within {self._deadlines.total_s:g} s: {len(self._chunks)} chunks"
            self._land(Failure("timeout", text))
        else:
            self._set_timer()

    def _land(self, failure: Failure | None) -> None:
        if self._over:
            return
        self._over, self._failure = True, failure
        self._stop()
        # Not at once: the user's own work must wait until this pass of the hub has dated every other arrival.
        self._hub.loop.run_callback(self._waiter.switch, None)

    def _stop(self) -> None:
        self._channel.reader.stop()
        self._channel.writer.stop()
        if self._timer is not None:
            self._timer.close()
