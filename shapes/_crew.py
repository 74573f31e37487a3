"""The crew: the workers of a run as the master sees them; gives orders, waits for answers, sets the number of users."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import locust.runners
import msgspec
from gevent.event import Event
from locust.runners import STATE_MISSING, MasterRunner

from exporters.fleet import (
    ANSWER,
    CATCH_UP,
    CHUNKS,
    LOCAL,
    ORDER,
    REFUSED,
    ROWS,
    VERSION,
    Answer,
    Delta,
    Order,
    OrderPhase,
    Share,
)
from exporters.inbox import Inbox
from shapes._checked import Unusable
from shapes._manifest import utc
from shapes._metrics import MasterMetrics

GONE = (STATE_MISSING, "quit")
RAMP_TIMEOUT_S = 60.0
REPAIR_EVERY_S = 3.0  # users that do not come to target by themselves are sent for again (docs/DESIGN.md, fact 6)
# Heartbeats that may be missing, one a second, before Locust takes a worker for lost. One that builds its prompts has a
# second of work at hand, and many of them on a small machine leave each other no turn for long.
BEATS, BEATS_PREPARING = locust.runners.HEARTBEAT_LIVENESS, 30
POLL_S = 0.005  # Locust's user counts change without telling anyone

log = logging.getLogger(__name__)


class Change(msgspec.Struct, frozen=True):
    """A worker came or went."""

    at: str  # RFC 3339, UTC
    worker: str
    what: str  # "lost" or "joined"


class Crew:
    """Every worker of this run (the process itself under a local runner)."""

    def __init__(self, environment: Any) -> None:
        self.environment = environment
        self._woken = Event()
        self.inbox = Inbox(lambda _: None, self._woken.set)
        self.inbox.on_hello, self.inbox.on_stranger = self._catch_up, self._refuse
        self.order = Order(seq=0, phase="idle")
        self.changes: list[Change] = []
        self.expected = 1
        self._run: dict[str, Any] | None = None
        self._seen: frozenset[str] = frozenset()
        self.metrics = MasterMetrics(environment, self.inbox, lambda: (len(self.present()), self.expected))
        environment.runner.register_message(ANSWER, self.inbox.on_answer)
        environment.runner.register_message(ROWS, self.inbox.on_rows)
        environment.runner.register_message(CHUNKS, self.inbox.on_piece)

    def wake(self) -> None:
        """Have whoever waits look again."""
        self._woken.set()

    @property
    def runner(self) -> Any:
        """Locust's runner."""
        return self.environment.runner

    def begin(self, run: dict[str, Any], on_delta: Callable[[Delta], None]) -> Order:
        """Begin a run: forget the last one's rows and tallies; every worker prepares, also one that comes later."""
        self.inbox.begin(on_delta)
        self._run, self.changes, self._seen = run, [], self.present()
        self.expected = max(self.expected, len(self._seen))
        return self.command("prepare", run=run)

    # -- who is there

    def present(self) -> frozenset[str]:
        """Ids of the workers that Locust hears of."""
        if not isinstance(self.runner, MasterRunner):
            return frozenset({LOCAL})
        there = (client.id for client in self.runner.clients.all if client.state not in GONE)
        return frozenset(worker for worker in there if worker not in self.inbox.strangers)

    def workers(self) -> frozenset[str]:
        """Those of them that have prepared for this run."""
        run = self._run["id"] if self._run else ""
        return frozenset(worker for worker in self.present() if self.inbox.prepared.get(worker) == run)

    def complete(self) -> bool:
        """Whether as many workers as expected are there, and all that are there have prepared."""
        return len(self.workers()) >= self.expected and self.workers() == self.present()

    def watch(self) -> int:
        """Note who came or went since the last look; the number of changes so far."""
        seen, self._seen = self._seen, self.present()
        for what, workers in (("lost", seen - self._seen), ("joined", self._seen - seen)):
            self.changes += [Change(utc(), worker, what) for worker in sorted(workers)]
        return len(self.changes)

    def muster(self, timeout_s: float) -> bool:
        """Wait until the expected workers have come and introduced themselves; Unusable without the port of metrics."""
        if self.metrics.fault is not None:
            raise Unusable(self.metrics.fault)
        self.expected = getattr(self.environment.parsed_options, "expect_workers", 1) or 1

        def there() -> bool:
            present = self.present()
            return present == {LOCAL} or (len(present) >= self.expected and present <= self.inbox.known)

        return self.wait(there, timeout_s)

    def forget_missing(self) -> None:
        """Take workers that stay away off Locust's list: after 60 s it would start all users anew for them."""
        if isinstance(self.runner, MasterRunner):
            for client in [client for client in self.runner.clients.all if client.state in GONE]:
                del self.runner.clients[client.id]

    # -- orders and answers

    def command(self, phase: OrderPhase, **fields: Any) -> Order:
        """Give every worker an order; what it does not name stays as it was."""
        self._patience(BEATS_PREPARING if phase == "prepare" else BEATS)
        order = self.order = self._next(phase, fields)
        self.metrics.ordered(order)
        self._send(order)
        return order

    def _patience(self, beats: int) -> None:
        """How many heartbeats of a worker may be missing from now on."""
        locust.runners.HEARTBEAT_LIVENESS = beats
        if isinstance(self.runner, MasterRunner):
            for client in self.runner.clients.all:
                client.heartbeat = min(client.heartbeat, beats) if client.state in GONE or beats == BEATS else beats

    def deal(self, phase: OrderPhase, share: Callable[[int, int], Share], **fields: Any) -> Order:
        """Give every worker an order with its own share: `share(k, n)` is that of worker k of n."""
        order = self.order = self._next(phase, fields)
        self.metrics.ordered(order)
        workers = sorted(self.workers())
        for index, worker in enumerate(workers):
            self._send(msgspec.structs.replace(order, share=share(index, len(workers))), worker)
        return order

    def _next(self, phase: OrderPhase, fields: dict[str, Any]) -> Order:
        once = ("run", "share")
        before = {name: getattr(self.order, name) for name in self.order.__struct_fields__ if name not in once}
        return Order(**{**before, **fields, "seq": self.inbox.next(), "phase": phase})

    def _send(self, order: Order, worker: str | None = None) -> None:
        self.runner.send_message(ORDER, msgspec.to_builtins(order, builtin_types=(bytes,)), worker)

    def _catch_up(self, worker: str) -> None:
        """A worker introduces itself in the middle of a run: let it prepare, and tell it the present order."""
        if self._run is None:
            return
        for order in (Order(seq=CATCH_UP, phase="prepare", run=self._run), self.order):
            self._send(order, worker)

    def _refuse(self, worker: str, theirs: str) -> None:
        """Send a worker of another version away: what both mean by the same words may differ."""
        if worker not in self.inbox.strangers:
            line = (
                f"worker {worker} is refused: it is tokenswarm {theirs}, the master is {VERSION}; install one version"
            )
            log.error(line)
            print(f"tokenswarm: {line}", file=sys.stderr)  # noqa: T201
        self.runner.send_message(REFUSED, {"version": VERSION}, worker)
        self.runner.send_message("quit", None, worker)  # Locust's own, which any version obeys
        if set(self.runner.clients.keys()) == {worker}:  # a master ends with its last worker, also while it waits
            del self.runner.clients[worker]

    def answers(self) -> dict[str, Answer]:
        """The answers to the present order so far, by worker."""
        return self.inbox.answers

    def answered(self) -> bool:
        """Whether every worker has answered the present order."""
        asked = self.present() if self.order.phase == "prepare" else self.workers()
        return asked <= self.inbox.answers.keys()

    def wait(self, done: Callable[[], bool], timeout_s: float, every_s: float = 0.25) -> bool:
        """Wait for a condition that messages (at once) or time (every `every_s`) may fulfil; False on the timeout."""
        deadline = time.monotonic() + timeout_s
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._woken.clear()
            self._woken.wait(min(left, every_s))
            self.watch()
        return True

    def clocks(self, tries: int = 5, timeout_s: float = 2.0) -> dict[str, dict[str, float]]:
        """By worker how far its wall clock is ahead of ours, and how wrong that may be: half the quickest round trip.

        Reported, never used: durations are differences of one process's own monotonic clock.
        """
        found: dict[str, dict[str, float]] = {}
        for _ in range(tries):
            asked_s, began = time.time(), time.monotonic()
            self.command("ping")
            self.wait(self.answered, timeout_s)
            for worker, answer in self.answers().items():
                trip_s = self.inbox.account(worker).heard_s - began
                if worker not in found or trip_s / 2 < found[worker]["error_s"]:
                    offset_s = answer.facts["wall_s"] - (asked_s + trip_s / 2)
                    found[worker] = {"offset_s": offset_s, "error_s": trip_s / 2}
        return found

    # -- users

    def firsts(self) -> dict[str, int]:
        """By worker, how many users are on the workers before it: with it every user has a number of its own."""
        if not isinstance(self.runner, MasterRunner):
            return {LOCAL: 0}
        counts = {client.id: client.user_count for client in self.runner.clients.all if client.state not in GONE}
        names = sorted(counts)
        return dict(zip(names, accumulate((counts[name] for name in names), initial=0), strict=False))

    def users(self, count: int) -> bool:
        """Have exactly `count` users running, as reported by the workers; False when they never get there."""

        def there() -> bool:
            return bool(self.runner.user_count == count)

        change = abs(count - self.runner.user_count)
        deadline = time.monotonic() + RAMP_TIMEOUT_S
        for attempt in range(int(RAMP_TIMEOUT_S / REPAIR_EVERY_S)):
            if there():
                return True
            # All of them in one dispatch; another rate makes Locust send the whole distribution again.
            self.runner.start(count, spawn_rate=max(change, 1) + attempt / 1000)
            self.wait(there, min(REPAIR_EVERY_S, deadline - time.monotonic()), every_s=POLL_S)
        return there()
