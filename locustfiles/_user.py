"""LlmUser: waits for its turn, asks, and turns what happened into one Sample."""

from __future__ import annotations

import time
from typing import Any

from gevent import GreenletExit
from locust import User, task

from exporters.fleet import Lane
from exporters.sample import Timeline
from locustfiles._booking import Exchange
from locustfiles._outcome import retry_after_s
from locustfiles._services import Service
from locustfiles._swarm import Swarm
from locustfiles._wire import Connection

CONNECT_TIMEOUT_S = 5.0  # ahead of a request, which has its own deadline


class LlmUser(User):
    """One user: one request at a time on one keep-alive connection per arm, after the last one or when it is due."""

    abstract = True

    def on_start(self) -> None:
        """Take a place, then wait for the first turn (Locust waits only between tasks)."""
        self.swarm: Swarm = self.environment.tokenswarm
        self._pace: Any = self.swarm.pace  # a user lives in one pass, which is a closed loop or an open one
        self._connections: dict[Service, Connection] = {}
        self._timeline = Timeline()
        self.slot = self._pace.enlist(self._connect)
        self.wait()

    def on_stop(self) -> None:
        """Leave the place and close the connections."""
        for connection in self._connections.values():
            connection.close()
        self._pace.leave(self.slot)

    def wait_time(self) -> float:
        """Wait for the next turn. Locust calls this between tasks, in a state in which it may end a user at once."""
        self._pace.wait(self.slot, time.monotonic_ns)
        return 0.0

    @task
    def ask(self) -> None:
        """Send one request and book it, also when Locust ends the user in the middle."""
        turn = self._pace.begin(self.slot, time.monotonic_ns())
        if turn is None:
            return
        ask = self.swarm.asks.make(turn)
        timeline, self._timeline = self._timeline, Timeline()
        service = self.swarm.service(turn.order, turn.lane)
        reply = service.reply(timeline.chunks)
        try:
            failure = service.send(self._connection(service), ask, timeline, reply)
        except GreenletExit:
            self._book(Exchange(turn, ask, timeline, reply, time.monotonic_ns(), aborted=True))
            raise
        if service.arm.connection == "fresh":  # else it is kept alive
            self._connection(service).close()
        if reply.status == 401:
            service.renew_key()
        self._book(Exchange(turn, ask, timeline, reply, time.monotonic_ns(), failure))

    def _connect(self, lane: Lane) -> None:
        """Connect before the next request is due (open loop): what that takes is no lag of the schedule."""
        service = self.swarm.service(self._pace.order, lane)
        self._connection(service).open(self._timeline, CONNECT_TIMEOUT_S)

    def _connection(self, service: Service) -> Connection:
        """The user's connection to a service."""
        connection = self._connections.get(service)
        if connection is None:
            connection = self._connections[service] = service.connect()
        return connection

    def _book(self, exchange: Exchange) -> None:
        turn, cell = exchange.turn, exchange.turn.order.cell
        sample = self.swarm.book(exchange)
        self._pace.end(self.slot, turn, sample.outcome, sample.end_s, retry_after_s(exchange.reply, time.time()))
        self.environment.events.request.fire(
            request_type=turn.lane.arm,
            name=cell.name if cell else "tasks",
            response_time=(sample.e2e_s or sample.end_s or 0.0) * 1000,
            response_length=sample.chunks,
            exception=None if sample.outcome == "ok" else RuntimeError(f"{sample.outcome}: {sample.error}"),
            context={},
        )
