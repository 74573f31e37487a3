"""The services under test as this process sees them: address, dialect, key and request head of each arm."""

from __future__ import annotations

import os
from array import array
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from exporters.sample import Timeline
from locustfiles._dialects import Ask, Dialect, Reply, dialect_of
from locustfiles._stages import Insight
from locustfiles._wire import Connection, Deadlines, Failure, Target, get, head
from scenarios.scenario import Arm, Request, Scenario

READY_TIMEOUT_S = 5.0


class Service:
    """One arm's service. Connections belong to the users; everything here is shared by them."""

    def __init__(self, name: str, arm: Arm, request: Request) -> None:
        self.name, self.arm = name, arm
        self.target = Target.from_arm(arm)
        self.dialect: Dialect = dialect_of(arm)
        self.insight = Insight(arm.stages)
        self.stream = request.stream and self.dialect.streams
        self.deadlines = Deadlines(
            total_s=request.timeout, first_token_s=request.first_token_timeout if self.stream else 0.0
        )
        self.renew_key()

    def renew_key(self) -> None:
        """Read the key again (projected tokens expire within the hour)."""
        given = {name.lower() for name in self.arm.headers}
        usual = self.dialect.headers(read_key(self.arm))
        self._headers = {**{name: usual[name] for name in usual if name not in given}, **self.arm.headers}
        if self.arm.stages is not None and not given & {"te", "connection"}:  # trailers go to those who ask: RFC 9110
            self._headers |= {"te": "trailers", "connection": "te"}

    def connect(self) -> Connection:
        """A new keep-alive connection; it connects with its first exchange."""
        return Connection(self.target)

    def send(self, connection: Connection, ask: Ask, timeline: Timeline, reply: Reply) -> Failure | None:
        """One exchange: blocks the calling greenlet until the reply is complete, failed or past its deadline."""
        body = self.dialect.body(ask)
        path = self.arm.path or _joined(self.target.path, self.dialect.path(ask))
        first = head("POST", self.target, path, self._headers, sum(map(len, body)))
        return connection.exchange([first, *body], reply, timeline, self.deadlines)

    def reply(self, chunks: array[int]) -> Reply:
        """An empty reply that stamps its content chunks into `chunks`."""
        reply = self.dialect.reply(chunks, self.stream)
        self.insight.watch(reply)
        return reply


def services(scenario: Scenario) -> dict[str, Service]:
    """The service of each arm."""
    return {name: Service(name, arm, scenario.request) for name, arm in scenario.arms.items()}


def is_ready(arm: Arm) -> bool:
    """Whether an arm's `ready` URL answers with a 2xx."""
    assert arm.ready is not None, "only an arm with a `ready` URL can be asked"
    there = urlsplit(arm.ready)
    target = Target.from_arm(msgspec.structs.replace(arm, url=f"{there.scheme}://{there.netloc}"))
    path = f"{there.path or '/'}{'?' if there.query else ''}{there.query}"
    try:
        status, _, _ = get(target, path, {}, READY_TIMEOUT_S)
    except OSError:
        return False
    return 200 <= status < 300


def require_keys(scenario: Scenario) -> None:
    """Raise LookupError when a key that an arm names is not in this process's environment: its machine is another."""
    for name, arm in scenario.arms.items():
        if arm.api_key_env and not os.environ.get(arm.api_key_env):
            raise LookupError(f"arms.{name}.api_key_env: {arm.api_key_env} is not set there")


def read_key(arm: Arm) -> str | None:
    """The API key from the environment or a file, as the arm says; never from an option."""
    if arm.api_key_env:
        return os.environ.get(arm.api_key_env)
    if arm.api_key_file:
        return Path(arm.api_key_file).read_text(encoding="utf-8").strip()
    return None


def _joined(base: str, path: str) -> str:
    """The service's path below the URL's own: http://host/v1 and /v1/chat/completions share their /v1."""
    base = base.rstrip("/")
    if base.endswith("/v1") and path.startswith("/v1/"):
        base = base[: -len("/v1")]
    return base + path or "/"
