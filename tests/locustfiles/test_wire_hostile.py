"""Every misbehaviour of the hostile server ends in its outcome, in time, and leaves nothing open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import hostile
import pytest
from gevent.hub import get_hub
from hostile import CASES

from exporters.sample import Timeline
from locustfiles._dialects import DIALECTS, Reply
from locustfiles._outcome import classify
from locustfiles._wire import Connection, Deadlines, Failure, Target, head

SLACK_S = 2.0  # of a slow machine


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    with subprocess.Popen(
        [sys.executable, hostile.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        yield json.loads(server.stdout.readline())
        server.stdin.close()


def exchange(case: hostile.Case, port: int) -> tuple[Failure | None, Reply, Timeline, float]:
    """What the last of the case's exchanges came to, and how long the longest took."""
    target = Target(scheme=case.scheme, host="127.0.0.1", port=port)
    body = b"x" * case.prompt
    connection, longest = Connection(target), 0.0
    try:
        for turn in range(case.exchanges):
            if turn:
                gevent.sleep(0.06)  # whatever happens to an idle connection happens now
            timeline, start = Timeline(), time.monotonic()
            reply = DIALECTS["openai-chat"].reply(timeline.chunks, stream=True)
            request = [head("POST", target, "/v1/chat/completions", {}, len(body)), body[:50], body[50:]]
            deadlines = Deadlines(total_s=case.total_s, first_token_s=case.first_s)
            failure = connection.exchange(request, reply, timeline, deadlines)
            longest = max(longest, time.monotonic() - start)
    finally:
        connection.close()
    return failure, reply, timeline, longest


def expected(case: hostile.Case, kind: str | None) -> bool:
    """Whether the exchange failed as the case says: "closed|reset" = one of the two."""
    return kind in (case.failure.split("|") if case.failure else [None])


def check(case: hostile.Case, port: int) -> None:
    failure, reply, timeline, took_s = exchange(case, port)

    assert expected(case, failure.kind if failure else None), failure
    assert case.says in (failure.detail if failure else "")
    assert len(timeline.chunks) == case.events
    assert reply.status == case.status
    assert classify(reply, failure, None)[0] == case.outcome
    assert (timeline.end is None) == (failure is not None)
    assert timeline.attempts == case.attempts
    assert took_s < case.total_s + SLACK_S
    assert list(timeline.chunks) == sorted(timeline.chunks)
    if timeline.chunks:
        assert timeline.sent <= timeline.headers <= timeline.first


@pytest.mark.parametrize("name", CASES)
def test_a_misbehaviour_ends_in_its_outcome(name: str, ports: dict[str, int]) -> None:
    """Each named misbehaviour ends as written beside it, within its deadline."""
    check(CASES[name], ports[name])


def sockets() -> int:
    """Open sockets of this process."""
    return sum((Path("/proc/self/fd") / fd).is_socket() for fd in os.listdir("/proc/self/fd"))


def test_all_at_once_leave_nothing_behind(ports: dict[str, int]) -> None:
    """All misbehaviours at once, three times each: every one ends, no socket stays open, nothing waits in the hub."""
    before, watchers = sockets(), get_hub().loop.activecnt
    cases = [(case, ports[name]) for name, case in CASES.items() if "reused" not in name]  # those count connections
    crowd = [gevent.spawn(exchange, *case) for case in cases * 3]
    gevent.joinall(crowd, timeout=30)

    assert [greenlet for greenlet in crowd if not greenlet.successful()] == []
    kinds = [failure.kind if failure else None for failure, *_ in (greenlet.value for greenlet in crowd)]
    wrong = [(case, kind) for (case, _), kind in zip(cases * 3, kinds, strict=True) if not expected(case, kind)]
    assert wrong == []
    assert sockets() == before
    assert get_hub().loop.activecnt == watchers


def test_a_killed_exchange_closes_its_connection(ports: dict[str, int]) -> None:
    """A user that Locust kills in the middle of a reply leaves no socket and no watcher."""
    before, watchers = sockets(), get_hub().loop.activecnt
    user = gevent.spawn(exchange, CASES["stall_after_first_token"], ports["stall_after_first_token"])
    gevent.sleep(0.1)
    opened = sockets()
    user.kill()

    assert opened == before + 1
    assert sockets() == before
    assert get_hub().loop.activecnt == watchers
