"""LlmUser: waits for its turn, asks, and turns what happened into one Sample."""

from __future__ import annotations

import time

from gevent import GreenletExit
from locust import User, task

from exporters.sample import Timeline
from locustfiles._booking import Exchange
from locustfiles._outcome import retry_after_s
from locustfiles._services import Service
from locustfiles._swarm import Swarm
from locustfiles._wire import Connection


class LlmUser(User):
    """One closed-loop user: one request at a time on one keep-alive connection per arm."""

    abstract = True

    def on_start(self) -> None:
        """Take a place, then wait for the first turn (Locust waits only between tasks)."""
        self.swarm: Swarm = self.environment.tokenswarm
        self.slot = self.swarm.pace.enlist()
        self._connections: dict[Service, Connection] = {}
        self.wait()

    def on_stop(self) -> None:
        """Leave the place and close the connections."""
        for connection in self._connections.values():
            connection.close()
        self.swarm.pace.leave(self.slot)

    def wait_time(self) -> float:
        """Wait for the next turn. Locust calls this between tasks, in a state in which it may end a user at once."""
        self.swarm.pace.wait(self.slot, time.monotonic_ns)
        return 0.0

    @task
    def ask(self) -> None:
        """Send one request and book it, also when Locust ends the user in the middle."""
        turn = self.swarm.pace.begin(self.slot, time.monotonic_ns())
        if turn is None:
            return
        ask = self.swarm.asks.make(turn)
        timeline = Timeline()
        service = self.swarm.service(turn)
        reply = service.reply(timeline.chunks)
        try:
            failure = service.send(self._connection(service), ask, timeline, reply)
        except GreenletExit:
            self._book(Exchange(turn, ask, timeline, reply, time.monotonic_ns(), aborted=True))
            raise
        if reply.status == 401:
            service.renew_key()
        self._book(Exchange(turn, ask, timeline, reply, time.monotonic_ns(), failure))

    def _connection(self, service: Service) -> Connection:
        """The user's connection to a service: kept alive, or new for each request where the arm says so."""
        connection = self._connections.get(service)
        if connection is None:
            connection = self._connections[service] = service.connect()
        elif service.arm.connection == "fresh":
            connection.close()
        return connection

    def _book(self, exchange: Exchange) -> None:
        turn, cell = exchange.turn, exchange.turn.order.cell
        sample = self.swarm.book(exchange)
        self.swarm.pace.end(self.slot, turn, sample.outcome, sample.end_s, retry_after_s(exchange.reply, time.time()))
        self.environment.events.request.fire(
            request_type=turn.lane.arm,
            name=cell.name if cell else "tasks",
            response_time=(sample.e2e_s or sample.end_s or 0.0) * 1000,
            response_length=sample.chunks,
            exception=None if sample.outcome == "ok" else RuntimeError(f"{sample.outcome}: {sample.error}"),
            context={},
        )
