"""What of a reply is kept to be looked into after the clock has stopped, beside what its dialect takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

KEPT_EVENTS = 64  # of a stream: the newest


class Seen:
    """The events of one reply that may hold a wanted field."""

    __slots__ = ("_hints", "events")

    def __init__(self, hints: tuple[bytes, ...]) -> None:
        self._hints = hints
        self.events: deque[bytes] = deque(maxlen=KEPT_EVENTS)

    def take(self, events: Iterable[bytes]) -> None:
        """Keep those that name a wanted key."""
        for event in events:
            if any(hint in event for hint in self._hints):
                self.events.append(event)
