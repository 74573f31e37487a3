"""A timer finer than the event loop's millisecond."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable

CLOCK_MONOTONIC, TFD_TIMER_ABSTIME = 1, 1  # timerfd_create(2)


class Alarm:
    """Calls back once at a time of the monotonic clock: by a Linux timerfd, elsewhere by the loop's own timer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop, self._call = loop, call
        self._timer: asyncio.TimerHandle | None = None
        self._libc = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._fd = -1
        if self._libc is not None:
            self._fd = self._libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd >= 0:
            loop.add_reader(self._fd, self._ring)

    def set(self, at_s: float) -> None:
        """Ring at this time instead of any earlier wish; at once when it has passed."""
        if self._libc is not None and self._fd >= 0:
            seconds, rest = divmod(max(at_s, 1e-9), 1.0)
            # struct itimerspec: the interval (none), then the time, each in seconds and nanoseconds
            wish = (ctypes.c_long * 4)(0, 0, int(seconds), int(rest * 1e9) or 1)
            self._libc.timerfd_settime(self._fd, TFD_TIMER_ABSTIME, wish, None)
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(max(0.0, at_s - time.monotonic()), self._call)

    def close(self) -> None:
        """Never ring again."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # set anew after it had rung
            os.read(self._fd, 8)
        self._call()
