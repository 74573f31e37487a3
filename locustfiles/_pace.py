"""The pace of one process: which user may send now, in which phase, and when this worker's part of an order is done.

Pure bookkeeping over `monotonic_ns` arguments; waiting is injected (`Gate`), so that it is tested without a hub.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Protocol

import msgspec

from exporters.fleet import Lane, Order
from exporters.sample import Outcome, Phase

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 30.0
# Numbers of requests before the settle order, and of users who come in a tail: their texts are never those of a counted
# request, nor each other's.
UNCOUNTED_FROM, LATE_FROM = 1_000_000, 2_000_000
SENDING: dict[str, Phase] = {
    "warmup": "warmup",
    "fill": "settle",
    "settle": "settle",
    "window": "window",
    "tail": "tail",
}


class Gate(Protocol):
    """Where users wait until the next order."""

    def wait(self, timeout: float | None) -> object:
        """Return after `timeout` seconds or when `open` was called."""

    def open(self) -> None:
        """Wake everyone who waits now."""


class Slot:
    """One user's place in this process."""

    __slots__ = ("backoff_s", "failures", "greeted", "index", "sent", "settled", "think_s", "turn", "warmed")

    def __init__(self, index: int) -> None:
        self.index = index
        self.turn = 0  # requests sent in this step; numbers the prompts
        self.failures = 0  # in a row
        self.backoff_s = 0.0
        self.think_s = 0.0  # before its next request
        self.greeted: str | None = None  # the step whose first offset this user has waited
        self.warmed = -1  # the warm-up order that this user has taken part in
        self.settled = False  # has finished a whole request sent since the settle order
        self.sent = 0  # requests sent in this window


class Turn(msgspec.Struct, frozen=True):
    """Leave to send one request."""

    order: Order
    lane: Lane
    phase: Phase
    user: int  # of its lane, over all workers
    number: int  # of this user's requests in this step
    backoff_s: float
    opened_ns: int  # when it was given
    due: int | None = None  # open loop: when the schedule wants it sent, in monotonic ns
    due_s: float | None = None  # the same as the schedule has it, in seconds from its start
    sizes: tuple[int, int] | None = None  # input and output tokens, where a trace says so
    think_s: float = 0.0  # that the user thought before it


def offset(seed: int, order: Order, user: int) -> float:
    """A seeded uniform share in [0, 1): the same for both arms, new per block, cell and rung."""
    cell = order.cell.name if order.cell else order.workload
    key = f"{seed}/{order.block}/{cell}/{order.users}/{user}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") / 2**64


def _at_once(_order: Order, _user: int, _number: int) -> float:
    """Users who do not think."""
    return 0.0


def greeting(lane: Lane) -> str:
    """What a user has greeted once it has waited its offset: a step, each try anew."""
    return lane.step.id if lane.step else ""


class Pace:
    """This process's users under the master's orders."""

    def __init__(self, gate: Gate, worker: str, answer: Callable[[Order, dict[str, float]], None]) -> None:
        self._gate, self._worker, self._answer = gate, worker, answer
        self.seed = 0
        self.longest_backoff_s = LONGEST_BACKOFF_S
        self.think: Callable[[Order, int, int], float] = _at_once  # (order, user, its request) -> seconds
        self.order = Order(seq=0, phase="idle")
        self.slots: dict[int, Slot] = {}
        self.expected_users: Callable[[], int] = lambda: len(self.slots)
        self.open_ns: int | None = None
        self.close_ns: int | None = None
        self._flying: dict[int, Turn] = {}
        self._settle_seq = 0
        self._held = 0  # users when the window closed
        self._window_sent: dict[str, int] = {}  # by arm
        self._answered = 0
        self._warm_e2e: list[float] = []

    # -- users come and go

    def enlist(self, _ready: Callable[[Lane], None] | None = None) -> Slot:
        """A place for a new user: the lowest free index, so that both arms' users draw the same prompts."""
        index = next(i for i in range(len(self.slots) + 1) if i not in self.slots)
        slot = self.slots[index] = Slot(index)
        if self.order.phase == "tail":  # a soak's next load is there already, and nobody has numbered its users yet
            slot.turn = LATE_FROM + UNCOUNTED_FROM * len([name for name in self.order.firsts if name < self._worker])
        return slot

    def leave(self, slot: Slot) -> None:
        """The user is gone."""
        self.slots.pop(slot.index, None)
        self._flying.pop(slot.index, None)
        self.review()

    # -- orders

    def obey(self, order: Order, now: int) -> None:
        """Take the master's new order and wake the users that it concerns."""
        self.order = order
        match order.phase:
            case "warmup":
                self._warm_e2e = []
            case "fill":
                self.open_ns = self.close_ns = None
                self._renumber()
            case "settle":
                self._settle_seq = order.seq
                self.open_ns = self.close_ns = None
                for slot in self.slots.values():
                    slot.settled, slot.turn = False, 0
            case "window":
                self.open_ns, self.close_ns = now, None
                self._window_sent = {lane.arm: 0 for lane in order.lanes}
                for slot in self.slots.values():
                    slot.sent = 0
            case "tail":
                self.close_ns, self._held = now, len(self.slots)
        self._gate.open()
        self.review()

    def _renumber(self) -> None:
        """Close the gaps that users left who have gone: with the workers' firsts each has a number of its own."""
        kept = sorted(self.slots.items())
        turns = {index: self._flying[old] for index, (old, _) in enumerate(kept) if old in self._flying}
        self.slots, self._flying = {index: slot for index, (_, slot) in enumerate(kept)}, turns
        for index, slot in self.slots.items():
            slot.index = index

    def review(self) -> None:
        """Answer the present order once its condition holds here."""
        if self._answered != self.order.seq and self._done():
            self._answered = self.order.seq
            self._answer(self.order, self._facts())

    def _done(self) -> bool:
        slots, order = self.slots.values(), self.order
        if order.phase in ("warmup", "settle", "window") and len(slots) < self.expected_users():
            return False
        match order.phase:
            case "warmup":
                idle = all(slot.warmed == order.seq for slot in slots)
                return idle and not self._flying
            case "settle":
                return all(slot.settled for slot in slots)
            case "window":
                return self._window_full()
            case "tail":
                return not any(turn.phase in ("settle", "window") for turn in self._flying.values())
            case "drain":
                return not self._flying
        return order.phase == "fill"

    def _window_full(self) -> bool:
        """Tasks: all of them were sent. Matrix: `min_requests` on each lane, and `turns` by each user."""
        order = self.order
        if any(self._window_sent[lane.arm] < self._share(index) for index, lane in enumerate(order.lanes)):
            return False
        return order.workload == "task" or all(slot.sent >= order.turns for slot in self.slots.values())

    def _share(self, index: int) -> int:
        """Requests that a lane's users here must send: rounded up, so that the sum over workers is never too small."""
        order, lanes = self.order, len(self.order.lanes)
        here = len(range((index - self._first) % lanes, len(self.slots), lanes))
        step = order.lanes[index].step
        wanted = step.requests if step is not None and step.requests is not None else order.min_requests
        return math.ceil(wanted * here / max(order.users, 1))

    def _facts(self) -> dict[str, float]:
        facts: dict[str, float] = {"users": self._held if self.order.phase == "tail" else len(self.slots)}
        if self.order.phase == "warmup" and self._warm_e2e:
            facts["e2e_s"] = sum(self._warm_e2e) / len(self._warm_e2e)
        if self.order.phase == "tail" and self.open_ns is not None and self.close_ns is not None:
            facts["window_s"] = (self.close_ns - self.open_ns) / 1e9
        return facts

    def begun(self) -> dict[str, int]:
        """By step, how many requests this worker has begun in the window."""
        return {lane.step.id: self._window_sent.get(lane.arm, 0) for lane in self.order.lanes if lane.step is not None}

    # -- turns

    def wait(self, slot: Slot, now: Callable[[], int]) -> None:
        """Return when this user may send its next request."""
        backoff, slot.backoff_s = slot.backoff_s, 0.0
        slot.think_s = self._thought(slot)
        until = now() + int(max(backoff, slot.think_s) * 1e9)
        while True:
            order = self.order
            if not self._may_send(slot, order):
                self._gate.wait(None)
                continue
            lane, user = self._place(slot)
            if order.phase in ("settle", "window", "tail") and slot.greeted != greeting(lane):
                slot.greeted = greeting(lane)
                until = max(until, now() + int(order.spread_s * offset(self.seed, order, user) * 1e9))
            left = (until - now()) / 1e9
            if left <= 0:
                slot.backoff_s = backoff
                return
            self._gate.wait(left)

    def _thought(self, slot: Slot) -> float:
        """How long a user thinks now: in a step, after a request of that step."""
        if self.order.workload == "task" or self.order.phase not in ("settle", "window", "tail") or not slot.turn:
            return 0.0
        return self.think(self.order, self._place(slot)[1], slot.turn)

    def _may_send(self, slot: Slot, order: Order) -> bool:
        if order.phase == "warmup":
            return slot.warmed != order.seq
        if order.phase == "fill":  # those who were here before hold the load, newcomers wait for the settle order
            return slot.turn > 0
        return order.phase in SENDING

    def begin(self, slot: Slot, now: int) -> Turn | None:
        """Book a request as sent now; None when an order has come since `wait` that lets this user send nothing.

        Locust goes once around its loop in between: a request that slipped through there would outlive the drain.
        """
        if not self._may_send(slot, self.order):
            return None
        order, backoff, slot.backoff_s = self.order, slot.backoff_s, 0.0
        if order.phase == "warmup":
            slot.warmed = order.seq
        phase = SENDING[order.phase]
        if phase == "window" and order.workload == "task" and self._window_full():
            phase = "tail"  # the tasks were all sent, and the order that says so is on its way
        counted = order.phase in ("settle", "window", "tail")
        number = slot.turn if counted else UNCOUNTED_FROM + slot.turn % UNCOUNTED_FROM
        lane, user = self._place(slot)
        turn = Turn(order, lane, phase, user, number, backoff, now, think_s=slot.think_s)
        slot.turn += 1
        if phase == "window":
            slot.sent += 1
            self._window_sent[lane.arm] += 1
        self._flying[slot.index] = turn
        if phase == "window":
            self.review()
        return turn

    def end(self, slot: Slot, turn: Turn, outcome: Outcome, end_s: float | None, retry_after_s: float | None) -> None:
        """Book the request's end; after a failure the user backs off (DESIGN 4)."""
        self._flying.pop(slot.index, None)
        if outcome == "ok":
            slot.failures = 0
        else:
            doubled = FIRST_BACKOFF_S * 2 ** min(slot.failures, 10)
            slot.backoff_s = min(max(retry_after_s or 0.0, doubled), self.longest_backoff_s)
            slot.failures += 1
        if turn.phase == "warmup" and end_s is not None and outcome == "ok":
            self._warm_e2e.append(end_s)
        if turn.order.seq >= self._settle_seq:
            slot.settled = True
        self.review()

    @property
    def _first(self) -> int:
        return self.order.firsts.get(self._worker, 0)

    def _place(self, slot: Slot) -> tuple[Lane, int]:
        """The lane of a user and its number there: users take the lanes in turn, so that each lane has its target."""
        lanes = self.order.lanes
        number = self._first + slot.index
        return lanes[number % len(lanes)], number // len(lanes)
