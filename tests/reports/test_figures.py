"""Figures of steps: failures are not fast, what was not measured is absent, and sums are what they are called."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measurements import measured

from exporters.tally import StepTally
from reports import figures
from reports.measured import Measured

RAMP = np.arange(1, 101) / 100  # 0.01 .. 1.00 s


def with_tally(step: Measured, **sums: float) -> Measured:
    for name, value in sums.items():
        setattr(step.tally, name, value)
    return step


# -- latencies


def test_quantiles_of_a_ramp() -> None:
    """Nearest rank of 100 values; p99 needs 500 requests and is absent."""
    ttft = figures.latency([measured(RAMP)], "ttft_s")

    assert ttft == {"n": 100, "mean": pytest.approx(0.505), "p50": 0.5, "p90": 0.9, "p95": 0.95, "max": 1.0}


def test_failed_and_aborted_requests_are_infinitely_slow() -> None:
    """94 ok, 4 failed, 2 aborted: p95 and max lie beyond the timeout, p90 is the 90th; ok-only ones stand beside."""
    ttft = figures.latency([measured(RAMP[:94], failed=4, aborted=2)], "ttft_s")

    assert (ttft["n"], ttft["p90"], ttft["p95"], ttft["max"]) == (100, 0.9, None, None)
    assert ttft["mean"] == pytest.approx(RAMP[:94].mean())
    assert ttft["ok"] == {"n": 94, "p50": 0.47, "p90": 0.85, "max": 0.94}  # p95 needs 100


@given(st.integers(60, 900), st.integers(0, 2**31))
def test_timing_out_the_slowest_never_improves_a_quantile(count: int, seed: int) -> None:
    """The slowest 6 % fail instead of being slow: no quantile over all requests falls, and p95 lies beyond."""
    latencies = np.sort(np.random.default_rng(seed).lognormal(0, 0.6, count))
    kept = int(count * 0.94)
    before = figures.latency([measured(latencies)], "e2e_s")
    after = figures.latency([measured(latencies[:kept], failed=count - kept)], "e2e_s")

    assert before.keys() == after.keys() - {"ok"}
    for name in before.keys() & figures.QUANTILES.keys():
        assert (math.inf if after[name] is None else after[name]) >= before[name]
    assert after.get("p95") is None


def test_blocks_are_pooled() -> None:
    """Five steps of 20 requests have the quantiles of one of 100."""
    parts = [measured(RAMP[i::5], block=i + 1) for i in range(5)]

    assert figures.latency(parts, "ttft_s") == pytest.approx(figures.latency([measured(RAMP)], "ttft_s"))


def test_nothing_succeeded() -> None:
    """All 20 requests failed: their median lies beyond the timeout, there is no mean; unstreamed, no TTFT either."""
    streamed, whole = measured([], failed=20), measured([], failed=20, streamed=False)

    assert figures.latencies([streamed])["ttft_s"] == {"n": 20, "p50": None, "max": None}
    assert figures.latencies([whole]).keys() == {"e2e_s"}


def test_what_was_not_measured_is_absent() -> None:
    """No TTFT or TPOT without a stream, nothing at all without requests; a failure among them changes nothing."""
    whole = measured([0.1] * 20, failed=1, ttft_s=[np.nan] * 21, tpot_s=[np.nan] * 21)

    assert figures.latencies([whole]).keys() == {"e2e_s"}
    assert figures.latencies([measured()]) == {}


def test_requests_without_a_duration_are_not_slow() -> None:
    """Of 100 ok requests 50 had one token and no TPOT: n counts those that had one."""
    tpot = figures.latency([measured(RAMP, tpot_s=[*RAMP[:50], *[np.nan] * 50])], "tpot_s")

    assert (tpot["n"], tpot["p50"], tpot["max"]) == (50, 0.25, 0.5)


def test_gaps_come_from_merged_sketches() -> None:
    """Two steps' gaps, 1,000 of 10 ms and 1,000 of 30 ms: quantiles within 0.5 %, exact mean and maximum."""
    steps = [measured([0.1]), measured([0.1])]
    steps[0].tally.gap.add(np.full(1000, 0.01))
    steps[1].tally.gap.add(np.full(1000, 0.03))
    gap = figures.gaps(steps)

    assert (gap["n"], gap["mean"], gap["max"]) == (2000, pytest.approx(0.02), 0.03)
    assert gap["p50"] == pytest.approx(0.01, rel=0.005)
    assert gap["p99"] == pytest.approx(0.03, rel=0.005)


def test_a_points_mean_is_that_of_its_block_means() -> None:
    """Blocks of 10 and 100 requests weigh the same; the interval is Student's over two values (t = 12.7)."""
    blocks = [measured([0.1] * 10), measured([0.3] * 100, block=2)]
    ttft = figures.point_latencies(blocks)["ttft_s"]

    assert ttft["mean"] == pytest.approx(0.2)
    assert ttft["mean_ci"] == pytest.approx([0.0, 0.2 + 12.7062 * 0.1])
    assert "mean_ci" not in figures.point_latencies(blocks[:1])["ttft_s"]
    assert figures.point_latencies([measured([], failed=10)])["e2e_s"] == {"n": 10, "p50": None, "max": None}


# -- requests, tokens, rates


def test_sent_is_ok_failed_and_aborted() -> None:
    """Outcomes of all steps add up; aborted ones are not failed."""
    counts = figures.requests([measured([0.1] * 3, failed=2, aborted=1), measured([0.1], failed=1)])

    assert (counts["sent"], counts["ok"], counts["failed"], counts["aborted"]) == (8, 4, 3, 1)
    assert counts["by_outcome"] == {"ok": 4, "timeout": 3, "aborted": 1}


def test_tokens_are_the_servers() -> None:
    """Sums over rows that have a count; chunks of failed requests, which have none, do not dilute tokens per chunk."""
    step = measured([0.1, 0.1], failed=1, input_tokens=[10, 12, np.nan], output_tokens=[30, 30, np.nan],
                    client_output_tokens=[29, 31, 2], cached_tokens=[0, 4, np.nan], chunks=[20, 20, 5])  # fmt: skip

    assert figures.tokens([step]) == {
        "input": 22, "cached_input": 4, "output": 60, "counted_by": "server", "tokens_per_chunk": 1.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "made", "client", "by"),
    [([9, 9, 9], [5, 5, 5], [5, 5, 5], "server"), ([np.nan] * 3, [5, 5, 5], [5, 5, 5], "client"),
     ([np.nan] * 3, [5, 5, 5], [4, 4, 4], "server"), ([9, 9, np.nan], [5, 5, 5], [5, 5, 5], "server")],
)  # fmt: skip
def test_tokens_say_who_counted(given: list, made: list, client: list, by: str) -> None:
    """The client's when no usage came; a usage without an input count is the server's; a stray row decides nothing."""
    step = measured([0.1] * 3, input_tokens=given, output_tokens=made, client_output_tokens=client)

    assert figures.tokens([step])["counted_by"] == by


def test_no_count_is_no_tokens() -> None:
    """Nobody counted: absent, not 0."""
    assert figures.tokens([measured([0.1] * 3)]) == {}
    assert figures.tokens([measured()]) == {}


def test_throughput_is_per_second_of_all_windows() -> None:
    """Two windows of 10 s: requests by their share of life, tokens by arrival."""
    steps = [with_tally(measured([0.1]), finished=15.0, input_tokens=100.0, output_tokens=300.0) for _ in range(2)]

    assert figures.throughput(steps) == {"requests": 1.5, "output_tokens": 30.0, "total_tokens": 40.0}
    assert figures.throughput([measured(window_s=None)]) == {}


def test_failures_lower_goodput_once() -> None:
    """100 requests in 10 s, 20 failed, 40 of the 80 ok ones good: 4 good per second, a share of 40 %."""
    step = measured([0.1] * 80, failed=20, good=[True] * 40 + [False] * 40, finished=80.0)

    assert figures.goodput([step]) == {"requests": pytest.approx(4.0), "share": 0.4}
    assert step.good_per_s == pytest.approx(4.0)


def test_nothing_ok_is_no_goodput() -> None:
    """All failed is 0 good per second; nothing sent, or no window, is no figure."""
    assert figures.goodput([measured([], failed=5)]) == {"requests": 0.0, "share": 0.0}
    assert measured([], failed=5).good_per_s == 0.0
    assert figures.goodput([measured()]) == {}
    assert measured().good_per_s is None
    assert measured([0.1], window_s=None).good_per_s is None


# -- the client's own


@pytest.mark.parametrize(("kernel", "user", "clock"), [(5, 0, "kernel"), (5, 1, "mixed"), (0, 1, "user"), (0, 0, None)])
def test_the_clock_is_named(kernel: int, user: int, clock: str | None) -> None:
    """By whose stamps there are."""
    assert figures.clock([with_tally(measured([0.1]), kernel_reads=kernel, user_reads=user)]) == clock


def test_in_flight_is_life_over_window() -> None:
    """79.2 s of requests in a window of 10 s are 7.92 in flight."""
    assert figures.client([with_tally(measured([0.1]), in_flight_s=79.2)])["in_flight"] == pytest.approx(7.92)
    assert "in_flight" not in figures.client([measured([0.1], window_s=None)])


def sent_at(seconds: np.ndarray, ttft: float = 0.1, users: int = 8) -> Measured:
    return measured(np.full(len(seconds), ttft), sent_ns=1.7e18 + seconds * 1e9, concurrency=users)


def test_bunching_tells_lockstep_from_even_spread() -> None:
    """8 users, E2E 1 s: all at once, each has 7 others within one TTFT; evenly spread, none (N/4 is 2)."""
    waves = np.repeat(np.arange(10.0), 8)

    assert figures.bunching(sent_at(waves)) == 1.0
    assert figures.bunching(sent_at(waves + np.tile(np.arange(8) / 8, 10))) == 0.0


def test_bunching_is_the_share_of_requests() -> None:
    """3 of 8 users in step have two others near: 3/8 of the requests; one TTFT before counts as well as after."""
    at = np.array([0.0, 0.05, 0.09, 0.3, 0.45, 0.6, 0.75, 0.9])

    assert figures.bunching(sent_at(np.concatenate([at + wave for wave in range(10)]))) == pytest.approx(3 / 8)


def test_bunching_needs_users_and_requests() -> None:
    """Fewer than 4 users have no quarter; fewer requests than users, or no TTFT, say nothing."""
    assert figures.bunching(sent_at(np.arange(20.0), users=3)) is None
    assert figures.bunching(sent_at(np.arange(5.0))) is None
    assert figures.bunching(measured([], failed=20)) is None


def test_an_empty_step_has_no_client_figures() -> None:
    """No request: nothing is known of the clock or the gaps; none was in flight."""
    assert figures.client([measured()]) == {"in_flight": 0.0}
    assert figures.merged([], "gap").count == 0
    assert StepTally().gap.quantile(0.5) is None
