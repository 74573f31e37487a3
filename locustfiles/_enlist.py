"""How a process joins the swarm: Locust's `init`, its signals, its rhythm, and when it leaves."""

from __future__ import annotations

import functools
import logging
import os
import signal
import sys
import time
from types import SimpleNamespace
from typing import Any

import gevent
import locust.runners
from locust import argument_parser

from exporters.fleet import ORDER, REFUSED, VERSION, report_every_s
from locustfiles._check import check
from locustfiles._metrics import exposed
from locustfiles._services import is_ready
from locustfiles._swarm import Swarm
from locustfiles._texts import texts_for_workers
from locustfiles._wire import raise_file_limit

USAGE = 2  # exit code
LOOK_EVERY_S = 1.0
STALL_LOOK_S = 0.05
MASTER_SILENT_S = 20  # Locust's workers would load a service for 60 s after their master died

log = logging.getLogger(__name__)


def enlist(environment: Any, **_: object) -> None:
    """Locust's `init`: give this process its part of the swarm, unless it is a master, which runs no users."""
    quiet_spawns()
    runner = environment.runner
    environment.tokenswarm_services = SimpleNamespace(check=check, is_ready=is_ready, texts=texts_for_workers)
    if isinstance(runner, locust.runners.MasterRunner):
        return
    locust.runners.MASTER_HEARTBEAT_TIMEOUT = MASTER_SILENT_S
    raise_file_limit()
    swarm = environment.tokenswarm = Swarm(environment)
    runner.register_message(REFUSED, _refused)
    runner.greenlet.spawn(_report_forever, swarm)
    runner.greenlet.spawn(_watch_stalls, swarm)

    def leave(**_: object) -> None:
        runner.user_greenlets.kill(block=True, timeout=2.0)
        swarm.outbox.flush()
        if swarm.chunks is not None:
            swarm.chunks.close()

    environment.events.quitting.add_listener(leave)
    runner.register_message(ORDER, exposed(swarm, environment.parsed_options))  # its last page comes after the last row
    if isinstance(runner, locust.runners.WorkerRunner):
        # Its users are gone by then: else it would be away for another stop_timeout, and the next run wait for it.
        environment.events.test_stop.add_listener(lambda **_: setattr(environment, "stop_timeout", 0.0))
        # Through the hub: a KeyboardInterrupt would strike any greenlet, and lose its rows.
        gevent.signal_handler(signal.SIGINT, lambda: gevent.spawn(leave).link(lambda _: runner.quit()))
        if environment.parsed_options is not None and (environment.parsed_options.processes or 0) > 1:
            runner.greenlet.spawn(_leave_with_parent, runner, os.getppid())


def _refused(environment: Any, msg: Any, **_: object) -> None:
    """The master is of another version and sends this worker away; Locust's own message to quit follows."""
    line = f"this worker is tokenswarm {VERSION}, its master {msg.data['version']}: it is refused; install one version"
    log.error(line)
    print(f"tokenswarm: {line}", file=sys.stderr)  # noqa: T201
    environment.process_exit_code = USAGE


def _report_forever(swarm: Swarm) -> None:
    while swarm.scenario is None:  # a master that is not listening yet loses messages: repeat until it gives an order
        swarm.outbox.hello()
        gevent.sleep(LOOK_EVERY_S)
    while True:
        swarm.outbox.flush()
        if swarm.chunks is not None:
            swarm.chunks.flush()
        gevent.sleep(report_every_s(len(swarm.pace.order.firsts)))


def _watch_stalls(swarm: Swarm) -> None:
    while True:
        asleep = time.monotonic()
        gevent.sleep(STALL_LOOK_S)
        swarm.stalled(time.monotonic() - asleep - STALL_LOOK_S)


def _leave_with_parent(runner: Any, parent: int) -> None:
    """A child of `--processes` whose master was killed goes at once: nobody would hear what it measures."""
    while os.getppid() == parent:
        gevent.sleep(LOOK_EVERY_S)
    log.warning("the master is gone: this worker leaves")
    runner.quit()


def quiet_spawns() -> None:
    """Cache Locust's default options: each spawn message makes a worker build its parser once per option (~70 ms)."""
    if not hasattr(argument_parser.default_args_dict, "cache_clear"):
        argument_parser.default_args_dict = functools.cache(argument_parser.default_args_dict)
