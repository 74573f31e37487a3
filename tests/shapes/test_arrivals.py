"""Schedules of an open loop: as promised in rate and dispersion, the same for all workers, both arms and every try."""

from array import array
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from exporters.fleet import Share
from scenarios.load import scenario_of
from scenarios.scenario import Ladder, Scenario
from scenarios.trace import Arrival, Trace
from shapes._arrivals import Schedule, key_of, schedule, spans
from shapes._estimate import estimate, rows
from shapes._plan import make_plan

ARRIVALS = ("poisson", "constant", "gamma", "trace")
TRACE = Trace(tuple(Arrival(at, 100 + i, 10 + i) for i, at in enumerate((0.0, 0.5, 0.6, 2.0, 4.5))))


def ladder(arrival: str = "poisson", burstiness: float = 1.0) -> Ladder:
    return Ladder(rate=(1.0,), arrival=arrival, burstiness=burstiness)


def taken(share: Share) -> tuple[list[float], list[int], list[int]]:
    """Due times, sizes and numbers of a share, as a worker reads them."""
    due, sizes = array("d", share.due), array("i", share.sizes)
    return list(due), list(sizes), list(range(share.first, share.first + share.every * len(due), share.every))


@settings(max_examples=150, deadline=None)
@given(
    arrival=st.sampled_from(ARRIVALS), rate=st.floats(0.1, 200), horizon=st.floats(0.1, 20),
    workers=st.integers(1, 40), seed=st.integers(0, 2**63 - 1), shape=st.floats(0.1, 10),
)  # fmt: skip
def test_the_union_over_workers_is_the_schedule_of_one_process(
    arrival: str, rate: float, horizon: float, workers: int, seed: int, shape: float
) -> None:
    """Every due time with its number and its sizes is at exactly one worker, bit for bit; shares differ by one."""
    whole = schedule(ladder(arrival, shape), rate, horizon, str(seed), TRACE)
    parts = [taken(whole.share(i, workers)) for i in range(workers)]
    assert sorted((n, at) for due, _, numbers in parts for at, n in zip(due, numbers, strict=True)) == list(
        enumerate(whole.due)
    )
    sizes = {n: tuple(size[2 * i : 2 * i + 2]) for _, size, numbers in parts for i, n in enumerate(numbers) if size}
    assert sizes == {n: tuple(whole.sizes[2 * n : 2 * n + 2]) for n in range(len(whole.sizes) // 2)}
    assert max(len(due) for due, _, _ in parts) - min(len(due) for due, _, _ in parts) <= 1
    assert (taken(whole.share(0, 1))[0], len(whole.sizes)) == (
        list(whole.due), 2 * len(whole.due) if arrival == "trace" else 0,
    )  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(arrival=st.sampled_from(ARRIVALS), rate=st.floats(0.1, 100), horizon=st.floats(0.1, 20), seed=st.integers())
def test_a_schedule_is_a_function_of_its_key(arrival: str, rate: float, horizon: float, seed: int) -> None:
    """The same key gives the same times, ascending and inside the horizon; a longer horizon only adds to them."""
    one, again = (schedule(ladder(arrival), rate, horizon, str(seed), TRACE) for _ in range(2))
    assert one == again
    assert all(0 <= low <= high < horizon for low, high in pairwise([0.0, *one.due]))
    longer = schedule(ladder(arrival), rate, 2 * horizon, str(seed), TRACE)
    assert longer.due[: len(one.due)] == one.due


def test_blocks_cells_and_rates_differ_and_arms_do_not() -> None:
    """The key knows block, cell and rate; there is no arm in it, and no try."""
    scenario = scenario_of({"arms": {"a": {"url": "http://h"}}, "ladder": {"rate": 5}}, Path("x.toml"), [], {})
    keys = {key_of(scenario, block, cell, rate) for block in (1, 2) for cell in ("s/s", "s/l") for rate in (1, 2.5)}
    assert len(keys) == 8
    assert len({tuple(schedule(ladder(), 9, 5, key).due) for key in keys}) == 8


@pytest.mark.parametrize(
    ("arrival", "shape", "cv"),
    [("poisson", 1.0, 1.0), ("constant", 1.0, 0.0), ("gamma", 0.25, 2.0), ("gamma", 1.0, 1.0), ("gamma", 4.0, 0.5)],
)
def test_rate_and_dispersion_are_as_promised(arrival: str, shape: float, cv: float) -> None:
    """Mean gap 1 / rate within 1 %, coefficient of variation 1 / sqrt(burstiness) within 2 %."""
    gaps = np.diff(schedule(ladder(arrival, shape), 50, 2000, "7").due)
    assert gaps.mean() == pytest.approx(1 / 50, rel=0.01)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.02, abs=1e-9)


def p_values(arrival: str, shape: float, seeds: int) -> list[float]:
    """Kolmogorov-Smirnov of the gaps of 20 s at 20 requests/s against the exponential, one for each seed."""
    dues = (schedule(ladder(arrival, shape), 20, 20, f"{seed}/arrivals").due for seed in range(seeds))
    return [stats.kstest(np.diff(due), "expon", args=(0, 1 / 20)).pvalue for due in dues]


def test_due_times_pass_the_ks_test_as_often_as_chance_says() -> None:
    """Poisson: of 500 seeds 3 to 7 % are rejected at 5 % (14 to 37 is the 99 % range), and gamma of shape 1 alike."""
    for arrival in ("poisson", "gamma"):
        assert 14 <= sum(p < 0.05 for p in p_values(arrival, 1.0, 500)) <= 37


def test_the_ks_test_would_find_another_distribution() -> None:
    """Constant gaps, or gamma of shape 0.5 or 2, are rejected at 5 % for every one of 50 seeds."""
    for arrival, shape in (("constant", 1.0), ("gamma", 0.5), ("gamma", 2.0)):
        assert sum(p < 0.05 for p in p_values(arrival, shape, 50)) == 50


@pytest.mark.parametrize("rate", [0.5, 1.0, 40.0])
def test_a_trace_is_replayed_at_the_asked_rate_round_and_round(rate: float) -> None:
    """Gaps are stretched alike, sizes stay with their request, and the mean over whole cycles is the rate."""
    cycle_s = TRACE.cycle_s * TRACE.rate / rate
    found = schedule(ladder("trace"), rate, 40 * cycle_s, "3", TRACE)
    assert abs(len(found.due) - 40 * len(TRACE.arrivals)) <= 1
    assert len(found.due) / (40 * cycle_s) == pytest.approx(rate, rel=0.01)
    given = found.sizes[::2]
    first = given.index(100)
    assert list(given[first : first + 10]) == [100, 101, 102, 103, 104] * 2
    assert list(found.sizes[1::2]) == [size - 90 for size in given]
    gaps = np.diff(found.due[first : first + 5]) * rate / TRACE.rate
    assert gaps == pytest.approx([0.5, 0.1, 1.4, 2.5])


@given(st.lists(st.floats(0, 100), max_size=50), st.floats(0, 50), st.floats(0, 50))
def test_the_window_holds_what_is_due_in_it(due: list[float], low: float, span: float) -> None:
    """[low, high): neighbouring windows share no request and lose none."""
    one = Schedule(array("d", sorted(due)), array("i"))
    assert one.within(0, low) + one.within(low, low + span) + one.within(low + span, 101) == len(due)


def open_scenario(**tables: object) -> Scenario:
    data = {"arms": {"a": {"url": "http://h"}}, "ladder": {"rate": "1..4"}, **tables}
    return scenario_of(data, Path("x.toml"), [], {})


def test_a_plan_of_rates() -> None:
    """Steps bear their rate, ids say r instead of c, the other cells are at `at`, tasks stay a closed loop."""
    steps = make_plan(open_scenario(tasks={"requests": 4}, ladder={"rate": [0.5, 2], "senders": 99})).steps
    assert {step.id for step in steps} >= {"b1-medium_medium-r0.5-a", "b1-medium_medium-r2-a", "b1-tasks-c8-a"}
    assert {(s.rate, s.load, s.concurrency) for s in steps if s.cell} == {(0.5, 0.5, 99), (2, 2, 99)}
    assert {(s.rate, s.load) for s in steps if s.cell is None} == {(None, 8)}


def test_an_estimate_of_rates_counts_what_is_due() -> None:
    """Requests = rate x (settle + window + tail), and the table names the rates."""
    scenario = open_scenario(matrix={"input": {"s": 32}, "output": {"s": 16}}, window={"duration": 100})
    plan = make_plan(scenario)
    assert [row.rungs for row in rows(plan, scenario)] == [(1, 2, 4)]
    assert estimate(plan, scenario).requests == pytest.approx(7 * 120, rel=0.05)


def test_settle_and_window_are_known_beforehand() -> None:
    """Settle: three lives, a fifth of `duration` at least; window: `duration`, or what `min_requests` need; `max`."""
    scenario = open_scenario(window={"duration": 10, "min_requests": 50, "max": 60})
    assert spans(scenario, 100, 0.1) == (2.0, 10.0)
    assert spans(scenario, 2, 5.0) == (15.0, 25.0)
    assert spans(scenario, 0.1, 50.0) == (60.0, 60.0)
