"""How many streams a script serves at once, when that is limited: a service whose capacity is known. Pure."""

from __future__ import annotations

import random

IDLE_S = 0.01  # without a stream for so long, the next one finds another number of slots


class Slots:
    """At most `count` streams at once; with `drift` 0.05 the number is drawn anew, up to 5 % off, after each pause.

    It stays as drawn while streams run: a measurement sees one number, and the next one, after a pause, another.
    """

    def __init__(self, count: int | None, drift: float, draw: random.Random) -> None:
        self._count, self._drift, self._random = count, drift, draw
        self._ended_s: float | None = None  # when the last stream ended
        self.open = self._drawn()

    def free(self, running: int, now: float) -> bool:
        """Whether one more stream may begin beside those that run."""
        if not running and self._ended_s is not None and now - self._ended_s >= IDLE_S:
            self.open = self._drawn()
        return self.open is None or running < self.open

    def ended(self, now: float) -> None:
        """A stream has ended."""
        self._ended_s = now

    def _drawn(self) -> int | None:
        if self._count is None:
            return None
        return max(1, round(self._count * (1 + self._random.uniform(-self._drift, self._drift))))
