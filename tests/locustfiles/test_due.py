"""The open loop of a process: what is due is sent when it is due, once, late rather than never."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.fleet import Lane, Order, Share
from exporters.sample import Step
from locustfiles._due import AHEAD_NS, Due
from locustfiles._senders import Hub
from scenarios.scenario import Cell

CELL = Cell(input="short", output="long", input_tokens=128, output_tokens=1024)
MS = 1_000_000


class Parked(Exception):  # noqa: N818
    """A sender has nothing to do."""


class Gate:
    """What a sender waits at: with nothing to do it is parked, else it comes back when its request is due."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall

    def wait(self, timeout: float | None) -> None:
        raise Parked if timeout is None else Sleeping(timeout)

    def open(self) -> None:
        self._hall.woken.append(self)


class Sleeping(Exception):  # noqa: N818
    """A sender sleeps until its request is due."""

    def __init__(self, seconds: float) -> None:
        self.ns = round(seconds * 1e9)


class Hall:
    """One worker in virtual time: senders as events, a service that takes `life_ns` for each request."""

    def __init__(self, life_ns: int, lanes: int = 1) -> None:
        self.now, self.life_ns = 0, life_ns
        self.events: list[tuple[int, int, Callable[[], None]]] = []
        self.count = 0
        self.woken: list[Gate] = []
        self.answers: list[tuple[str, dict[str, float]]] = []
        self.sent: list[tuple[int, int | None, int, str, str]] = []  # (when, due, number, phase, arm)
        self.ready: list[int] = []
        hub = Hub(lambda: self.now, lambda: Gate(self), self.later, self.born)
        self.due = Due(hub, "w", lambda order, facts: self.answers.append((order.phase, facts)))
        steps = [
            Step(id=f"s{i}", workload="matrix", arm=f"a{i}", block=1, cell=CELL, concurrency=9, rate=1.0)
            for i in range(lanes)
        ]
        self.lanes = tuple(Lane(arm=step.arm, step=step) for step in steps)
        self.seq = 0
        self.outcome = "ok"

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self.events, (self.now + max(round(seconds * 1e9), 0), self.count, act))

    def born(self, count: int) -> None:
        for _ in range(count):
            self.later(0, lambda: self.step(self.due.enlist(lambda _: self.ready.append(self.now))))

    def order(self, phase: str, **fields: object) -> None:
        self.seq += 1
        order = Order(seq=self.seq, phase=phase, lanes=self.lanes, cell=CELL, open_loop=True, **fields)
        self.due.obey(order, self.now)
        self.wake()

    def wake(self) -> None:
        gates, self.woken = self.woken, []
        for slot in list(self.due.slots.values()):
            if slot.gate in gates:
                self.later(0, lambda slot=slot: self.step(slot))

    def step(self, slot: object) -> None:
        """Let a sender run until it waits or has sent."""
        try:
            self.due.wait(slot, lambda: self.now)
        except Parked:
            return
        except Sleeping as sleep:
            self.later(sleep.ns / 1e9, lambda: self.step(slot))
            return
        turn = self.due.begin(slot, self.now)
        if turn is None:
            self.step(slot)
            return
        self.sent.append((self.now, turn.due, turn.number, turn.phase, turn.lane.arm))

        def end() -> None:
            if turn.due is not None:
                self.due.lag(turn, (self.sent_at(turn.number) - turn.due) / 1e9)
            self.due.end(slot, turn, self.outcome, self.life_ns / 1e9, 99.0)
            self.step(slot)

        self.later(self.life_ns / 1e9, end)

    def sent_at(self, number: int) -> int:
        return next(now for now, _, one, _, _ in self.sent if one == number)

    def run(self, until_s: float) -> None:
        while self.events and self.events[0][0] <= until_s * 1e9:
            self.now, _, act = heapq.heappop(self.events)
            act()
            self.wake()
        self.now = round(until_s * 1e9)
        self.due.review()

    def start(self, due: list[float], settle_s: float, window_s: float, senders: int = 100, **more: object) -> None:
        share = Share(due=array("d", due).tobytes(), settle_s=settle_s, window_s=window_s, senders=senders, **more)
        self.order("fill", share=share)
        self.order("settle")

    def phases(self) -> list[str]:
        return [phase for phase, _ in self.answers]


dues = st.lists(st.floats(0, 10, width=32), max_size=60).map(sorted)


@settings(max_examples=150, deadline=None)
@given(due=dues, life_ms=st.integers(1, 4000), lanes=st.integers(1, 2))
def test_every_request_is_sent_once_and_when_it_is_due(due: list[float], life_ms: int, lanes: int) -> None:
    """Whatever the service takes, each request goes out at its due time, in its phase, as often as there are lanes."""
    hall = Hall(life_ms * MS, lanes)
    hall.start(due, 2.0, 5.0)
    hall.run(20.0)
    expected = [round(one * 1e9) for one in due for _ in range(lanes)]
    assert sorted(d for _, d, *_ in hall.sent) == expected
    assert all(0 <= now - d <= 1 for now, d, *_ in hall.sent)
    assert sorted((number, arm) for _, _, number, _, arm in hall.sent) == sorted(
        (i, lane.arm) for i in range(len(due)) for lane in hall.lanes
    )
    for _, at, _, phase, _ in hall.sent:
        assert phase == ("settle" if at < 2e9 else "window" if at < 7e9 else "tail")


@settings(max_examples=100, deadline=None)
@given(due=dues, life_ms=st.integers(1, 3000), senders=st.integers(1, 3))
def test_beyond_the_limit_requests_are_late_in_order_and_never_dropped(
    due: list[float], life_ms: int, senders: int
) -> None:
    """No more senders than the share allows; a request waits for the next free one, the oldest first."""
    hall = Hall(life_ms * MS)
    hall.start(due, 2.0, 5.0, senders)
    hall.run(400.0)
    assert [number for _, _, number, _, _ in sorted(hall.sent)] == list(range(len(due)))
    assert len(hall.due.slots) <= senders
    free, late = [0] * senders, 0
    for at in (round(one * 1e9) for one in due):
        begun = max(at, heapq.heappop(free))
        heapq.heappush(free, begun + life_ms * MS)
        late += 2e9 <= at < 7e9 and begun - at > 5 * MS
    hall.order("tail")
    assert abs(hall.answers[-1][1]["late"] - late) <= 1


def test_phases_end_at_the_schedules_own_times() -> None:
    """Settle ends when the window opens, the window when it closes, the tail with the last request that was due."""
    hall = Hall(3_000 * MS)
    hall.start([i / 10 for i in range(200)], 2.0, 5.0)
    assert hall.phases() == ["fill"]
    hall.run(1.99)
    assert hall.phases() == ["fill"]
    hall.run(2.01)
    assert hall.phases() == ["fill", "settle"]
    hall.order("window")
    hall.run(6.99)
    assert hall.phases()[-1] == "settle"
    hall.run(7.01)
    assert hall.phases()[-1] == "window"
    hall.order("tail")
    hall.run(9.8)
    assert hall.phases()[-1] == "window"
    hall.run(9.91)  # the last of the window was due at 6.9
    assert hall.phases()[-1] == "tail"
    facts = hall.answers[-1][1]
    assert (facts["scheduled"], facts["achieved"], facts["late"], facts["window_s"]) == (50, 50, 0, 5.0)
    assert hall.due.begun() == {"s0": 50}
    assert max(number for *_, number, _, _ in hall.sent) > 95  # arrivals went on in the tail


@settings(max_examples=100, deadline=None)
@given(due=dues, life_ms=st.integers(1, 3000), cut_s=st.floats(0, 12))
def test_a_window_that_a_person_ends_is_over_then(due: list[float], life_ms: int, cut_s: float) -> None:
    """What was due in it until then is counted and waited for; what comes later is the tail's. Also before it opens."""
    hall = Hall(life_ms * MS)
    hall.start(due, 2.0, 5.0)
    hall.order("window")
    hall.run(cut_s)
    hall.order("tail")
    hall.run(cut_s + 3.1)  # longer than any request takes
    inside = [one for one in due if 2.0 <= one < min(cut_s, 7.0)]
    facts = hall.answers[-1][1]

    assert hall.phases()[-1] == "tail"
    assert facts["window_s"] == pytest.approx(min(max(cut_s - 2.0, 0.0), 5.0), abs=1e-6)
    assert facts["scheduled"] == hall.due.begun()["s0"] == pytest.approx(len(inside), abs=sum(o == cut_s for o in due))


def test_nobody_backs_off() -> None:
    """A service that refuses everything gets exactly the schedule, no more and no less."""
    hall = Hall(1 * MS)
    hall.outcome = "rate_limited"
    hall.start([i / 10 for i in range(100)], 0.0, 10.0)
    hall.run(10.0)
    assert [at for at, *_ in hall.sent] == [round(i / 10 * 1e9) for i in range(100)]


def test_a_sender_is_ready_before_its_request_is_due() -> None:
    """Connections are opened a quarter of a second ahead, where the schedule has begun by then."""
    hall = Hall(10 * MS)
    hall.start([1.0, 2.0], 0.0, 3.0)
    hall.run(3.0)
    first = hall.ready[::2]  # a virtual sender wakes by waiting anew, a real one goes on where it was
    for ready, (_, due, *_) in zip(first, hall.sent, strict=True):
        assert 0.2e9 <= due - ready <= AHEAD_NS


def test_senders_are_used_again() -> None:
    """No more of them than requests overlap, with those that are due soon."""
    hall = Hall(50 * MS)
    hall.start([i / 10 for i in range(300)], 0.0, 30.0)
    hall.run(30.0)
    assert len(hall.sent) == 300
    assert len(hall.due.slots) <= 5


def test_a_drain_ends_the_arrivals() -> None:
    """Nothing is sent after the drain order; it is answered when the last reply has come."""
    hall = Hall(500 * MS)
    hall.start([i / 10 for i in range(100)], 1.0, 2.0)
    hall.run(4.05)
    hall.order("drain")
    before = len(hall.sent)
    hall.run(4.3)
    assert "drain" not in hall.phases()
    hall.run(20.0)
    assert (len(hall.sent), hall.phases()[-1]) == (before, "drain")


def test_a_new_schedule_takes_the_place_of_the_old_one() -> None:
    """The next rung's fill ends the arrivals of the one before; its settle order begins its own at zero."""
    hall = Hall(10 * MS)
    hall.start([0.5, 1.5, 9.0], 0.0, 2.0)
    hall.run(1.0)
    hall.start([0.25, 8.0], 0.0, 1.0, first=1, every=3)
    hall.run(20.0)
    assert [(at, number) for at, _, number, _, _ in hall.sent] == [(500 * MS, 0), (1250 * MS, 1), (9000 * MS, 4)]


def test_a_sender_that_leaves_gives_its_request_back() -> None:
    """Locust ends a sender that waits: another one sends what it had."""
    hall = Hall(10 * MS)
    hall.start([0.0, 0.2], 0.0, 1.0)
    hall.run(0.05)
    holder = next(slot for slot in hall.due.slots.values() if slot.item is not None)
    hall.due.leave(holder)
    hall.wake()
    hall.run(1.0)
    assert [number for _, _, number, _, _ in hall.sent] == [0, 1]


def test_warm_up_is_one_request_of_each_sender() -> None:
    """As in the closed loop; it says how long a request takes."""
    hall = Hall(100 * MS)
    slots = [hall.due.enlist(lambda _: None) for _ in range(3)]
    hall.order("warmup")
    for slot in slots:
        hall.step(slot)
    hall.run(1.0)
    assert hall.answers == [("warmup", {"users": 3, "e2e_s": pytest.approx(0.1)})]
    assert [(due, phase) for _, due, _, phase, _ in hall.sent] == [(None, "warmup")] * 3
