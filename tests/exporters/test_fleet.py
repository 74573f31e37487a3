"""Worker -> master: orders are answered once, rows are counted, nothing of an earlier run remains."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.fleet import ANSWER, HELLO, ROWS, Order, Outbox, report_every_s
from exporters.inbox import UNTOLD, Inbox, Recent
from exporters.record import unpack
from exporters.sample import Sample, Timeline

NONE = np.empty(0)


class Pipe:
    """A runner whose messages reach an inbox after a trip through msgpack, as Locust's do."""

    worker_index = 0

    def __init__(self, inbox: Inbox) -> None:
        self.inbox, self.sent, self.name = inbox, [], "w0"

    def send_message(self, msg_type: str, data: Any = None, client_id: str | None = None) -> None:
        data = msgspec.msgpack.decode(msgspec.msgpack.encode(data))
        self.sent.append((msg_type, data))
        handler = {ANSWER: self.inbox.on_answer, ROWS: self.inbox.on_rows}[msg_type]
        handler(environment=None, msg=SimpleNamespace(data=data, node_id=self.name))

    def register_message(self, msg_type: str, listener: Any) -> None:
        raise AssertionError("an outbox listens to nothing")


def row(number: int, outcome: str = "ok") -> Sample:
    return Sample(
        request_id=str(number), workload="matrix", step="s1", arm="a", block=1, cell_input="short", cell_output="long",
        concurrency=1, worker=0, sent_ns=number, phase="window", outcome=outcome,
    )  # fmt: skip


class Sides:
    """Both ends."""

    def __init__(self) -> None:
        self.deltas: list[Any] = []
        self.woken = 0
        self.inbox = Inbox(self.deltas.append, self.wake)
        self.pipe = Pipe(self.inbox)
        self.outbox = Outbox(self.pipe, "w0")

    def wake(self) -> None:
        self.woken += 1


def test_rows_arrive_as_they_were_sent_and_are_counted() -> None:
    """Two flushes: sequence numbers grow, rows received equal rows sent, and unpack to the same ids."""
    sides = Sides()
    for number in range(3):
        sides.outbox.add(row(number))
    sides.outbox.flush()
    sides.outbox.add(row(3, "timeout"), {"text": "kept"})
    sides.outbox.flush()

    assert [(delta.seq, delta.rows, delta.failed) for delta in sides.deltas] == [(1, 3, 0), (2, 1, 1)]
    assert sides.inbox.rows == {"sent": 4, "received": 4}
    ids = [name for delta in sides.deltas for name in unpack(delta.packed).column("request_id").to_pylist()]
    assert ids == ["0", "1", "2", "3"]
    assert sides.deltas[1].responses == [{"text": "kept"}]


@pytest.mark.parametrize(("workers", "every_s"), [(0, 1.0), (8, 1.0), (500, 1.0), (1000, 2.0), (3000, 6.0)])
def test_a_master_is_sent_so_many_reports_and_no_more(workers: int, every_s: float) -> None:
    """One a second of each worker; of a large swarm fewer, so that together they are 500 a second."""
    assert report_every_s(workers) == every_s


def test_an_empty_flush_sends_nothing() -> None:
    """No rows, no message: an idle worker is silent."""
    sides = Sides()
    sides.outbox.flush()

    assert sides.pipe.sent == []


def test_an_answer_follows_its_rows() -> None:
    """The master knows all rows of a phase before it hears that the phase is over."""
    sides = Sides()
    sides.outbox.add(row(0))
    sides.outbox.answer(Order(seq=sides.inbox.next(), phase="tail"), {"users": 1.0})

    assert [kind for kind, _ in sides.pipe.sent] == [ROWS, ANSWER]
    assert sides.inbox.answers["w0"].facts == {"users": 1.0}
    assert sides.woken == 1


def test_late_answers_do_not_count_for_the_next_order() -> None:
    """An answer to an earlier order is dropped; a hello makes the worker known and answers nothing."""
    sides = Sides()
    old = Order(seq=sides.inbox.next(), phase="settle")
    sides.inbox.next()
    sides.outbox.answer(old, {})
    sides.outbox.hello()

    assert sides.inbox.answers == {}
    assert sides.inbox.known == {"w0"}


@pytest.mark.parametrize("hello", [{"version": "0.0.1 (protocol 1)"}, {}, {"version": "9 (protocol 9)", "new": 1}])
def test_a_worker_of_another_version_is_a_stranger(hello: dict[str, Any]) -> None:
    """Newer, older, or of before versions were told: it is named with its version, and nothing that it says counts."""
    inbox, named = Inbox(lambda _: None, lambda: None), []
    inbox.on_stranger = lambda worker, theirs: named.append((worker, theirs))
    seq = inbox.next()
    for data in ({"seq": HELLO, "worker": "w0", "index": 0, **hello}, {"seq": seq, "words": "of its own"}):
        inbox.on_answer(environment=None, msg=SimpleNamespace(data=data, node_id="w0"))

    assert named == [("w0", hello.get("version", UNTOLD))]
    assert (inbox.known, inbox.answers, inbox.accounts) == (set(), {}, {})


def test_a_new_run_begins_at_zero() -> None:
    """Rows, tallies and failures of an earlier run are gone."""
    sides = Sides()
    sides.outbox.tally.step("s1").sent = 5
    for number in range(30):
        sides.outbox.add(row(number, "http_error"))
    sides.outbox.flush()
    assert sides.inbox.error_share() == 1.0
    assert sides.inbox.tally.step("s1").sent == 5

    sides.inbox.begin(sides.deltas.append)

    assert sides.inbox.error_share() == 0.0
    assert sides.inbox.rows == {"sent": 0, "received": 0}
    assert sides.inbox.tally.step("s1").sent == 0


def test_few_failures_are_no_share() -> None:
    """Below 20 requests in the last minute there is no error share to stop a run by."""
    sides = Sides()
    for number in range(19):
        sides.outbox.add(row(number, "http_error"))
    sides.outbox.flush()

    assert sides.inbox.error_share() == 0.0


@given(st.lists(st.tuples(st.floats(0, 90), st.integers(0, 9), st.integers(0, 9)), min_size=1))
def test_the_last_minute_is_counted(reports: list[tuple[float, int, int]]) -> None:
    """Rows and failures are those of the present second and the sixty before it, however many reports brought them."""
    recent, now = Recent(), 0.0
    came = []
    for wait, rows, failed in reports:
        now += wait
        recent.add(now, rows, failed)
        came.append((int(now), rows, failed))
    late = [(rows, failed) for second, rows, failed in came if second >= int(now) - 60]

    assert (recent.rows, recent.failed) == (sum(rows for rows, _ in late), sum(failed for _, failed in late))


def reports(deltas: list[list[int]], lost: set[int]) -> Inbox:
    """The inbox after reports of so many rows each (per worker), of which those in `lost` never came."""
    inbox, number = Inbox(lambda _: None, lambda: None), 0

    class Lossy(Pipe):
        def send_message(self, msg_type: str, data: Any = None, client_id: str | None = None) -> None:
            nonlocal number
            number += 1
            if number - 1 not in lost or msg_type != ROWS:
                super().send_message(msg_type, data, client_id)

    for worker, counts in enumerate(deltas):
        pipe = Lossy(inbox)
        outbox = Outbox(pipe, f"w{worker}")
        for count in counts:
            for each in range(count):
                outbox.add(row(each))
            outbox.flush()
        number -= 1  # the answer, which is never lost here, has no number
        pipe.name = f"w{worker}"
        outbox.answer(Order(seq=1, phase="drain"), {})
    return inbox


@given(st.lists(st.lists(st.integers(1, 5), max_size=6), max_size=3), st.sets(st.integers(0, 20)))
def test_lost_reports_are_counted_to_the_row(deltas: list[list[int]], lost: set[int]) -> None:
    """Whatever is lost on the way: rows received and lost add up to the rows sent, worker by worker."""
    inbox, number = reports(deltas, lost), 0
    for worker, counts in enumerate(deltas):
        came = [count for index, count in enumerate(counts, number) if index not in lost]
        number += len(counts)
        account = inbox.account(f"w{worker}")
        assert (account.rows_received, account.rows_sent) == (sum(came), sum(counts))
        assert account.lost_rows == sum(counts) - sum(came)


def test_a_report_that_comes_twice_counts_once() -> None:
    """The network may repeat itself; rows may not."""
    sides = Sides()
    sides.outbox.add(row(1))
    sides.outbox.flush()
    [(_, data)] = sides.pipe.sent
    sides.inbox.on_rows(environment=None, msg=SimpleNamespace(data=data, node_id="w0"))

    assert sides.inbox.rows == {"sent": 1, "received": 1}
    assert len(sides.deltas) == 1


def test_a_part_counts_what_was_sent_in_the_window_by_how_it_ended() -> None:
    """ok, aborted, and everything else is failed; rows of other phases are no part of it."""
    sides = Sides()
    for number, outcome in enumerate(["ok", "ok", "timeout", "http_error", "aborted"]):
        sample = row(number, outcome)
        sides.outbox.tally.step("s1").add(sample, NONE, NONE, Timeline())
        sides.outbox.add(sample)
    settle = msgspec.structs.replace(row(9), phase="settle")
    sides.outbox.tally.step("s1").add(settle, NONE, NONE, Timeline())
    sides.outbox.add(settle)
    sides.outbox.flush()

    part = sides.inbox.part("s1", "w0")
    assert (part.ok, part.failed, part.aborted, part.sent) == (2, 2, 1, 5)


def test_a_rung_forgets_the_steps_before_it() -> None:
    """What the inbox holds does not grow with the steps; a late report of an earlier one is counted, row by row."""
    sides = Sides()
    for number in range(20):
        step = f"s{number}"
        sides.inbox.begin_rung([step])
        for late in (step, f"s{number - 1}"):
            sample = msgspec.structs.replace(row(number), step=late)
            sides.outbox.tally.step(late).add(sample, NONE, NONE, Timeline())
            sides.outbox.add(sample)
        sides.outbox.flush()
        assert sides.inbox.part(step, "w0").sent == sides.inbox.tally.step(step).sent == 1
        assert set(sides.inbox.parts) <= {(step, "w0"), (f"s{number - 1}", "w0")}

    assert sides.inbox.rows == {"sent": 40, "received": 40}
    sides.inbox.begin_rung(["next"])
    assert (sides.inbox.parts, sides.inbox.tally.take()) == ({}, {})


@given(st.lists(st.tuples(st.sampled_from("ab"), *[st.none() | st.integers(0, 9)] * 3), max_size=8))
def test_what_was_spent_travels_by_arm(used: list[tuple[str, int | None, int | None, int | None]]) -> None:
    """The master's sums are those of the rows, without unpacking them; an absurd claim of a service is none."""
    sides = Sides()
    for arm, given_, cached, made in [*used, ("b", 1 << 40, None, -5)]:
        tokens = {"input_tokens": given_, "cached_tokens": cached, "output_tokens": made}
        sides.outbox.add(msgspec.structs.replace(row(1), arm=arm, **tokens))
    sides.outbox.flush()

    for arm in "ab":
        rows = [tokens for name, *tokens in used if name == arm]
        spent = sides.deltas[0].spent.get(arm, (0, 0, 0, 0))
        assert spent[0] == len(rows) + (arm == "b")
        assert list(spent[1:]) == [sum(row[each] or 0 for row in rows) for each in range(3)]


def test_a_new_run_counts_anew() -> None:
    """A worker that prepares for another run numbers its reports from 1 again."""
    sides = Sides()
    sides.outbox.add(row(1))
    sides.outbox.flush()
    sides.inbox.begin(sides.deltas.append)
    sides.outbox.begin("next")
    sides.outbox.add(row(2))
    sides.outbox.flush()

    assert sides.inbox.rows == {"sent": 1, "received": 1}
    assert sides.inbox.account("w0").lost_reports == 0
