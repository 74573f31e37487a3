"""Sending things to a server that may be away: retried with backoff, bounded, on a thread that nobody waits for.

What is lost is counted and said: what fell out of the buffer, what the server refused, what was left at the end.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from exporters.peer import Peer, Reply

FIRST_BACKOFF_S, LONGEST_BACKOFF_S, LONGEST_ASKED_S = 0.25, 5.0, 60.0
TOO_MANY: Final = 429


class Letter(NamedTuple):
    """One request."""

    method: str
    path: str
    body: bytes
    headers: Mapping[str, str]
    samples: int


class Outbound(Protocol):
    """Where letters wait for their delivery."""

    def put(self, letter: Letter) -> int:
        """Add one; how many samples fell out for it."""

    def take(self) -> Letter | None:
        """The next one."""

    def newest(self, letter: Letter) -> Letter:
        """What to send in the place of one that was not delivered: itself, or what has come since."""


class Backlog:
    """Letters in their order; beyond `most_bytes` the oldest fall out."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._letters: deque[Letter] = deque()

    def put(self, letter: Letter) -> int:
        """Add one; how many samples fell out for it."""
        self._letters.append(letter)
        self._bytes += len(letter.body)
        fallen = 0
        while self._bytes > self._most_bytes and len(self._letters) > 1:
            oldest = self._letters.popleft()
            self._bytes, fallen = self._bytes - len(oldest.body), fallen + oldest.samples
        return fallen

    def take(self) -> Letter | None:
        """The oldest."""
        if not self._letters:
            return None
        letter = self._letters.popleft()
        self._bytes -= len(letter.body)
        return letter

    def newest(self, letter: Letter) -> Letter:
        """Itself: every letter has samples of its own."""
        return letter


class Latest:
    """The last letter only: each says all that is to be said, and none is lost when another takes its place."""

    def __init__(self) -> None:
        self._letter: Letter | None = None

    def put(self, letter: Letter) -> int:
        """Take the place of the one before."""
        self._letter = letter
        return 0

    def take(self) -> Letter | None:
        """It, once."""
        letter, self._letter = self._letter, None
        return letter

    def newest(self, letter: Letter) -> Letter:
        """What has come since, if anything has."""
        return self.take() or letter


class Account:
    """What became of the samples that were to be sent."""

    def __init__(self) -> None:
        self.offered = self.delivered = self.lost = self.requests = self.failures = 0
        self.error: str | None = None  # the last one

    def told(self) -> dict[str, Any]:
        """For a record: everything, samples that are still on their way counted as lost."""
        lost = self.offered - self.delivered
        return {"requests": self.requests, "failures": self.failures, "samples": self.delivered, "lost": lost,
                "error": self.error}  # fmt: skip


class Delivery:
    """One server, one thread, one order of letters."""

    def __init__(self, peer: Peer, letters: Outbound, say: Callable[[str], None]) -> None:
        self._peer, self._letters, self._say = peer, letters, say
        self.account = Account()
        self._changed = threading.Condition()
        self._deadline: float | None = None  # monotonic, once it is to end
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="delivery", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def put(self, letter: Letter) -> None:
        """Send it some time; never blocks for longer than the lock."""
        with self._changed:
            fallen = self._letters.put(letter)
            self.account.offered += letter.samples
            first = fallen and not self.account.lost
            self.account.lost += fallen
            self._changed.notify()
        if first:
            self._say(f"{self._peer.shown} is away for too long: the oldest samples are dropped")

    def stop(self, patience_s: float) -> None:
        """Send what waits, for so long at most."""
        with self._changed:
            self._deadline = time.monotonic() + patience_s
            self._changed.notify()
        self._thread.join(patience_s + 0.5)  # a server that hangs holds the thread: it ends with the process

    def _run(self) -> None:
        while (letter := self._next()) is not None:
            self._deliver(letter)
        self._peer.close()

    def _next(self) -> Letter | None:
        """The next letter, when there is one; None at the end."""
        with self._changed:
            while not self._over():
                letter = self._letters.take()
                if letter is not None or self._deadline is not None:
                    return letter
                self._changed.wait()
        return None

    def _deliver(self, letter: Letter) -> None:
        """Try until it is taken, refused for good, or time is up."""
        tries = 0
        while True:
            reply = self._try(letter)
            if reply.delivered:
                self._delivered(letter)
                return
            self._failed(reply)
            if reply.final:
                with self._changed:
                    self.account.lost += letter.samples
                return
            if not self._wait(backoff_s(tries, reply.retry_after_s, random.random())):
                return
            tries += 1
            with self._changed:
                letter = self._letters.newest(letter)

    def _try(self, letter: Letter) -> Reply:
        try:
            return self._peer.send(letter.method, letter.path, letter.body, letter.headers)
        except (OSError, http.client.HTTPException) as error:
            return Reply(0, str(error) or type(error).__name__)

    def _delivered(self, letter: Letter) -> None:
        self.account.requests += 1
        self.account.delivered += letter.samples
        if self._failing:
            self._failing = False
            self._say(f"{self._peer.shown} takes what is sent again")

    def _failed(self, reply: Reply) -> None:
        self.account.failures += 1
        self.account.error = reply.why
        if not self._failing:
            self._failing = True
            self._say(f"{self._peer.shown}: {reply.why}")

    def _wait(self, seconds: float) -> bool:
        """Wait before the next try; at the end only shortly, and not beyond it. False when time is up."""
        with self._changed:
            if self._deadline is None:
                self._changed.wait_for(lambda: self._deadline is not None, seconds)
            else:
                self._changed.wait(max(0.0, min(seconds, FIRST_BACKOFF_S, self._deadline - time.monotonic())))
            return not self._over()

    def _over(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline


def backoff_s(tries: int, asked_s: float | None, draw: float) -> float:
    """How long to wait after so many tries: doubled, spread by `draw` in [0, 1), and as long as the server asks."""
    doubled = min(FIRST_BACKOFF_S * 2.0 ** min(tries, 10), LONGEST_BACKOFF_S)
    return max(doubled * (0.5 + draw / 2), min(asked_s or 0.0, LONGEST_ASKED_S))
