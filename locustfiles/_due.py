"""The open loop of one process: each request of this worker's share is sent when it is due, whatever became of others.

A sibling of Pace, under the same orders. Senders are users; a request is dealt to a free one a little before it is due,
so that its connection is open by then. When none is free another is born, up to the share's limit; beyond it requests
wait for the next free sender and are sent late, which their schedule lag tells. None is dropped, and none is held back
after a failure: the schedule is the schedule (only [limits] max_errors ends a run on a service that refuses).
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable

from exporters.fleet import Lane, Order, Share
from exporters.sample import Outcome, Phase
from locustfiles._pace import UNCOUNTED_FROM, Turn
from locustfiles._senders import Hub, Item, Sender

AHEAD_NS = 250_000_000  # a request is dealt so long before it is due: time to open a connection, over TLS too
DEAL_EVERY_S = 0.02
LATE_S = 0.005  # METRICS: schedule lag p99 < 5 ms
NOTHING = Share(due=b"")


class Due:
    """This process's senders and its share of the schedule under the master's orders."""

    def __init__(self, hub: Hub, worker: str, answer: Callable[[Order, dict[str, float]], None]) -> None:
        self._hub, self._worker, self._answer = hub, worker, answer
        self.order = Order(seq=0, phase="idle")
        self.slots: dict[int, Sender] = {}
        self.expected_users: Callable[[], int] = lambda: len(self.slots)
        self.open_ns: int | None = None
        self.close_ns: int | None = None
        self._share, self._due, self._sizes = NOTHING, array("d"), array("i")
        self._next = 0  # of the share, to be dealt
        self._start: int | None = None  # when the schedule began; None = no arrivals
        self._settle_seq = -1
        self._waiting: deque[Item] = deque()  # dealt, and nobody is free
        self._parked: list[Sender] = []  # free; the last to become so is the first to send: its connection is warm
        self._coming = 0  # senders that are being born
        self._flying: dict[int, Turn] = {}
        self._left = 0  # requests due in the window that have not ended
        self._begun: dict[str, int] = {}  # by arm: of those due in the window, how many were begun
        self._counts = {"achieved": 0, "late": 0, "lags": 0}  # sent while the window was open; lag > 5 ms; lags known
        self._answered = 0
        self._warm_e2e: list[float] = []

    # -- senders come and go

    def enlist(self, ready: Callable[[Lane], None]) -> Sender:
        """A place for a new sender."""
        index = next(i for i in range(len(self.slots) + 1) if i not in self.slots) if self.slots else 0
        self._coming = max(self._coming - 1, 0)
        slot = self.slots[index] = Sender(index, self._hub.gate(), ready)
        return slot

    def leave(self, slot: Sender) -> None:
        """The sender is gone; what it had still to send is another's."""
        self.slots.pop(slot.index, None)
        self._flying.pop(slot.index, None)
        if slot in self._parked:
            self._parked.remove(slot)
        if slot.item is not None:
            self._waiting.appendleft(slot.item)
            slot.item = None
            self._hand_out()
        self.review()

    # -- orders

    def obey(self, order: Order, now: int) -> None:
        """Take the master's new order."""
        self.order = order
        match order.phase:
            case "warmup":
                self._warm_e2e = []
                for slot in self.slots.values():
                    slot.gate.open()
            case "fill":
                self._stop()
                self._take(order.share or NOTHING)
            case "settle":
                self._begin(order, now)
            case "tail":
                self._close(now)
            case "idle" | "drain" | "collect":
                self._stop()
        self.review()

    def _stop(self) -> None:
        """No arrivals from here on."""
        self._start = self.open_ns = self.close_ns = None
        self._waiting.clear()

    def _take(self, share: Share) -> None:
        self._share, self._next = share, 0
        self._due, self._sizes = array("d", share.due), array("i", share.sizes)

    def _begin(self, order: Order, now: int) -> None:
        """The schedule begins now; its window is known to the nanosecond."""
        share, lanes = self._share, len(order.lanes)
        self._start, self._settle_seq = now, order.seq
        self.open_ns = now + round(share.settle_s * 1e9)
        self.close_ns = self.open_ns + round(share.window_s * 1e9)
        self._left = lanes * sum(self.open_ns <= self._ns(due) < self.close_ns for due in self._due)
        self._begun = {lane.arm: 0 for lane in order.lanes}
        self._counts = dict.fromkeys(self._counts, 0)
        self._counts["scheduled"] = self._left
        for seconds in (share.settle_s, share.settle_s + share.window_s):
            self._hub.alarm(seconds, self._turn_over)
        self._deal(order.seq)

    def _close(self, now: int) -> None:
        """A window that a person ends is over now: what is due from here on is the tail's."""
        if self.open_ns is None or self.close_ns is None or now >= self.close_ns:
            return
        begin = max(self.open_ns, now)
        cut = len(self.order.lanes) * sum(begin <= self._ns(due) < self.close_ns for due in self._due)
        self.open_ns, self.close_ns = min(self.open_ns, now), now
        self._left -= cut
        self._counts["scheduled"] -= cut

    def _ns(self, due_s: float) -> int:
        return (self._start or 0) + round(due_s * 1e9)

    def _turn_over(self) -> None:
        """The window has opened or closed, perhaps: timers may be early by a tick."""
        if self.order.phase in ("settle", "window") and self._start is not None and not self._done():
            self._hub.alarm(0.001, self.review)
        self.review()

    def review(self) -> None:
        """Answer the present order once its condition holds here."""
        if self._answered != self.order.seq and self._done():
            self._answered = self.order.seq
            self._answer(self.order, self._facts())

    def _done(self) -> bool:
        match self.order.phase:
            case "warmup":
                slots = self.slots.values()
                warm = len(slots) >= self.expected_users() and all(s.warmed == self.order.seq for s in slots)
                return warm and not self._flying
            case "settle":
                return self.open_ns is not None and self._hub.now() >= self.open_ns
            case "window":
                return self.close_ns is not None and self._hub.now() >= self.close_ns
            case "tail":
                return self._left <= 0
            case "drain":
                return not self._flying
        return self.order.phase == "fill"

    def _facts(self) -> dict[str, float]:
        facts: dict[str, float] = {"users": len(self.slots)}
        if self.order.phase == "warmup" and self._warm_e2e:
            facts["e2e_s"] = sum(self._warm_e2e) / len(self._warm_e2e)
        if self.order.phase == "tail":
            window_ns = (self.close_ns or 0) - (self.open_ns or 0)
            facts |= {**self._counts, "window_s": window_ns / 1e9}
        return facts

    def begun(self) -> dict[str, int]:
        """By step, how many of the requests due in the window this worker has begun."""
        return {lane.step.id: self._begun.get(lane.arm, 0) for lane in self.order.lanes if lane.step is not None}

    # -- the schedule

    def _deal(self, seq: int) -> None:
        """Deal what is due soon, then come back for more."""
        if self._start is None or seq != self._settle_seq:  # the alarm of a schedule that is over
            return
        horizon, lanes = self._hub.now() + AHEAD_NS, range(len(self.order.lanes))
        while self._next < len(self._due) and self._ns(self._due[self._next]) <= horizon:
            place, number = self._next, self._share.first + self._next * self._share.every
            sizes = (self._sizes[2 * place], self._sizes[2 * place + 1]) if self._sizes else None
            due_s = self._due[place]
            self._waiting.extend(Item(seq, self._ns(due_s), due_s, lane, number, sizes) for lane in lanes)
            self._next += 1
        self._hand_out()
        if self._next < len(self._due):
            left_s = (self._ns(self._due[self._next]) - AHEAD_NS - self._hub.now()) / 1e9
            self._hub.alarm(max(left_s, DEAL_EVERY_S), lambda: self._deal(seq))

    def _hand_out(self) -> None:
        """Give what waits to senders that are free, and have more of them born when they do not suffice."""
        while self._waiting and self._parked:
            slot = self._parked.pop()
            slot.item = self._waiting.popleft()
            slot.gate.open()
        room = self._share.senders - len(self.slots) - self._coming
        wanted = min(len(self._waiting) - self._coming, room)
        if wanted > 0:
            self._coming += wanted
            self._hub.spawn(wanted)

    # -- turns

    def wait(self, slot: Sender, now: Callable[[], int]) -> None:
        """Return when this sender's next request is due."""
        prepared: Item | None = None
        while True:
            if self.order.phase == "warmup" and slot.warmed != self.order.seq:
                return
            item = slot.item = self._current(slot.item) or (self._waiting.popleft() if self._waiting else None)
            if item is None:
                self._park(slot)
            elif item is not prepared:
                prepared = item
                slot.ready(self.order.lanes[item.lane])
            elif (left := (item.due - now()) / 1e9) > 0:
                slot.gate.wait(left)
            else:
                return

    def _park(self, slot: Sender) -> None:
        self._parked.append(slot)
        slot.gate.wait(None)
        if slot in self._parked:  # woken by an order
            self._parked.remove(slot)

    def _current(self, item: Item | None) -> Item | None:
        """The item, unless its schedule is over."""
        return item if item is not None and self._start is not None and item.settle_seq == self._settle_seq else None

    def begin(self, slot: Sender, now: int) -> Turn | None:
        """Book a request as sent now; None when its schedule has ended meanwhile."""
        order = self.order
        if order.phase == "warmup" and slot.warmed != order.seq:
            slot.warmed = order.seq
            lane = order.lanes[slot.index % len(order.lanes)]
            user = order.firsts.get(self._worker, 0) + slot.index
            turn = Turn(order, lane, "warmup", user, UNCOUNTED_FROM, 0.0, now)
        else:
            item, slot.item = self._current(slot.item), None
            if item is None:
                return None
            lane = order.lanes[item.lane]
            phase = self._phase(item.due)
            turn = Turn(order, lane, phase, 0, item.number, 0.0, now, item.due, item.due_s, item.sizes)
            self._count(turn, now)
        self._flying[slot.index] = turn
        return turn

    def _phase(self, due: int) -> Phase:
        """By when a request is due, not by when it is sent: a late one counts where it belongs."""
        assert self.open_ns is not None, "arrivals have a window"
        assert self.close_ns is not None, "arrivals have a window"
        return "settle" if due < self.open_ns else "window" if due < self.close_ns else "tail"

    def _count(self, turn: Turn, now: int) -> None:
        assert self.open_ns is not None, "arrivals have a window"
        assert self.close_ns is not None, "arrivals have a window"
        self._counts["achieved"] += self.open_ns <= now < self.close_ns
        if turn.phase == "window":
            self._begun[turn.lane.arm] += 1

    def lag(self, turn: Turn, lag_s: float) -> None:
        """Book how late a request was sent."""
        if turn.phase == "window" and turn.lane in self.order.lanes:
            self._counts["lags"] += 1
            self._counts["late"] += lag_s > LATE_S

    def end(
        self, slot: Sender, turn: Turn, outcome: Outcome, end_s: float | None, _retry_after_s: float | None
    ) -> None:
        """Book the request's end. Nobody backs off."""
        self._flying.pop(slot.index, None)
        if turn.phase == "warmup" and end_s is not None and outcome == "ok":
            self._warm_e2e.append(end_s)
        if turn.phase == "window" and turn.lane in self.order.lanes:
            self._left -= 1
        self.review()
