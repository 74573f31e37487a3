"""The master's own metrics, where its options say: on a port, and on Locust's web page where there is one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from exporters.endpoint import Endpoint
from exporters.exposition import CONTENT_TYPE
from exporters.fleet import Order
from exporters.inbox import Inbox
from exporters.prometheus import SwarmMetrics, of_workers
from exporters.swarm_fields import MASTER

log = logging.getLogger(__name__)


class MasterMetrics:
    """The page of a master, if anybody is to see it; `fault` says why its port cannot be had."""

    def __init__(self, environment: Any, inbox: Inbox, there: Callable[[], tuple[int, int]]) -> None:
        """`there` tells how many workers are there, and how many are expected."""
        options, web = environment.parsed_options, getattr(environment, "web_ui", None)
        self._swarm: SwarmMetrics | None = None
        self.fault: str | None = None
        port = getattr(options, "metrics_port", None)
        pushed = getattr(options, "pushgateway", "") or getattr(options, "remote_write", "")
        if port is None and web is None and not pushed:
            return
        self._swarm = SwarmMetrics(
            MASTER,
            users=lambda: environment.runner.user_count,
            fleet=lambda: of_workers(inbox.accounts, *there()),
        )
        inbox.on_report.append(self._swarm.reported)
        if port is not None:
            self._listen(options.metrics_host, port, self._swarm)
        if web is not None:
            answer = web.auth_required_if_enabled(lambda: (self.page(), {"Content-Type": CONTENT_TYPE}))
            web.app.add_url_rule("/metrics", "tokenswarm_metrics", answer)

    def _listen(self, host: str, port: int, swarm: SwarmMetrics) -> None:
        try:
            endpoint = Endpoint(host, port, swarm.page, "tokenswarm master")
        except (OSError, OverflowError) as error:
            self.fault = f"--metrics-port {port}: {getattr(error, 'strerror', None) or error} (on {host})"
            return
        endpoint.start()
        log.info("metrics: %s", endpoint.url)

    def page(self) -> bytes:
        """What is known now."""
        return b"" if self._swarm is None else self._swarm.page()

    def ordered(self, order: Order) -> None:
        """An order was given."""
        if self._swarm is not None:
            self._swarm.ordered(order)
