"""A step counts only when its figures can be stood behind; each reason says what to do next."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.sample import Step
from exporters.tally import StepTally
from exporters.validity import MORE_WORKERS, off_schedule, why_invalid

ADVICE = ("run more", "look at", "turn ", "raise ", "repeat")


def step(**fields: Any) -> Step:
    asked = {"id": "s", "workload": "matrix", "arm": "a", "block": 1, "cell": None, "concurrency": 8}
    return Step(**{**asked, **fields})


def tally(**fields: Any) -> StepTally:
    """100 ok requests of 8 users in a window of 10 s: TTFT 50 ms, TPOT 10 ms, gaps 10 ms, everything certain."""
    whole = StepTally()
    whole.sent = whole.all_sent = 100
    whole.by_outcome = {"ok": 100}
    whole.in_flight_s, whole.streamed = 80.0, 100
    for name, seconds, count in (("ttft", 0.05, 100), ("tpot", 0.01, 100), ("gap", 0.01, 9_900)):
        getattr(whole, name).add(np.full(count, seconds))
    for name, value in fields.items():
        if isinstance(value, list | np.ndarray):
            getattr(whole, name).add(np.array(value))
        else:
            setattr(whole, name, value)
    return whole


def reasons(booked: StepTally, *faults: str, window_s: float | None = 10.0, **fields: Any) -> list[str]:
    return why_invalid(step(**fields), booked, window_s, faults)


def test_a_good_step_is_valid() -> None:
    """Nothing uncertain, nothing censored, as many in flight as asked: no reason."""
    assert reasons(tally(uncertainty=[0.0] * 100)) == []


# -- the client's own error (DESIGN 3.5)


@pytest.mark.parametrize(
    ("ttft_s", "uncertain", "count", "valid"),
    [
        (0.05, 0.0009, 100, True),  # 2 % of 50 ms are 1 ms
        (0.05, 0.0011, 100, False),
        (0.05, 0.0011, 1, True),  # the p99 of 100 is the 99th: one late read is none
        (0.05, 0.0011, 2, False),
        (0.001, 0.00049, 100, True),  # never stricter than 0.5 ms
        (0.001, 0.00051, 100, False),
        (1.0, 0.019, 100, True),
        (1.0, 0.021, 100, False),
    ],
)
def test_an_uncertain_ttft_is_the_clients_fault(ttft_s: float, uncertain: float, count: int, valid: bool) -> None:
    """Invalid when the p99 of the TTFT's uncertainty exceeds max(2 % of the median TTFT, 0.5 ms)."""
    booked = tally(uncertainty=[uncertain] * count + [0.0] * (100 - count))
    booked.ttft = StepTally().ttft
    booked.ttft.add(np.full(100, ttft_s))
    found = reasons(booked)

    assert (found == []) is valid
    assert all(reason.startswith("the client was the bottleneck: TTFT is uncertain by") for reason in found)


@pytest.mark.parametrize(
    ("censored", "uncertain", "valid"),
    [
        (99, 0.020, True),  # 99 of 9,999: below 1 %
        (101, 0.020, False),
        (101, 0.00049, True),  # hidden, but by less than 0.5 ms
        (101, 0.00051, False),
        (5_000, 0.0001, True),
    ],
)
def test_many_hidden_gaps_are_the_clients_fault(censored: int, uncertain: float, valid: bool) -> None:
    """Invalid when more than 1 % of the gaps are censored and their p99 exceeds max(2 % of the median TPOT, 0.5 ms)."""
    found = reasons(tally(censored=[uncertain] * censored))

    assert (found == []) is valid
    assert all("of the gaps are hidden in late reads" in reason for reason in found)


def test_slow_decoding_allows_more() -> None:
    """2 % of a TPOT of 100 ms are 2 ms."""
    slow = {"tpot": StepTally().tpot, "censored": [0.0019] * 500}
    booked = tally(**slow)
    booked.tpot.add(np.full(100, 0.1))

    assert reasons(booked) == []
    booked.censored.add(np.full(500, 0.0021))
    assert len(reasons(booked)) == 1


def test_hidden_gaps_count_without_a_token_count_too() -> None:
    """Where nobody counted tokens there is no TPOT; the gaps themselves say what is allowed."""
    booked = tally(censored=[0.02] * 500)
    booked.tpot = StepTally().tpot

    assert len(reasons(booked)) == 1


def test_the_line_names_figures_and_a_way_out() -> None:
    """What was seen, what is allowed, what to do."""
    assert reasons(tally(uncertainty=[0.003] * 100)) == [
        "the client was the bottleneck: TTFT is uncertain by 3.00 ms (p99), 1.00 ms is allowed; run more worker "
        "processes (--processes), or on a machine with nothing else to do"
    ]


# -- buffered streams (METRICS)


@pytest.mark.parametrize(
    ("buffered", "streamed", "valid"), [(50, 100, True), (51, 100, False), (0, 0, True), (1, 1, False)]
)
def test_most_replies_in_one_burst_are_a_buffer(buffered: int, streamed: int, valid: bool) -> None:
    """More than half of the replies in which a buffer would show."""
    found = reasons(tally(buffered=buffered, streamed=streamed))

    assert (found == []) is valid
    assert all(f"({buffered} of {streamed} replies" in reason for reason in found)


# -- in flight (DESIGN 4)


@pytest.mark.parametrize(
    ("in_flight_s", "valid"), [(80.0, True), (78.5, True), (81.5, True), (78.3, False), (81.7, False), (0.0, False)]
)
def test_mean_in_flight_is_the_rung_within_two_percent(in_flight_s: float, valid: bool) -> None:
    """8 users in 10 s are 80 s of life, give or take 1.6 s."""
    assert (reasons(tally(in_flight_s=in_flight_s)) == []) is valid


def test_the_shortfall_is_printed() -> None:
    """The line says how many were in flight, and by how much that is off."""
    (low,), (high,) = reasons(tally(in_flight_s=72.0)), reasons(tally(in_flight_s=88.0))

    assert low.startswith("7.20 requests were in flight instead of 8 (-10.0%): the client's own turnaround")
    assert high.startswith("8.80 requests were in flight instead of 8 (+10.0%): requests of an earlier step")


@pytest.mark.parametrize(
    "excuse",
    [{"by_outcome": {"ok": 99, "http_error": 1}}, {"by_outcome": {"rate_limited": 100}}, {"backoff_s": 0.5}],
)
def test_users_that_back_off_are_not_in_flight_and_that_is_right(excuse: dict[str, Any]) -> None:
    """After a failure users wait: fewer in flight is then no fault of the step."""
    assert reasons(tally(in_flight_s=40.0, **excuse)) == []


def test_tasks_are_not_held_to_the_rung() -> None:
    """A window of tasks closes by their number; the rule is of the closed-loop matrix."""
    assert reasons(tally(in_flight_s=70.0), workload="task") == []


# -- nothing there, and what others saw


@pytest.mark.parametrize("window_s", [None, 0.0])
def test_no_window_is_said_first(window_s: float | None) -> None:
    """Without a window there is nothing to judge, and the line says where to look."""
    assert reasons(tally(), window_s=window_s) == [
        "the window never opened: look at locust.log for what the users waited for"
    ]


def test_no_request_is_invalid() -> None:
    """A window in which nobody sent anything has no figure."""
    assert reasons(StepTally()) == [
        "no request was sent in the window: look at the errors of the step's earlier requests"
    ]


def test_a_step_in_which_everything_failed_is_valid() -> None:
    """Failures are a result, not a fault of the measurement: no rule judges latencies that are not there."""
    failed = StepTally()
    failed.sent, failed.by_outcome, failed.in_flight_s = 100, {"timeout": 100}, 10.0

    assert reasons(failed) == []


@given(
    st.lists(st.sampled_from(["a worker was lost: it is repeated", "6 users instead of 8: look at locust.log"])),
    st.floats(0, 200),
    st.integers(0, 100),
    st.integers(0, 500),
    st.floats(0, 0.1),
    st.sampled_from([None, 10.0]),
)
def test_faults_come_first_and_every_reason_is_one_line_with_advice(
    faults: list[str], in_flight_s: float, buffered: int, censored: int, uncertain: float, window_s: float | None
) -> None:
    """Whatever is wrong: passed-in faults unchanged and in front, no line break, and a thing to do in each line."""
    booked = tally(
        in_flight_s=in_flight_s, buffered=buffered, censored=[uncertain] * censored, uncertainty=[uncertain] * 10
    )
    found = reasons(booked, *faults, window_s=window_s)

    assert found[: len(faults)] == faults
    assert all("\n" not in reason and any(advice in reason for advice in ADVICE) for reason in found)
    assert len(found) == len(set(found)) or len(set(faults)) < len(faults)


def kept(**changed: int) -> list[str]:
    counts = {"scheduled": 10_000, "achieved": 10_000, "late": 0, "lags": 10_000, "full": False}
    return off_schedule(**{**counts, **changed})


def test_a_schedule_that_was_kept_is_valid() -> None:
    """0.1 % and one request off, and 1 % of late requests, are allowed; of a few requests one may be late."""
    assert kept() == kept(achieved=9_989) == kept(achieved=10_011) == kept(late=100) == []
    assert kept(scheduled=20, achieved=19, late=1, lags=20) == []


def test_a_schedule_that_was_not_kept_is_the_generators_fault() -> None:
    """More than that is invalid; the advice is more workers, or more senders where their limit was reached."""
    said = "9988 requests were sent in the window and 10000 were due in it"
    assert kept(achieved=9_988) == [f"{said}; the generator could not keep up: {MORE_WORKERS}"]
    assert kept(late=101)[0].startswith("1.0% of the requests were sent more than 5 ms after they were due; the gen")
    assert "raise it, or lower the rate" in kept(late=101, full=True)[0]
    assert len(kept(achieved=0, late=10_000)) == 2
