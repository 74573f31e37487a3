"""Worker -> master, counted: the orders that a master gives, the answers and rows that its workers send back.

Three message types travel in Locust's own ordered pipe (its LocalRunner emulates them, so one code path serves both):
an order (master -> every worker), an answer ("my part of this order is done") and rows (packed columns and tallies, at
most one message a second and worker). Locust's environment and runner are arguments: this file imports neither.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Literal, Protocol

import msgspec

from exporters.counts import Counted, Spent, counted, spent_by_arm
from exporters.record import pack
from exporters.sample import Sample, Step, Workload
from exporters.tally import Tally
from scenarios.scenario import Cell

ORDER, ANSWER, ROWS, CHUNKS, REFUSED = (
    "tokenswarm_order", "tokenswarm_answer", "tokenswarm_rows", "tokenswarm_chunks", "tokenswarm_refused",
)  # fmt: skip
# Of these messages: 1 = first, 2 = counts by point. A hello and its refusal must stay readable for every other version.
PROTOCOL = 2
RELEASE = version("tokenswarm")  # of this process: looking it up reads files
VERSION = f"{RELEASE} (protocol {PROTOCOL})"
LOCAL = "local"  # who sends the messages of Locust's LocalRunner
REPORTS_PER_S = 500  # of all workers together: what they cost a master does not grow with its swarm beyond that
HELLO, CATCH_UP = -1, 0  # seq of a worker that introduces itself, and of the order that prepares one that came late

OrderPhase = Literal[
    "ping", "prepare", "idle", "warmup", "fill", "settle", "window", "tail", "drain", "collect", "abort"
]


class Runner(Protocol):
    """What this file needs of a Locust runner."""

    worker_index: int

    def send_message(self, msg_type: str, data: Any = None, client_id: str | None = None) -> None:
        """Send to the other side."""

    def register_message(self, msg_type: str, listener: Callable[..., None]) -> None:
        """Call `listener` for each message of that type."""


def report_every_s(workers: int) -> float:
    """Seconds between two reports of each of so many workers: what is lost with one is this long at most."""
    return max(1.0, workers / REPORTS_PER_S)


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """The arm that a share of the users talks to, and its step: one lane, or one for each of `parallel` arms."""

    arm: str
    step: Step | None = None


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's part of an open-loop schedule, sent with "fill".

    `due`: array("d") of seconds from the settle order; `sizes`: array("i") of input and output tokens, two for each
    request, or empty: the cell's. The requests are number first, first + every, ... of the whole schedule.
    """

    due: bytes
    sizes: bytes = b""
    first: int = 0
    every: int = 1
    settle_s: float = 0.0  # the window is [settle_s, settle_s + window_s)
    window_s: float = 0.0
    senders: int = 1  # requests in flight at once, here


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What every worker is to do now. `seq` grows by one per order; an answer names the order that it answers."""

    seq: int
    phase: OrderPhase
    lanes: tuple[Lane, ...] = ()
    swapped: bool = False  # parallel arms: each is measured at the other's address
    workload: Workload = "matrix"
    block: int = 0
    cell: Cell | None = None
    users: int = 0  # the target of each lane, over all workers; 0 in open loop
    firsts: dict[str, int] = {}  # by worker: users on the workers before it, so that each user has a number of its own
    spread_s: float = 0.0  # first requests of a rung wait a seeded offset in [0, spread_s]
    turns: int = 1
    min_requests: int = 1
    open_loop: bool = False  # requests are due by schedule, whatever came of earlier ones
    share: Share | None = None  # of that schedule
    run: dict[str, Any] | None = None  # with "prepare": {"id", "scenario", "texts"}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's part of an order is done; `facts` are figures of the phase that ended (users, window_s, cpu, ...).

    `rows_sent` is how many rows this worker has ever sent, `begun` how many requests it began in the window of each of
    the order's steps: with them the master can tell whether it has heard of all.
    """

    seq: int
    worker: str
    index: int
    facts: dict[str, float] = {}
    faults: tuple[str, ...] = ()
    run: str = ""  # that this worker has prepared for
    rows_sent: int = 0
    begun: dict[str, int] = {}


class Outbox:
    """The worker's side: rows, tallies and texts that wait to be sent."""

    def __init__(self, runner: Runner, name: str, version: str = VERSION) -> None:
        self._runner, self.name, self._version = runner, name, version
        self._samples: list[Sample] = []
        self._responses: list[dict[str, Any]] = []
        self._seq = self._rows_sent = 0
        self.tally = Tally()
        self.run = ""  # that this worker has prepared for
        self.on_report: Callable[[Delta], None] | None = None  # who else is to hear what is sent

    def add(self, sample: Sample, response: dict[str, Any] | None = None) -> None:
        """Keep one row, and the text of its reply when it is among those to be kept."""
        self._samples.append(sample)
        if response is not None:
            self._responses.append(response)

    def flush(self) -> None:
        """Send what has gathered, with its sequence number and the total of rows ever sent."""
        if not self._samples:
            return
        samples, self._samples = self._samples, []
        responses, self._responses = self._responses, []
        self._seq += 1
        self._rows_sent += len(samples)
        delta = {
            "worker": self.name,
            "seq": self._seq,
            "rows": len(samples),
            "rows_sent": self._rows_sent,
            "packed": pack(samples),
            "tally": self.tally.take(),
            "responses": responses,
            "failed": sum(sample.outcome != "ok" for sample in samples),
            "counts": counted(samples),
        }
        self._runner.send_message(ROWS, delta)
        if self.on_report is not None:
            self.on_report(msgspec.convert(delta, Delta))

    def send_chunks(self, piece: bytes) -> None:
        """Send the next piece of this worker's file of stamps."""
        self._runner.send_message(CHUNKS, {"piece": piece})

    def begin(self, run: str) -> None:
        """This worker has prepared for a run: reports are numbered and rows counted anew."""
        self.run = run
        self._samples, self._responses = [], []
        self._seq = self._rows_sent = 0
        self.tally = Tally()

    def hello(self) -> None:
        """Introduce this worker, before any order has come."""
        introduced = {"worker": self.name, "index": self._runner.worker_index, "version": self._version}
        self._runner.send_message(ANSWER, {"seq": HELLO, **introduced})

    def answer(
        self, order: Order, facts: dict[str, float], faults: tuple[str, ...] = (), begun: dict[str, int] | None = None
    ) -> None:
        """Tell the master that this worker's part of `order` is done; rows go first, in the same pipe."""
        self.flush()
        answer = Answer(
            seq=order.seq,
            worker=self.name,
            index=self._runner.worker_index,
            facts=facts,
            faults=faults,
            run=self.run,
            rows_sent=self._rows_sent,
            begun=begun or {},
        )
        self._runner.send_message(ANSWER, msgspec.to_builtins(answer))


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """What one report of one worker brought."""

    worker: str
    seq: int
    rows: int
    rows_sent: int
    packed: bytes
    tally: dict[str, Any]
    responses: list[dict[str, Any]]
    failed: int
    counts: list[Counted] = []

    @property
    def spent(self) -> dict[str, Spent]:
        """What its requests have used up, by arm."""
        return spent_by_arm(self.counts)
