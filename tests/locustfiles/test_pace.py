"""The pace of a process: who may send when, and when its part of an order is done."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from exporters.fleet import Lane, Order
from exporters.sample import Step
from locustfiles._pace import LATE_FROM, LONGEST_BACKOFF_S, UNCOUNTED_FROM, Pace, offset
from scenarios.scenario import Cell

CELL = Cell(input="short", output="long", input_tokens=128, output_tokens=1024)


class Blocked(Exception):  # noqa: N818
    """A user would wait here."""


class Clock:
    """A gate that passes time instead of waiting; without a timeout it says that the user is parked."""

    def __init__(self) -> None:
        self.ns = 0

    def now(self) -> int:
        return self.ns

    def wait(self, timeout: float | None) -> None:
        if timeout is None:
            raise Blocked
        self.ns += int(timeout * 1e9) + 1

    def open(self) -> None:
        pass


def lane(users: int, requests: int | None = None, arm: str = "a") -> Lane:
    cell = CELL if requests is None else None
    step = Step(id=f"s{users}-{arm}", workload="matrix", arm=arm, block=1, cell=cell, concurrency=users)
    return Lane(arm=arm, step=msgspec.structs.replace(step, requests=requests))


class Process:
    """One worker under test: its pace, its clock, the answers it gave."""

    def __init__(self, users: int) -> None:
        self.clock, self.answers = Clock(), []
        self.pace = Pace(self.clock, "w", lambda order, facts: self.answers.append((order.phase, facts)))
        self.slots = [self.pace.enlist() for _ in range(users)]
        self.users, self.seq = users, 0

    def order(self, phase: str, **fields: object) -> None:
        self.seq += 1
        known = {"cell": CELL, "lanes": (lane(self.users),), "users": self.users}
        self.pace.obey(Order(seq=self.seq, phase=phase, **{**known, **fields}), self.clock.ns)

    def send(self, index: int, outcome: str = "ok", retry_after: float | None = None) -> str:
        self.pace.wait(self.slots[index], self.clock.now)
        turn = self.pace.begin(self.slots[index], self.clock.ns)
        self.clock.ns += 1_000_000
        self.pace.end(self.slots[index], turn, outcome, 0.001, retry_after)
        return turn.phase

    def answered(self) -> list[str]:
        return [phase for phase, _ in self.answers]


def test_warm_up_is_one_request_of_each_user() -> None:
    """Every user sends once, then waits; the answer comes after the last one and carries the mean E2E."""
    process = Process(2)
    process.order("warmup", lanes=(Lane(arm="a"),))

    assert process.send(0) == "warmup"
    assert process.answered() == []
    assert process.send(1) == "warmup"
    assert process.answers == [("warmup", {"users": 2, "e2e_s": 0.001})]
    for slot in process.slots:
        try:
            process.pace.wait(slot, process.clock.now)
        except Blocked:
            continue
        raise AssertionError("a warmed-up user may not send again")


def test_settle_needs_a_whole_request_sent_after_its_order() -> None:
    """A request that was in flight when the settle order came does not count; the next one of each user does."""
    process = Process(2)
    process.order("warmup", lanes=(Lane(arm="a"),))
    for index in (0, 1):
        process.send(index)
    process.order("fill")
    early = process.pace.begin(process.slots[0], process.clock.ns)
    process.order("settle")
    process.pace.end(process.slots[0], early, "ok", 0.1, None)
    process.send(1)
    assert process.answered() == ["warmup", "fill"]

    process.send(0)

    assert process.answered() == ["warmup", "fill", "settle"]


def test_newcomers_wait_while_the_rung_fills() -> None:
    """During fill those who were there hold the load; new users start with the settle order."""
    process = Process(1)
    process.order("warmup", lanes=(Lane(arm="a"),))
    process.send(0)
    newcomer = process.pace.enlist()
    process.order("fill", users=2)
    assert process.send(0) == "settle"

    try:
        process.pace.wait(newcomer, process.clock.now)
    except Blocked:
        return
    raise AssertionError("a newcomer must wait for the settle order")


@given(users=st.integers(1, 12), turns=st.integers(1, 4), minimum=st.integers(1, 40))
def test_a_window_is_full_at_turns_and_minimum(users: int, turns: int, minimum: int) -> None:
    """The window's answer comes exactly when every user has sent `turns` and all together `minimum` requests."""
    process = Process(users)
    process.order("settle")
    process.order("window", turns=turns, min_requests=minimum)
    sent = 0
    while "window" not in process.answered():
        assert sent < turns * users or sent < minimum
        process.send(sent % users)
        sent += 1

    assert sent == max(turns * users, minimum)


def test_tail_ends_with_the_last_request_that_the_window_saw() -> None:
    """Requests sent in the tail do not hold it; one sent in the window does, and the window's length is told."""
    process = Process(2)
    process.order("settle")
    process.order("window")
    held = process.pace.begin(process.slots[0], process.clock.ns)
    process.clock.ns += 2_000_000_000
    process.order("tail")
    assert process.send(1) == "tail"
    late = process.pace.begin(process.slots[1], process.clock.ns)
    assert "tail" not in process.answered()

    process.pace.end(process.slots[0], held, "ok", 2.0, None)

    assert process.answers[-1][0] == "tail"
    assert process.answers[-1][1]["window_s"] == 2.0
    process.pace.end(process.slots[1], late, "ok", 0.1, None)


def test_first_requests_of_a_rung_are_spread_over_the_last_e2e() -> None:
    """Users of one rung start at different times within [0, spread]; the second request follows at once."""
    process = Process(8)
    process.order("settle", spread_s=2.0)
    starts = []
    for slot in process.slots:
        process.clock.ns = 0
        process.pace.wait(slot, process.clock.now)
        starts.append(process.clock.ns / 1e9)
        turn = process.pace.begin(slot, process.clock.ns)
        process.pace.end(slot, turn, "ok", 1.0, None)
        before = process.clock.ns
        process.pace.wait(slot, process.clock.now)
        assert process.clock.ns == before

    assert all(0 <= start <= 2.01 for start in starts)
    assert max(starts) - min(starts) > 0.5


def test_offsets_are_the_same_in_both_arms_and_new_per_block() -> None:
    """The draw knows block, cell, rung and user, not the arm."""
    one = Order(seq=1, phase="settle", lanes=(Lane(arm="baseline"),), block=1, cell=CELL, users=8)
    other_arm = Order(seq=9, phase="settle", lanes=(Lane(arm="candidate"),), block=1, cell=CELL, users=8)
    next_block = Order(seq=9, phase="settle", lanes=(Lane(arm="baseline"),), block=2, cell=CELL, users=8)

    assert [offset(7, one, user) for user in range(8)] == [offset(7, other_arm, user) for user in range(8)]
    assert all(offset(7, one, user) != offset(7, next_block, user) for user in range(8))


@given(failures=st.integers(1, 20), retry_after=st.none() | st.floats(0, 1000))
def test_failures_back_off(failures: int, retry_after: float | None) -> None:
    """After the k-th failure in a row a user waits max(Retry-After, 0.5 s x 2^(k-1)), 30 s at most."""
    process = Process(1)
    process.order("settle")
    for _ in range(failures):
        process.send(0, "http_error", retry_after)
    before = process.clock.ns
    process.pace.wait(process.slots[0], process.clock.now)

    expected = min(max(retry_after or 0.0, 0.5 * 2 ** (failures - 1)), LONGEST_BACKOFF_S)
    assert abs((process.clock.ns - before) / 1e9 - expected) < 0.01


def test_tasks_close_their_window_at_their_number_of_requests() -> None:
    """A task step's window is full when its requests were sent, whatever the turns."""
    process = Process(2)
    process.order("settle", lanes=(lane(2, requests=5),), workload="task", cell=None)
    process.order("window", lanes=(lane(2, requests=5),), workload="task", cell=None, turns=3)
    sent = 0
    while "window" not in process.answered():
        process.send(sent % 2)
        sent += 1

    assert sent == 5


def test_no_task_beyond_their_number_counts() -> None:
    """Until the master's next order comes users hold the load, with requests that are in no window."""
    process = Process(2)
    process.order("settle", lanes=(lane(2, requests=3),), workload="task", cell=None)
    process.order("window", lanes=(lane(2, requests=3),), workload="task", cell=None)

    assert [process.send(index % 2) for index in range(6)] == ["window"] * 3 + ["tail"] * 3
    assert process.pace.begun() == {"s2-a": 3}


def placed(users: dict[str, int], lanes: tuple[Lane, ...]) -> list[tuple[str, int]]:
    """The (arm, user) of every user of a fleet, as its workers tell them apart."""
    found, first = [], 0
    firsts = {}
    for worker, count in users.items():
        firsts[worker] = first
        first += count
    order = Order(seq=1, phase="settle", lanes=lanes, users=first // len(lanes), firsts=firsts)
    for worker, count in users.items():
        pace = Pace(Clock(), worker, lambda *_: None)
        slots = [pace.enlist() for _ in range(count)]
        pace.obey(order, 0)
        turns = [pace.begin(slot, 0) for slot in slots]
        found += [(turn.lane.arm, turn.user) for turn in turns]
    return found


@given(st.lists(st.integers(0, 7), min_size=1, max_size=5), st.integers(1, 3))
def test_users_are_numbered_over_all_workers_and_lanes(counts: list[int], lanes: int) -> None:
    """However the users fall on the workers, each lane has its share, numbered from 0 without a gap."""
    counts[0] += -sum(counts) % lanes
    arms = tuple(Lane(arm=f"arm{index}") for index in range(lanes))
    found = placed({f"w{index}": count for index, count in enumerate(counts)}, arms)

    share = sum(counts) // lanes
    assert sorted(found) == sorted((arm.arm, user) for arm in arms for user in range(share))


@given(users=st.integers(1, 6), turns=st.integers(1, 3), minimum=st.integers(1, 20))
def test_parallel_arms_fill_one_window(users: int, turns: int, minimum: int) -> None:
    """The window closes when both lanes have their requests: a lane that is ahead waits for the other."""
    process = Process(2 * users)
    both = {"lanes": (lane(users), lane(users, arm="b")), "users": users}
    process.order("settle", **both)
    process.order("window", turns=turns, min_requests=minimum, **both)
    ahead, behind = range(0, 2 * users, 2), range(1, 2 * users, 2)
    needed = max(turns * users, minimum)
    for number in range(needed):
        process.send(ahead[number % users])
    assert "window" not in process.answered()
    for number in range(needed):
        assert "window" not in process.answered()
        process.send(behind[number % users])

    assert process.answered()[-1] == "window"


def test_nothing_is_sent_once_the_drain_has_begun() -> None:
    """A user that was given leave just before the drain order sends nothing after it: nobody would wait for that."""
    process = Process(1)
    process.order("settle")
    process.send(0)
    process.pace.wait(process.slots[0], process.clock.now)
    process.order("drain")

    assert process.answered()[-1] == "drain"
    assert process.pace.begin(process.slots[0], process.clock.ns) is None


def test_numbers_have_no_gaps_after_users_left() -> None:
    """Users 1 and 2 of five are gone, one of the others is in flight: on the next fill they are numbers 0, 1 and 2."""
    process = Process(5)
    process.order("settle")
    for index in (0, 3, 4):
        process.send(index)
    process.pace.wait(process.slots[4], process.clock.now)
    turn = process.pace.begin(process.slots[4], process.clock.ns)
    assert turn is not None
    for index in (1, 2):
        process.pace.leave(process.slots[index])
    process.order("fill")

    assert sorted(process.pace.slots) == [0, 1, 2]
    assert [process.slots[index].index for index in (0, 3, 4)] == [0, 1, 2]
    process.order("tail")
    process.pace.end(process.slots[4], turn, "ok", 0.1, None)
    assert process.answers[-1][0] == "tail", "the one that was in flight is found under its new number"


def test_users_of_a_soak_s_next_load_have_texts_of_their_own() -> None:
    """Born in the tail they send at once, and no text that another has had."""
    process = Process(2)
    for phase in ("settle", "window", "tail"):
        process.order(phase, firsts={"v": 0, "w": 2})
    newcomer = process.pace.enlist()
    process.pace.wait(newcomer, process.clock.now)
    turn = process.pace.begin(newcomer, process.clock.ns)

    assert turn is not None
    assert (turn.phase, turn.number) == ("tail", LATE_FROM + UNCOUNTED_FROM)
    assert process.pace._facts()["users"] == 2, "of the window, not of what follows"


class Two:
    """Two workers whose users send whenever they may, and what they asked: step, user and number of each request."""

    def __init__(self, users: int) -> None:
        self.workers = [Process(users // 2), Process(users // 2)]
        for name, process in zip("vw", self.workers, strict=True):
            process.pace._worker = name
        self.asked: list[tuple[str, int, int]] = []

    def order(self, phase: str, users: int, lanes: tuple[Lane, ...]) -> None:
        for process in self.workers:
            process.order(phase, lanes=lanes, users=users, firsts={"v": 0, "w": users // 2})
        self.send()

    def send(self) -> None:
        for pace in (process.pace for process in self.workers):
            for slot in [slot for _ in range(3) for slot in pace.slots.values()]:
                turn = pace.begin(slot, 0)
                if turn is not None:
                    self.asked.append((turn.lane.step.id if turn.lane.step else "", turn.user, turn.number))
                    pace.end(slot, turn, "ok", 0.001, None)

    def become(self, users: int) -> None:
        for pace in (process.pace for process in self.workers):
            while len(pace.slots) < users // 2:
                pace.enlist()
            while len(pace.slots) > users // 2:
                pace.leave(pace.slots[max(pace.slots)])
        self.send()


def test_no_text_comes_twice_in_a_soak_by_two_workers() -> None:
    """Four users become twelve in a tail: what those held the load with before, and what these send at once, differ."""
    two = Two(4)
    two.order("warmup", 4, (Lane(arm="a"),))
    for users, then in ((4, 12), (12, 6), (6, 6)):
        for phase in ("fill", "settle", "window", "tail"):
            two.order(phase, users, (lane(users),))
        two.become(then)

    assert len(two.asked) > 150
    assert len(two.asked) == len(set(two.asked))
