"""A worker whose metrics are on in one turn and off in the next, for `benchmarks.metrics`: `locust -f` loads it.

Turns are seconds of the wall clock, which the scraper sees too. Off means: nothing is counted by point, nothing kept,
nobody scrapes. (A real worker without a port still counts by point, since the limits of a run are looked at by that.)
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

import gevent
from locust import events

from exporters import fleet
from exporters.counts import counted
from exporters.endpoint import Endpoint
from exporters.fleet import ORDER
from locustfiles._enlist import enlist
from locustfiles._metrics import WorkerMetrics
from locustfiles._options import add_options
from locustfiles._user import LlmUser

TURN_S = float(os.environ["METERED_TURN_S"])


class MeteredUser(LlmUser):
    """Sends one chat at a time, as the scenario's arms say."""


def is_on(now: float) -> bool:
    """Whether metrics are on in the turn of a time."""
    return int(now // TURN_S) % 2 == 1


def take_turns(environment: Any, **_: object) -> None:
    """Locust's `init`: serve the page, and write down the process time at each change of turns."""
    swarm = environment.tokenswarm
    metrics = WorkerMetrics(swarm)
    environment.runner.custom_messages[ORDER] = (metrics.heard, False)
    Endpoint("127.0.0.1", int(os.environ["METERED_PORT"]), metrics.page, "benchmark").start()
    gevent.spawn(_alternate, swarm, metrics)


def _alternate(swarm: Any, metrics: WorkerMetrics) -> None:
    with open(os.environ["METERED_LOG"], "a", encoding="utf-8", buffering=1) as log:
        while True:
            now = time.time()
            on = is_on(now)
            swarm.outbox.on_report = metrics.reported if on else None
            fleet.counted = counted if on else lambda _: []
            log.write(json.dumps({"at": now, "on": on, "cpu_s": time.process_time()}) + "\n")
            gevent.sleep((now // TURN_S + 1) * TURN_S - now + 0.001)


events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(enlist)
events.init.add_listener(take_turns)
