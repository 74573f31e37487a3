"""The time of a soak, which its stretches share."""

from __future__ import annotations

import time

from scenarios.soak import Stretch


class SoakTime:
    """The time of a soak: zero is when its first window opens."""

    def __init__(self) -> None:
        self._zero = 0.0

    def begin(self, stretch: Stretch) -> None:
        """A window opens: the first one is the soak's beginning."""
        if stretch.begin == 0:
            self._zero = time.monotonic()

    def left_s(self, stretch: Stretch) -> float:
        """Seconds until a stretch ends; the whole of it before the soak has begun."""
        if stretch.begin == 0:
            return stretch.end
        return max(0.0, self._zero + stretch.end - time.monotonic())
