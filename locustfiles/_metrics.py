"""A worker's own metrics: on the port that its options say, and pushed where they say."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust.runners import WorkerRunner

from exporters.endpoint import Endpoint
from exporters.fleet import Delta, Order
from exporters.peer import PushError
from exporters.prometheus import SwarmMetrics, of_itself
from exporters.pushing import Pushing, sending_of
from exporters.swarm_fields import WORKER
from locustfiles._swarm import Swarm

LOOK_S = 0.2  # how often a worker looks whether its master has numbered it

log = logging.getLogger(__name__)


class WorkerMetrics:
    """The metrics of one worker: of the orders that it hears and the reports that it sends."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self._rows_sent = 0
        self._reported_s: float | None = None
        self._metrics = SwarmMetrics(
            WORKER,
            users=lambda: swarm.runner.user_count,
            fleet=lambda: of_itself(self._rows_sent, self._reported_s),
        )
        self.page = self._metrics.page
        self._pushes = Pushes(swarm.environment, swarm.outbox.name, self.page)

    def heard(self, environment: object, msg: Any, **more: object) -> None:
        """In the place of the swarm's own listener: note an order, and obey it."""
        order = msgspec.convert(msg.data, Order)
        self._metrics.ordered(order)
        if order.run is not None:
            self._pushes.begin(order.run["id"])
        self._swarm.on_order(environment, msg, **more)

    def reported(self, delta: Delta) -> None:
        """Note a report."""
        self._rows_sent, self._reported_s = delta.rows_sent, time.time()
        self._metrics.reported(delta)


class Pushes:
    """What one worker pushes: a group for each run, from the order to prepare for it until the test is over."""

    def __init__(self, environment: Any, worker: str, page: Callable[[], bytes]) -> None:
        self._sending, self._worker, self._page = sending_of(environment.parsed_options), worker, page
        self._run = ""
        self._pushing: Pushing | None = None
        self._ending: gevent.Greenlet | None = None
        environment.events.test_stop.add_listener(self.end)
        environment.events.quitting.add_listener(self.leave)

    def begin(self, run: str) -> None:
        """Push for a run, unless that is being done. What cannot be used is a line in the log: a master refuses it."""
        if not self._sending.anywhere or run == self._run:
            return
        self.end()
        group = {"job": "tokenswarm-worker", "run": run, "instance": socket.gethostname(), "worker": self._worker}
        said = Path(tempfile.gettempdir()) / f"tokenswarm-push-{os.getpid()}.log"
        pushing = Pushing(self._sending, group, self._page, said)
        try:
            pushing.check()
        except PushError as error:
            log.warning("this worker's metrics are not pushed: %s", error)
            return
        pushing.start()
        self._run, self._pushing = run, pushing

    def end(self, **_: object) -> None:
        """Push the last page, and wait for nothing: a worker that stops has its master waiting."""
        if self._pushing is not None:
            self._ending, self._pushing = gevent.spawn(_stop, self._pushing), None

    def leave(self, **_: object) -> None:
        """The process ends: let what waits go."""
        self.end()
        if self._ending is not None:
            self._ending.join()


def _stop(pushing: Pushing) -> None:
    for words in pushing.stop():
        log.warning("%s", words)


def exposed(swarm: Swarm, options: Any) -> Callable[..., None]:
    """Who is to hear the master's orders: the swarm, or its metrics before it when somebody is to see them.

    A worker on a machine of its own listens there. One beside its master or another worker (a child of `--processes`,
    or where the port is taken) listens at port + 1 + its index, once the master has told it; 0 is any free port.
    """
    port = getattr(options, "metrics_port", None)
    seen = port is not None or sending_of(options).anywhere
    if not seen or not isinstance(swarm.runner, WorkerRunner):  # else the master's metrics are these
        return swarm.on_order
    metrics = WorkerMetrics(swarm)
    swarm.outbox.on_report = metrics.reported
    if port is None:
        return metrics.heard
    alone = port == 0 or (options.processes or 0) <= 1
    if not alone or not _listens(options.metrics_host, port, metrics):
        swarm.runner.greenlet.spawn(_listen_when_numbered, swarm, options, metrics)
    return metrics.heard


def _listens(host: str, port: int, metrics: WorkerMetrics) -> bool:
    try:
        endpoint = Endpoint(host, port, metrics.page, "tokenswarm worker")
    except (OSError, OverflowError) as error:
        log.info("--metrics-port %d: %s", port, error)
        return False
    endpoint.start()
    log.info("metrics: %s", endpoint.url)
    return True


def _listen_when_numbered(swarm: Swarm, options: Any, metrics: WorkerMetrics) -> None:
    while swarm.runner.worker_index < 0:
        gevent.sleep(LOOK_S)
    if not _listens(options.metrics_host, options.metrics_port + 1 + swarm.runner.worker_index, metrics):
        log.warning("this worker's metrics are not served: give it another --metrics-port")
