"""An open loop in the summary: rate, lag of the schedule, TTFT from due; points are told apart by their rate."""

import numpy as np
import pytest
from msgspec.structs import replace

from exporters.record import WorkerPart
from reports.arrivals import arrivals
from reports.capacity import breaches, capacities, rung_slos
from reports.compare import comparisons
from reports.figures import bunching
from reports.pairs import all_pairs
from reports.summary import points, step_figures
from tests.reports.measurements import measured, scenario


def part(**facts: float) -> WorkerPart:
    counts = dict.fromkeys(("index", "users", "sent", "ok", "failed", "aborted", "rows_sent", "rows_received"), 0)
    return WorkerPart(**counts, facts=facts)


def test_a_closed_loop_has_none_of_it() -> None:
    """No rate, no lag: not zero, absent."""
    assert arrivals([measured([0.1] * 10)]) == {}
    assert not {"rate", "schedule_lag_s", "ttft_from_due_s"} & step_figures(measured([0.1] * 10)).keys()


def test_ttft_from_due_is_ttft_and_the_lag_of_each_request() -> None:
    """Request by request, so that its quantiles are those of what a user waited; failed ones are infinitely slow."""
    lag = np.arange(200) / 1000
    step = measured([0.1] * 200, rate=20.0, schedule_lag_s=lag, window_s=10.0)
    parts = {f"w{i}": part(achieved=sent) for i, sent in enumerate((90.0, 109.0))}
    step = replace(step, record=replace(step.record, workers=parts))
    found = arrivals([step])
    assert (found["rate"], found["achieved_rate"]) == (20.0, 19.9)
    assert found["schedule_lag_s"]["n"] == 200
    assert found["schedule_lag_s"]["max"] == 0.199
    assert found["schedule_lag_s"]["p95"] == 0.189
    assert "p99" not in found["schedule_lag_s"]  # too few requests
    assert found["ttft_from_due_s"]["mean"] == pytest.approx(0.1 + lag.mean())
    assert found["ttft_from_due_s"]["p95"] == pytest.approx(0.1 + 0.1895, abs=0.001)
    late = arrivals([measured([0.1] * 50, failed=50, rate=5.0, schedule_lag_s=np.zeros(100))])
    assert late["ttft_from_due_s"]["p90"] is None
    assert late["ttft_from_due_s"]["n"] == 100


def test_points_are_told_apart_by_rate_and_not_by_senders() -> None:
    """Two blocks of one rate are one point, however many senders each needed; fractions of a request/s are loads."""
    steps = [
        measured([0.1] * 20, rate=rate, concurrency=senders, block=block, id=f"{rate}{block}")
        for rate, block, senders in ((0.5, 1, 3), (0.5, 2, 9), (2.0, 1, 9))
    ]
    assert [(p["rate"], p["blocks"], p["concurrency"]) for p in points(steps)] == [(0.5, 2, 9), (2.0, 1, 9)]
    invalid = points([measured([0.1], rate=4.0, valid=False, why_invalid=("late",))])
    assert invalid[0]["rate"] == 4.0


def test_capacity_and_breaches_are_of_rates() -> None:
    """The SLO is judged up to `at`, a rate; a breach names requests/s; capacity is an interval of rates."""
    asked = scenario(("a",), ladder={"rate": [1, 2.5, 4], "at": 2.5}, slo={"ttft": 1})
    steps = [
        measured([0.1] * 100, good=np.full(100, rate < 2), rate=rate, arm="a", id=str(rate)) for rate in (1.0, 2.5, 4.0)
    ]
    rungs = rung_slos(steps, asked)
    assert [(one["rung"], one["next"]) for one in capacities(rungs, asked)] == [(1.0, 2.5)]
    said = breaches(rungs, asked)
    assert [sentence.split(":")[0] for sentence in said] == ["a, short/long at 2.5 requests/s"]


def test_arms_are_paired_by_rate() -> None:
    """Senders differ between arms, as they must when one is slower; the rung that is compared is the rate."""
    asked = scenario(ladder={"rate": [1, 2]})
    steps = [
        measured([0.1 * (1 + (arm == "candidate"))] * 20, rate=rate, arm=arm, block=block, concurrency=block + len(arm))
        for arm in ("baseline", "candidate") for rate in (1.0, 2.0) for block in (1, 2, 3, 4)
    ]  # fmt: skip
    found = [c for c in comparisons(all_pairs(steps, asked), asked) if c["metric"] == "ttft_s"]
    assert [(c["level"], c["concurrency"], c.get("rate"), c["n_pairs"]) for c in found] == [
        ("cell", None, None, 4), ("rung", 1.0, 1.0, 4), ("rung", 2.0, 2.0, 4),
    ]  # fmt: skip


def test_bunching_is_of_users_that_wait_for_each_other() -> None:
    """Arrivals that bunch do so by schedule."""
    sent = np.zeros(100)
    assert bunching(measured([0.1] * 100, sent_ns=sent)) == 1.0
    assert bunching(measured([0.1] * 100, sent_ns=sent, rate=5.0)) is None
