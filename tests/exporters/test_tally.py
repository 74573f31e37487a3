"""A tally counts each request where the definitions put it, and merges in any order into the same figures."""

from __future__ import annotations

import json
from array import array
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.sample import Sample, Timeline
from exporters.tally import SKETCHES, StepTally, Tally

MS = 1_000_000
NONE = np.zeros(0)
OUTCOMES = ("ok", "http_error", "timeout", "aborted")


def request(**fields: Any) -> Sample:
    """An ok request sent in the window: TTFT 50 ms, 100 chunks 10 ms apart, wholly inside."""
    asked = {
        "request_id": "0-1", "workload": "matrix", "step": "s", "arm": "a", "block": 1, "cell_input": "short",
        "cell_output": "short", "concurrency": 1, "worker": 0, "sent_ns": 1, "phase": "window", "outcome": "ok",
        "chunks": 100, "ttft_s": 0.05, "ttft_uncertainty_s": 0.0, "tpot_s": 0.01, "e2e_s": 1.04, "end_s": 1.04,
        "window_s": 1.04, "window_input_tokens": 128.0, "window_output_tokens": 100.0,
    }  # fmt: skip
    return Sample(**{**asked, **fields})


def tallied(*samples: Sample, gaps: np.ndarray = NONE, censored: np.ndarray = NONE, **stamps: Any) -> StepTally:
    tally = StepTally()
    for sample in samples:
        tally.add(sample, gaps, censored, Timeline(**stamps))
    return tally


def test_a_request_of_the_window_is_counted_everywhere() -> None:
    """Sent, outcome, every sketch, and its share of the window."""
    tally = tallied(
        request(ttft_uncertainty_s=0.002, backoff_s=0.5), gaps=np.full(97, 0.01), censored=np.array([0.003, 0.003]),
        kernel_reads=99, user_reads=1, clock_steps=2, lags=array("q", [30_000, 50_000]),
    )  # fmt: skip

    assert (tally.all_sent, tally.sent, tally.by_outcome) == (1, 1, {"ok": 1})
    assert (tally.chunks, tally.kernel_reads, tally.user_reads, tally.clock_steps) == (100, 99, 1, 2)
    assert (tally.ttft.sum, tally.tpot.sum, tally.e2e.sum) == (0.05, 0.01, 1.04)
    assert (tally.gap.count, tally.gap.sum) == (97, pytest.approx(0.97))
    assert (tally.censored.count, tally.censored.max) == (2, 0.003)
    assert (tally.lag.count, tally.lag.max) == (2, pytest.approx(50e-6))
    assert tally.uncertainty.max == 0.002
    assert (tally.in_flight_s, tally.finished, tally.backoff_s) == (1.04, 1.0, 0.5)
    assert (tally.input_tokens, tally.output_tokens) == (128.0, 100.0)


@pytest.mark.parametrize("phase", ["settle", "tail", "drain"])
def test_a_request_sent_outside_counts_only_with_what_arrived_inside(phase: str) -> None:
    """Latency is of requests sent in the window; tokens, life and throughput are of what any request did in it."""
    sample = request(phase=phase, window_s=0.26, window_input_tokens=0.0, window_output_tokens=25.0)
    tally = tallied(sample, gaps=np.full(99, 0.01), kernel_reads=100, lags=array("q", [1000]))

    assert (tally.all_sent, tally.sent, tally.by_outcome, tally.chunks) == (1, 0, {}, 0)
    assert [getattr(tally, name).count for name in SKETCHES] == [0] * len(SKETCHES)
    assert (tally.in_flight_s, tally.finished) == (0.26, pytest.approx(0.25))
    assert (tally.input_tokens, tally.output_tokens, tally.kernel_reads) == (0.0, 25.0, 100)


def test_a_request_that_never_met_the_window_adds_nothing_to_it() -> None:
    """Without a window share (a step whose window never opened) there is nothing to add."""
    tally = tallied(request(phase="settle", window_s=None, window_input_tokens=None, window_output_tokens=None))

    assert (tally.all_sent, tally.in_flight_s, tally.finished, tally.output_tokens) == (1, 0.0, 0.0, 0.0)


def test_a_failed_request_has_no_latency_and_is_no_throughput() -> None:
    """It is sent, has its outcome, was in flight and delivered the tokens that came; it finished nothing."""
    tally = tallied(
        request(outcome="stream_broken", window_output_tokens=40.0), gaps=np.full(39, 0.01), lags=array("q", [1])
    )

    assert (tally.sent, tally.by_outcome) == (1, {"stream_broken": 1})
    assert (tally.ttft.count, tally.tpot.count, tally.e2e.count, tally.finished) == (0, 0, 0, 0.0)
    assert (tally.in_flight_s, tally.output_tokens) == (1.04, 40.0)
    assert (tally.gap.count, tally.lag.count, tally.uncertainty.count) == (39, 1, 1)


def test_what_was_not_measured_is_not_counted_as_zero() -> None:
    """A reply that was not streamed has an E2E and no TTFT or TPOT: their sketches stay empty."""
    tally = tallied(request(chunks=1, ttft_s=None, ttft_uncertainty_s=None, tpot_s=None))

    assert (tally.ttft.count, tally.tpot.count, tally.uncertainty.count, tally.e2e.count) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("fields", "streamed", "buffered"),
    [
        ({"ttft_s": 1.03, "e2e_s": 1.04}, 1, 1),  # 100 chunks in the last 10 ms of a second: a buffer let them go
        ({"ttft_s": 1.04, "e2e_s": 1.04}, 1, 1),  # all in one read
        ({"ttft_s": 0.05, "e2e_s": 1.04}, 1, 0),
        ({"ttft_s": 1.03, "e2e_s": 1.04, "chunks": 8}, 1, 0),  # 1.4 ms a chunk: decoded, after a long queue
        (
            {"ttft_s": 5.0, "e2e_s": 5.3, "chunks": 32},
            1,
            0,
        ),  # 94 % of E2E, 10 ms a token: a short reply to a long prompt
        ({"ttft_s": 1.04, "e2e_s": 1.04, "chunks": 7}, 0, 0),  # too few chunks to tell
        ({"ttft_s": 0.02, "e2e_s": 0.03}, 1, 0),  # a burst, but the first token did not wait for it
        ({"ttft_s": None, "tpot_s": None}, 0, 0),
        ({"ttft_s": 1.04, "e2e_s": 1.04, "outcome": "truncated"}, 0, 0),
    ],
)
def test_a_buffered_stream_is_told_from_a_short_one(fields: dict[str, Any], streamed: int, buffered: int) -> None:
    """Buffered: ok, 8 chunks or more, TTFT > 90 % of E2E, and the chunks came faster than any model decodes."""
    tally = tallied(request(**fields))

    assert (tally.streamed, tally.buffered) == (streamed, buffered)


# -- laws


@st.composite
def step_tallies(draw: st.DrawFn) -> StepTally:
    tally = StepTally()
    for _ in range(draw(st.integers(0, 4))):
        seconds = draw(st.floats(0.001, 10))
        sample = request(
            phase=draw(st.sampled_from(["settle", "window", "tail"])),
            outcome=draw(st.sampled_from(OUTCOMES)),
            ttft_s=draw(st.none() | st.floats(0.0, seconds)),
            e2e_s=seconds,
            window_s=draw(st.none() | st.floats(0.0, seconds)),
            backoff_s=draw(st.none() | st.floats(0.5, 30)),
            chunks=draw(st.integers(0, 20)),
        )
        gaps = np.array(draw(st.lists(st.floats(0, 1), max_size=4)))
        timeline = Timeline(kernel_reads=draw(st.integers(0, 9)), lags=array("q", [draw(st.integers(1, 9))]))
        tally.add(sample, gaps, gaps[:1], timeline)
    return tally


def copy_of(tally: StepTally) -> StepTally:
    return StepTally.from_wire(tally.to_wire())


def through_a_message(packed: dict[str, Any]) -> Any:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(packed))


def merged(*tallies: StepTally) -> StepTally:
    whole = StepTally()
    for tally in tallies:
        whole.merge(tally)
    return whole


def flat(wire: Any) -> Any:
    """Floats rounded to 12 digits: sums in another order differ in the last ones."""
    if isinstance(wire, dict):
        return {key: flat(value) for key, value in sorted(wire.items())}
    return float(f"{wire:.12g}") if isinstance(wire, float) else wire


def same(one: StepTally, other: StepTally) -> bool:
    return flat(one.to_wire()) == flat(other.to_wire())


@given(step_tallies(), step_tallies(), step_tallies())
def test_merge_is_a_commutative_monoid(a: StepTally, b: StepTally, c: StepTally) -> None:
    """Associative, commutative, and the empty tally is neutral."""
    left = merged(a, b)
    left.merge(c)
    right = copy_of(a)
    right.merge(merged(b, c))

    assert same(left, right)
    assert same(merged(a, b), merged(b, a))
    assert same(merged(a, StepTally()), a)


@given(step_tallies())
def test_a_wire_round_trip_changes_nothing(tally: StepTally) -> None:
    """Through JSON (steps.json)."""
    wire = tally.to_wire()

    assert StepTally.from_wire(json.loads(json.dumps(wire))).to_wire() == wire


@given(step_tallies(), step_tallies())
def test_merging_a_packed_tally_is_merging_it(a: StepTally, b: StepTally) -> None:
    """Through a message into a tally that has something, and into an empty one."""
    whole, empty = copy_of(a), StepTally()
    whole.merge_packed(through_a_message(b.pack()))
    empty.merge_packed(through_a_message(b.pack()))

    assert whole.to_wire() == merged(a, b).to_wire()
    assert empty.to_wire() == b.to_wire()


def test_what_went_over_the_wire_is_a_copy() -> None:
    """A record that was made stays as it was when later requests are booked."""
    tally = tallied(request())
    wire = tally.to_wire()
    tally.add(request(outcome="timeout"), NONE, NONE, Timeline())

    assert wire["by_outcome"] == {"ok": 1}


# -- steps


def test_each_step_has_a_tally_of_its_own() -> None:
    """Booking in one step leaves the others alone; asking twice gives the same tally."""
    tally = Tally()
    tally.step("b1").add(request(), NONE, NONE, Timeline())

    assert (tally.step("b1").sent, tally.step("b2").sent) == (1, 0)
    assert tally.step("b1") is tally.step("b1")


def test_taking_transfers() -> None:
    """What was taken is gone here and complete there: two takes never count a request twice, or not at all."""
    worker, master = Tally(), Tally()
    for count in (2, 0, 3):
        for _ in range(count):
            worker.step("b1").add(request(), NONE, NONE, Timeline())
        master.merge_packed(through_a_message(worker.take()))

    assert worker.take() == {}
    assert (master.step("b1").sent, master.step("b1").e2e.count) == (5, 5)


@given(st.lists(st.tuples(st.sampled_from(["b1", "b2", "b3"]), step_tallies()), max_size=5))
def test_merging_workers_is_merging_their_steps(parts: list[tuple[str, StepTally]]) -> None:
    """However the steps are spread over reports, each ends up with all its parts."""
    master = Tally()
    for step_id, part in parts:
        master.merge_packed(through_a_message({step_id: part.pack()}))

    for step_id in ("b1", "b2", "b3"):
        assert same(master.step(step_id), merged(*(part for name, part in parts if name == step_id)))
