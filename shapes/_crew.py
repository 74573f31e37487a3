"""The crew: the workers of a run as the master sees them; gives orders, waits for answers, sets the number of users."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import msgspec
from gevent.event import Event
from locust.runners import STATE_MISSING, MasterRunner

from exporters.fleet import ANSWER, ORDER, ROWS, Answer, Delta, Inbox, Order, OrderPhase

GONE = (STATE_MISSING, "quit")
RAMP_TIMEOUT_S = 60.0
POLL_S = 0.005  # Locust's user counts change without telling anyone


class Crew:
    """Every worker of this run (the process itself under a local runner)."""

    def __init__(self, environment: Any) -> None:
        self.environment = environment
        self._woken = Event()
        self.inbox = Inbox(lambda _: None, self._woken.set)
        self.order = Order(seq=0, phase="idle")
        environment.runner.register_message(ANSWER, self.inbox.on_answer)
        environment.runner.register_message(ROWS, self.inbox.on_rows)

    @property
    def runner(self) -> Any:
        """Locust's runner."""
        return self.environment.runner

    def report_to(self, on_delta: Callable[[Delta], None]) -> None:
        """Begin a run: forget the last one's rows and tallies, hand each new delta to `on_delta`."""
        self.inbox.begin(on_delta)

    def workers(self) -> frozenset[str]:
        """Ids of the workers that are there."""
        if not isinstance(self.runner, MasterRunner):
            return frozenset({"local"})
        return frozenset(client.id for client in self.runner.clients.all if client.state not in GONE)

    def firsts(self) -> dict[str, int]:
        """By worker, how many users are on the workers before it: with it every user has a number of its own."""
        if not isinstance(self.runner, MasterRunner):
            return {"local": 0}
        counts = {client.id: client.user_count for client in self.runner.clients.all if client.state not in GONE}
        names = sorted(counts)
        return dict(zip(names, accumulate((counts[name] for name in names), initial=0), strict=False))

    def command(self, phase: OrderPhase, **fields: Any) -> Order:
        """Give every worker an order; what it does not name stays as it was."""
        before = {name: getattr(self.order, name) for name in self.order.__struct_fields__ if name != "run"}
        order = self.order = Order(**{**before, **fields, "seq": self.inbox.next(), "phase": phase})
        self.runner.send_message(ORDER, msgspec.to_builtins(order))
        return order

    def answers(self) -> dict[str, Answer]:
        """The answers to the present order so far, by worker."""
        return self.inbox.answers

    def answered(self) -> bool:
        """Whether every worker has answered the present order."""
        return self.workers() <= self.inbox.answers.keys()

    def wait(self, done: Callable[[], bool], timeout_s: float, every_s: float = 0.25) -> bool:
        """Wait for a condition that messages (at once) or time (every `every_s`) may fulfil; False on the timeout."""
        deadline = time.monotonic() + timeout_s
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._woken.clear()
            self._woken.wait(min(left, every_s))
        return True

    def muster(self, timeout_s: float) -> bool:
        """Wait until the expected workers are there and have introduced themselves."""
        expected = getattr(self.environment.parsed_options, "expect_workers", 1) or 1

        def there() -> bool:
            workers = self.workers()
            local = not isinstance(self.runner, MasterRunner)
            return local or (len(workers) >= expected and workers <= self.inbox.known)

        return self.wait(there, timeout_s)

    def users(self, count: int) -> bool:
        """Have exactly `count` users running, as reported by the workers; False when they never get there."""
        change = abs(count - self.runner.user_count)
        if change:
            self.runner.start(count, spawn_rate=change)  # all of them in one dispatch
        deadline = time.monotonic() + RAMP_TIMEOUT_S

        def there() -> bool:
            return bool(self.runner.user_count == count)

        return self.wait(there, deadline - time.monotonic(), every_s=POLL_S)
