"""SLO and capacity: proven met, proven breached or undecided; only what gates may breach."""

from __future__ import annotations

import numpy as np
import pytest
from measurements import CELL, cell, measured, scenario

from reports.capacity import breaches, capacities, rung_slos, users
from reports.effects import capacity_table
from reports.measured import Measured
from scenarios.slo import has_slo, slo_of

ONE = scenario(
    ("service",), slo={"ttft": "500ms", "attain": 0.95, "error_rate": 0.01}, ladder={"concurrency": [4, 8, 16]}
)


def rung(good: int, sent: int, users: int = 8, **fields: object) -> Measured:
    """`good` of `sent` ok requests were in time."""
    return measured([0.1] * sent, good=np.arange(sent) < good, concurrency=users, arm="service", **fields)


@pytest.mark.parametrize(
    ("good", "sent", "state"),
    [(59, 59, "met"), (58, 58, "undecided"), (95, 100, "undecided"), (90, 100, "breached"), (91, 100, "undecided"),
     (0, 0, "undecided"), (0, 1, "undecided"), (0, 2, "breached")],
)  # fmt: skip
def test_a_rung_is_met_breached_or_undecided(good: int, sent: int, state: str) -> None:
    """By exact one-sided bounds of good / sent against 95 %: 59 of 59 are needed to meet it, 90 of 100 breach it."""
    assert [slo.state for slo in rung_slos([rung(good, sent)], ONE)] == [state]


def test_blocks_are_pooled_and_invalid_ones_left_out() -> None:
    """Two blocks of 30 good ones show what neither shows alone; an invalid block of bad ones does not count."""
    blocks = [rung(30, 30), rung(30, 30, block=2), rung(0, 30, block=3, valid=False, why_invalid=("x",))]
    [slo] = rung_slos(blocks, ONE)

    assert (slo.state, slo.good_share, slo.bounds[1]) == ("met", 1.0, 1.0)


@pytest.mark.parametrize(("failed", "aborted", "breached"), [(5, 0, True), (0, 5, True), (2, 2, False), (3, 2, True)])
def test_the_error_rate_counts_failed_and_aborted(failed: int, aborted: int, breached: bool) -> None:
    """Of 170: the lower 95 % bound of 5 lies above 1 %, that of 4 below, whichever way they ended."""
    step = measured([0.1] * (170 - failed - aborted), failed=failed, aborted=aborted, arm="service")
    [slo] = rung_slos([step], ONE)

    assert slo.errors_breached == breached


def test_without_limits_nothing_is_judged() -> None:
    """No SLO, no rung; an error rate alone is judged, and gives no capacity."""
    only = scenario(("service",), slo={"error_rate": 0.01})
    step = measured([0.1] * 50, failed=50, arm="service")

    assert rung_slos([step], scenario(("service",))) == []
    assert capacities(rung_slos([step], only), only) == []
    assert breaches(rung_slos([step], only), only) == [
        "service, short/long at 8 users: 50.0% of the requests failed, 1.0% may."
    ]


def test_rungs_above_the_operating_point_never_gate() -> None:
    """16 users breach the SLO, `at` is 8: that is exploration."""
    rungs = rung_slos([rung(100, 100), rung(0, 100, 16)], ONE)

    assert [slo.state for slo in rungs] == ["met", "breached"]
    assert breaches(rungs, ONE) == []
    assert breaches(rung_slos([rung(0, 100, 4)], ONE), ONE) == [
        "service, short/long at 4 users: 0.0% of the requests were good, 95% must be."
    ]


def test_the_baseline_may_breach_what_the_candidate_must_meet() -> None:
    """Of two arms the SLO gates the candidate only."""
    two = scenario(slo={"ttft": "500ms"})
    bad = [measured([0.1] * 100, good=[False] * 100, arm=arm) for arm in two.arms]

    assert [text.split(",")[0] for text in breaches(rung_slos(bad, two), two)] == ["candidate"]


@pytest.mark.parametrize(
    ("good", "rung_", "next_", "undecided"),
    [((100, 100, 50), 8, 16, []), ((100, 100, 100), 16, None, []), ((50, 50, 50), None, 4, []),
     ((100, 95, 50), 4, 8, [8]), ((95, 95, 95), None, 4, [4, 8, 16]), ((95, 100, 50), 8, 16, [])],
)  # fmt: skip
def test_capacity_is_the_highest_rung_that_meets_the_slo(
    good: tuple[int, ...], rung_: int | None, next_: int | None, undecided: list[int]
) -> None:
    """As the interval to the next rung; undecided rungs above are named, since the capacity may lie there."""
    steps = [rung(count, 100, users) for users, count in zip((4, 8, 16), good, strict=True)]
    [found] = capacities(rung_slos(steps, ONE), ONE)

    assert (found["rung"], found["next"], found["undecided"]) == (rung_, next_, undecided)


def test_capacity_is_per_cell_and_arm_and_not_of_tasks() -> None:
    """Two cells are two capacities; tasks have no ladder."""
    steps = [rung(100, 100), rung(100, 100, cell=cell(1)), rung(100, 100, cell=None, workload="task")]

    assert [entry["cell"]["input"] for entry in capacities(rung_slos(steps, ONE), ONE)] == ["short", "i1"]


def test_the_last_matching_pattern_wins_key_by_key() -> None:
    """A pattern changes the limits it gives and leaves the others."""
    own = scenario(
        ("s",), slo={"ttft": 1, "tpot": 0.1, "cells": {"short/*": {"ttft": 2}, "*/long": {"ttft": 3, "e2e": 9}}}
    )
    limits = slo_of(own, CELL.name)

    assert (limits.ttft, limits.tpot, limits.e2e) == (3, 0.1, 9)
    assert (slo_of(own, "medium/short").ttft, slo_of(own, "tasks").e2e) == (1, None)
    assert has_slo(scenario(("s",), slo={"cells": {"short/*": {"e2e": 1}}}))
    assert not has_slo(scenario(("s",), slo={"error_rate": 0.1}))


def test_one_user_is_not_users() -> None:
    """Rungs in words."""
    assert (users(1), users(2)) == ("1 user", "2 users")


def test_the_table_names_the_unit_of_the_ladder() -> None:
    """Users, or requests per second in open loop; a search has a table of its own."""
    found = [{"arm": "a", "cell": None, "rung": 0.5, "next": 1.0, "undecided": []}]
    closed, opened = ({"points": [point], "capacity": found} for point in ({"concurrency": 1}, {"rate": 0.5}))

    heads = [table.columns[-1].title for one in (closed, opened) if (table := capacity_table(one)) is not None]
    assert heads == ["users within the SLO", "requests/s within the SLO"]
    assert capacity_table({**opened, "search": [{}]}) is None
