"""The master's side of the fleet: answers by order, rows and requests counted against what each worker says it sent."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from exporters.fleet import CATCH_UP, HELLO, VERSION, Answer, Delta
from exporters.tally import Tally

MINUTE = 60
UNTOLD = "of a version that it does not tell"


class Account(msgspec.Struct):
    """What the master has heard of one worker's rows, against what that worker says it sent."""

    rows_received: int = 0
    rows_sent: int = 0  # as stated by its last report or answer
    reports: int = 0  # the last one's sequence number
    lost_reports: int = 0
    heard_s: float = 0.0  # monotonic time of its last report or answer

    @property
    def lost_rows(self) -> int:
        """Rows that were sent and have not come; in one ordered pipe they will not come any more."""
        return self.rows_sent - self.rows_received


class Part(msgspec.Struct):
    """One worker's part of a step: requests sent in its window, by how they ended."""

    ok: int = 0
    failed: int = 0
    aborted: int = 0

    @property
    def sent(self) -> int:
        """All of them."""
        return self.ok + self.failed + self.aborted

    def add(self, by_outcome: Mapping[str, int]) -> None:
        """Count a report's share."""
        for outcome, count in by_outcome.items():
            kind = outcome if outcome in ("ok", "aborted") else "failed"
            setattr(self, kind, getattr(self, kind) + count)


class Recent:
    """Rows and failures of the last minute, by whole seconds: it is looked at often, and reports are many."""

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque()  # (monotonic second, rows, failed)
        self.rows = self.failed = 0

    def add(self, now: float, rows: int, failed: int) -> None:
        """Count a report that came now; forget those of more than a minute ago."""
        second = int(now)
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, 0, 0])
        self._seconds[-1][1] += rows
        self._seconds[-1][2] += failed
        self.rows, self.failed = self.rows + rows, self.failed + failed
        while self._seconds[0][0] < second - MINUTE:
            _, rows, failed = self._seconds.popleft()
            self.rows, self.failed = self.rows - rows, self.failed - failed


class Inbox:
    """Answers to the present order, tallies by step, accounts by worker."""

    def __init__(self, on_delta: Callable[[Delta], None], woken: Callable[[], object]) -> None:
        self._on_delta, self._woken = on_delta, woken
        self.on_hello: Callable[[str], None] = lambda _: None
        self.on_stranger: Callable[[str, str], None] = lambda *_: None  # a worker of another version, and which
        self.on_chunks: Callable[[str, bytes], None] = lambda *_: None
        self.on_report: list[Callable[[Delta], None]] = []  # who else is to hear what has come
        self.answers: dict[str, Answer] = {}
        self.known: set[str] = set()  # workers that have introduced themselves
        self.strangers: dict[str, str] = {}  # versions of workers of other versions: nothing that they say counts
        self.prepared: dict[str, str] = {}  # by worker, the run that it has prepared for
        self.seq = CATCH_UP
        self._forget()

    def _forget(self) -> None:
        self.tally = Tally()
        self.accounts: dict[str, Account] = {}
        self.parts: dict[tuple[str, str], Part] = {}  # by step and worker
        self.recent = Recent()

    def begin(self, on_delta: Callable[[Delta], None]) -> None:
        """Start a run: nothing of an earlier one counts."""
        self._on_delta = on_delta
        self._forget()

    def next(self) -> int:
        """The next order's number; answers to earlier orders are forgotten."""
        self.seq += 1
        self.answers = {}
        return self.seq

    def account(self, worker: str) -> Account:
        """A worker's account, new at first."""
        return self.accounts.setdefault(worker, Account())

    def begin_rung(self, steps: Collection[str]) -> None:
        """Forget steps other than these: their records are kept. Late reports of them still count as rows."""
        self.tally.keep(steps)
        self.parts = {key: part for key, part in self.parts.items() if key[0] in steps}

    def part(self, step: str, worker: str) -> Part:
        """A worker's part of a step, empty at first."""
        return self.parts.setdefault((step, worker), Part())

    def on_answer(self, environment: object, msg: Any, **_: object) -> None:  # noqa: ARG002 (Locust's signature)
        """Book an answer to the present order; late answers to earlier ones are dropped."""
        if msg.data["seq"] == HELLO and (theirs := msg.data.get("version", UNTOLD)) != VERSION:
            self.on_stranger(msg.node_id, theirs)
            self.strangers[msg.node_id] = theirs
        if msg.node_id in self.strangers:
            return
        answer = msgspec.convert(msg.data, Answer)
        self.known.add(msg.node_id)
        self.prepared[msg.node_id] = answer.run
        if answer.seq == HELLO:
            self.on_hello(msg.node_id)
        else:
            account = self.account(msg.node_id)
            account.rows_sent, account.heard_s = answer.rows_sent, time.monotonic()
        if answer.seq == self.seq:
            self.answers[msg.node_id] = answer
        self._woken()

    def on_rows(self, environment: object, msg: Any, **_: object) -> None:  # noqa: ARG002 (Locust's signature)
        """Book a delta, then hand its rows on; one that has come before is dropped."""
        delta = msgspec.convert(msg.data, Delta)
        account = self.account(delta.worker)
        if delta.seq <= account.reports:
            return
        account.lost_reports += delta.seq - account.reports - 1
        account.reports, account.rows_sent, account.heard_s = delta.seq, delta.rows_sent, time.monotonic()
        account.rows_received += delta.rows
        for step, tally in delta.tally.items():
            self.part(step, delta.worker).add(tally["by_outcome"])
        self.tally.merge_packed(delta.tally)
        self.recent.add(account.heard_s, delta.rows, delta.failed)
        self._on_delta(delta)
        for hear in self.on_report:
            hear(delta)

    def on_piece(self, environment: object, msg: Any, **_: object) -> None:  # noqa: ARG002 (Locust's signature)
        """Hand on the next piece of a worker's file of stamps."""
        self.account(msg.node_id).heard_s = time.monotonic()
        self.on_chunks(msg.node_id, msg.data["piece"])

    @property
    def rows(self) -> dict[str, int]:
        """Rows that the workers say they sent, and rows that came."""
        accounts = self.accounts.values()
        return {"sent": sum(a.rows_sent for a in accounts), "received": sum(a.rows_received for a in accounts)}

    def error_share(self, at_least: int = 20) -> float:
        """Share of the last minute's requests that failed; 0 below `at_least` requests."""
        return self.recent.failed / self.recent.rows if self.recent.rows >= at_least else 0.0
