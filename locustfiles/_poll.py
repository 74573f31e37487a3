"""When the hub's poll began and returned: what a read that brought several events may have hidden."""

from __future__ import annotations

import functools
import resource
import socket
import sys
import time
from typing import Any

from gevent import monkey

SO_TIMESTAMPNS = 35 if sys.platform == "linux" else None  # asm-generic/socket.h; Python's socket has no name for it
EVENTS_AT_FIRST = 64  # libev's ev_epoll.c
CROWD = 64  # events that do not arrive while a thread wakes in time: 90,000 chunks/s bring 9 in 0.1 ms
BLOCKED_NS = 100_000  # a poll this long had nothing waiting, where the kernel does not count switches
THREAD = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)

RawSocket: type[socket.socket] = monkey.get_original("socket", "socket")


def stamped(sock: socket.socket) -> socket.socket:
    """The socket, with kernel receive times asked for; where there are none, reads just bear no stamp."""
    if SO_TIMESTAMPNS is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        except OSError:
            pass
    return sock


class Poll:
    """The stamps of a hub's poll, in monotonic ns: it began to wait, it returned, and since when everything is seen.

    A socket that is readable when the poll begins makes it return at once. So if the poll had slept, what we read
    arrived since it woke. If not, it may have been waiting since the last poll that had room to report every readable
    socket: libev takes 64 events per poll at first, and more only after that was too few, so in a burst some sockets
    wait through several polls. The room never shrinks: a poll with fewer events than were once read had some left.
    Whether it slept, the thread's voluntary context switches tell: its length cannot, a pre-empted poll is long too.
    One that slept and returned a crowd of events woke late: then the sleep's beginning is all that is certain.
    """

    __slots__ = ("_asked", "_busiest", "_clear", "_events", "_loop", "_seen", "_stamping", "_switches",
                 "_watchers", "_woken", "reads")  # fmt: skip

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._asked = self._seen = self._clear = time.monotonic_ns()
        self._woken = False
        self._events = self._switches = 0
        self._busiest = EVENTS_AT_FIRST
        self.reads = 0  # sockets read since the poll returned: every reader counts itself
        # The kernel stamps packets while any socket asks for it, and begins a moment after the first: keep one open.
        self._stamping = stamped(RawSocket(socket.AF_INET, socket.SOCK_DGRAM))
        # Last before the poll, after gevent's own callbacks (greenlets run there), and first after it.
        self._watchers = (loop.prepare(ref=False, priority=loop.MINPRI), loop.check(ref=False, priority=loop.MAXPRI))
        self._watchers[0].start(self._begins)
        self._watchers[1].start(self._returns)

    def _begins(self) -> None:
        if self._events < self._busiest:
            self._clear = self._seen
        elif self.reads > self._busiest:
            self._busiest = self.reads
        self.reads = 0
        self._switches = resource.getrusage(THREAD).ru_nvcsw
        self._asked = time.monotonic_ns()

    def _returns(self) -> None:
        now, switches = time.monotonic_ns(), resource.getrusage(THREAD).ru_nvcsw
        slept = switches > self._switches if switches else now - self._asked > BLOCKED_NS
        self._events = self._loop.pendingcnt  # sockets and timers: at least as many as the poll reported
        if slept:
            self._clear = self._asked
        self._woken = slept and self._events < CROWD
        self._seen = now if self._woken else self._asked  # while hundreds are reported, more become readable

    def uncertainty_ns(self, read: int, stamp: int, emptied: int) -> int:
        """How much earlier than `stamp`, the newest event's, the other events of a read at `read` may have arrived.

        The first arrival woke the poll: since then, at most read - its return, or the read's own lag if that is longer.
        Else: since the last poll that reported everything, or since `emptied`, when this socket was last read
        empty (or had no request to answer).
        """
        if self._woken:
            return max(read - stamp, read - self._seen)
        return read - max(self._clear, emptied)


@functools.cache
def poll_of(hub: Any) -> Poll:
    """The hub's Poll: one per process, watching for as long as the process lives."""
    return Poll(hub.loop)


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard one; returns how many this process may open now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # macOS says "unlimited" and means less
            pass
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
