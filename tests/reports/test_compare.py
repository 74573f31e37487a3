"""Arms compared: which steps make a pair, what each comparison may say, and how often it is wrong (simulated)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from measurements import cell, measured, pairs, scenario

from reports.compare import Unproven, comparisons, not_ruled_out, threshold_of
from reports.measured import Measured, counting
from reports.moderated import p_greater, spreads
from reports.pairs import Pairs, all_pairs
from reports.stats import holm

AB = scenario()
TEN_PERCENT = math.log(1.10)
STEADY = (0.001, -0.001, 0.002, -0.002, 0.001, -0.001)


def both(slower: float = 0.0, blocks: int = 6, **fields: Any) -> list[Measured]:
    """Steps of one point on both arms, the candidate's TTFT longer by a known log ratio."""
    return [
        measured([0.1 * math.exp(block / 10 + (slower + STEADY[block % 6] if arm == "candidate" else 0))] * 20,
                 arm=arm, block=block + 1, **fields)
        for block in range(blocks) for arm in ("baseline", "candidate")
    ]  # fmt: skip


def of(found: list[Pairs], metric: str, level: str = "cell") -> Pairs:
    return next(pair for pair in found if (pair.metric, pair.level) == (metric, level))


# -- pairs


def test_a_pair_is_the_same_point_of_the_same_block() -> None:
    """Log ratios are candidate / baseline, block by block: what the block itself does to both arms cancels."""
    pair = of(all_pairs(both(TEN_PERCENT), AB), "ttft_s")

    assert pair.values == pytest.approx([TEN_PERCENT + noise for noise in STEADY])
    assert pair.blocks == (1, 2, 3, 4, 5, 6)


def test_only_the_last_try_counts_and_only_if_it_is_valid() -> None:
    """A valid first try that was repeated all the same is replaced; an invalid last one leaves its block out."""
    first = measured([0.1], id="x", try_=1)
    invalid = measured([0.2], id="x-try2", try_=2, valid=False, why_invalid=("y",))
    repeated = measured([0.3], id="x-try3", try_=3)

    assert counting([first, invalid]) == []
    assert counting([first, invalid, repeated]) == [repeated]
    assert counting([repeated, first]) == [repeated]


def test_a_block_without_both_arms_makes_no_pair() -> None:
    """The candidate's step of block 3 is invalid: five pairs remain."""
    steps = both()
    steps[5] = measured([0.1] * 20, arm="candidate", block=3, valid=False, why_invalid=("y",))

    assert of(all_pairs(steps, AB), "ttft_s").blocks == (1, 2, 4, 5, 6)


def test_a_cell_is_the_mean_of_its_rungs_in_blocks_that_have_them_all() -> None:
    """Two rungs, one of them without its last block: the cell has five pairs, each the mean of two log ratios."""
    steps = [*both(0.2, concurrency=1), *both(0.1, concurrency=8)[:-2]]
    found = all_pairs(steps, AB)
    whole = of(found, "ttft_s")

    assert whole.concurrency is None
    assert whole.values == pytest.approx([0.15 + noise for noise in STEADY[:5]])
    assert [(p.concurrency, len(p.values)) for p in found if (p.level, p.metric) == ("rung", "ttft_s")] == [
        (1, 6),
        (8, 5),
    ]


def test_a_single_rung_is_not_tested_twice() -> None:
    """One rung is the cell: it would only dilute Holm's family; its number of users is named."""
    found = all_pairs(both(), AB)

    assert {pair.level for pair in found} == {"cell"}
    assert {pair.concurrency for pair in found} == {8}


def test_each_arm_is_compared_with_the_baseline() -> None:
    """Three arms are two comparisons, in one family; one arm is none."""
    steps = [measured([0.1] * 20, arm=arm, block=b) for arm in ("a", "b", "c") for b in range(1, 5)]
    three = scenario(("a", "b", "c"), compare={"baseline": "b"})
    found = all_pairs(steps, three)

    assert {pair.arms for pair in found} == {("b", "a"), ("b", "c")}
    assert all_pairs(steps, scenario(("a",))) == []
    assert sum(c["gated"] for c in comparisons(found, three)) == 8


def test_what_was_not_streamed_has_no_pair() -> None:
    """A column that is missing altogether (no TTFT, no TPOT) gives no comparison, not NaN."""
    steps = [
        measured([0.1] * 20, arm=a, block=b, ttft_s=[np.nan] * 20, tpot_s=[np.nan] * 20)
        for a in AB.arms
        for b in range(1, 5)
    ]

    assert {pair.metric for pair in all_pairs(steps, AB)} == {"e2e_s", "good_per_s"}


def test_what_only_one_arm_has_is_not_comparable() -> None:
    """A candidate that no longer streams has no TTFT: the comparison is there, and says that nothing was compared."""
    gone = {"ttft_s": [np.nan] * 20, "tpot_s": [np.nan] * 20}
    steps = [
        measured([0.1] * 20, arm=a, block=b, **(gone if a == "candidate" else {})) for a in AB.arms for b in range(1, 7)
    ]
    said = {c["metric"]: c for c in comparisons(all_pairs(steps, AB), AB)}

    assert said["ttft_s"]["reason"] == "not comparable: only baseline has it"
    assert said["ttft_s"]["baseline"] == pytest.approx(0.1)
    assert "candidate" not in said["ttft_s"]
    assert (said["ttft_s"]["gated"], said["ttft_s"]["ratio"], said["e2e_s"]["gated"]) == (False, None, True)


def test_arms_that_have_a_metric_in_different_blocks_make_no_pair() -> None:
    """TTFT of the baseline in block 1 only, of the candidate in block 2 only: both have it, no block has both."""
    steps = [
        measured([0.1] * 20, arm=a, block=b, **({} if (a == "baseline") == (b == 1) else {"ttft_s": [np.nan] * 20}))
        for a in AB.arms
        for b in (1, 2)
    ]

    assert of(all_pairs(steps, AB), "ttft_s").incomparable == "no block has it on both arms"


def test_an_arm_that_answers_nothing_is_worse() -> None:
    """All of the candidate's requests fail: good requests/s cannot be 0 in a logarithm, and must not escape."""
    steps = [measured([0.1] * 20, arm="baseline", block=b) for b in range(1, 7)]
    steps += [measured([], failed=20, arm="candidate", block=b) for b in range(1, 7)]
    said = {c["metric"]: c for c in comparisons(all_pairs(steps, AB), AB)}

    assert (said["good_per_s"]["verdict"], said["good_per_s"]["n_pairs"]) == ("worse", 6)
    assert said["good_per_s"]["ratio"] == pytest.approx(0.5 / 20)
    assert [said[m]["reason"] for m in ("ttft_s", "tpot_s", "e2e_s")] == [
        "not comparable: failure shares differ: 0.0% against 100.0%"
    ] * 3


def test_no_good_request_on_either_arm_is_no_pair() -> None:
    """Nothing against nothing says nothing."""
    steps = [measured([], failed=20, arm=arm, block=b) for arm in AB.arms for b in range(1, 7)]

    assert all_pairs(steps, AB) == []


# -- not comparable


@pytest.mark.parametrize(("failed", "comparable"), [(2, True), (3, False)])
def test_means_of_arms_that_fail_differently_are_not_compared(failed: int, comparable: bool) -> None:
    """2 of 200 are one point, which is allowed; good requests/s carries failures and stays comparable."""
    steps = [
        measured([0.1] * (200 - f), failed=f, arm=arm, block=b)
        for arm, f in (("baseline", 0), ("candidate", failed))
        for b in range(1, 7)
    ]
    said = {c["metric"]: c for c in comparisons(all_pairs(steps, AB), AB)}

    assert said["ttft_s"]["gated"] == said["e2e_s"]["gated"] == comparable
    assert said["good_per_s"]["gated"]
    assert comparable or said["ttft_s"]["reason"] == "not comparable: failure shares differ: 0.0% against 1.5%"
    assert comparable or (said["ttft_s"]["ratio"], said["ttft_s"]["verdict"]) == (None, "inconclusive")


@pytest.mark.parametrize(("tokens", "comparable"), [(102, True), (103, False)])
def test_e2e_of_other_lengths_is_not_compared(tokens: int, comparable: bool) -> None:
    """Beyond 2 % of the mean output length only E2E is not comparable; TTFT and TPOT are."""
    steps = [
        measured([0.1] * 20, arm=arm, block=b, output_tokens=[n] * 20)
        for arm, n in (("baseline", 100), ("candidate", tokens))
        for b in range(1, 7)
    ]
    gated = {c["metric"]: c["gated"] for c in comparisons(all_pairs(steps, AB), AB)}

    assert gated == {"ttft_s": True, "tpot_s": True, "e2e_s": comparable, "good_per_s": True}


# -- verdicts


@pytest.mark.parametrize(
    ("ratio", "metric", "verdict"),
    [(1.10, "ttft_s", "worse"), (0.90, "ttft_s", "better"), (1.00, "ttft_s", "same"), (1.10, "good_per_s", "better"),
     (0.90, "good_per_s", "worse"), (1.04, "e2e_s", "same"), (1.049, "e2e_s", "inconclusive")],
)  # fmt: skip
def test_verdicts_of_steady_pairs(ratio: float, metric: str, verdict: str) -> None:
    """Proven and beyond 5 %: worse or better, mirrored for good requests/s; inside: same; at the edge: neither."""
    [said] = comparisons([pairs(math.log(ratio) + np.asarray(STEADY), metric)], AB)

    assert said["verdict"] == verdict
    assert said["ratio"] == pytest.approx(ratio)
    assert said["ci"][0] < ratio < said["ci"][1]


def test_noise_is_inconclusive_and_says_what_would_have_been_seen() -> None:
    """sd 20 % over 6 pairs: the smallest change is named, and the pairs that 5 % would take."""
    [said] = comparisons([pairs(np.array([-0.3, 0.25, -0.1, 0.2, 0.05, -0.1]))], AB)

    assert said["verdict"] == "inconclusive"
    assert said["mde"] > 0.05
    assert said["pairs_needed"] > 6


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_fewer_than_four_pairs_prove_nothing(blocks: int) -> None:
    """A tenfold loss over three pairs is shown and not gated."""
    [said] = comparisons([pairs([2.3] * blocks)], AB)

    assert (said["gated"], said["verdict"], "p_adjusted" in said) == (False, "inconclusive", False)
    assert said["ratio"] == pytest.approx(math.exp(2.3))
    assert ("ci" in said) == (blocks > 1)


def test_p_is_that_of_the_direction_of_the_estimate() -> None:
    """Never the smaller one of the other direction, which Holm's ranks can make it."""
    family = [pairs(np.asarray(STEADY) + shift) for shift in (0.0004, 0.2, 0.3, -0.2)]
    costs = np.array([pair.cost for pair in family])
    worse = holm(p_greater(costs.mean(axis=1), spreads(costs.var(axis=1, ddof=1), 6), 6))
    said = comparisons(family, AB)

    assert [c["p_adjusted"] for c in said[:3]] == pytest.approx(worse[:3])
    assert said[3]["p_adjusted"] < 0.05


def test_wild_pairs_stay_numbers() -> None:
    """Two pairs a million apart: intervals and effects are capped, since JSON has no infinity."""
    [said] = comparisons([pairs([14.0, -14.0])], AB)

    assert said["ci"] == pytest.approx([1e-3, 1e3])
    assert said["mde"] == pytest.approx(999)


def test_thresholds_may_differ_by_metric() -> None:
    """Keys are ttft, tpot, e2e and good; what is not named has 5 %."""
    own = scenario(compare={"threshold": {"ttft": 0.15, "good": 0.2}})

    assert [threshold_of(own, m) for m in ("ttft_s", "tpot_s", "e2e_s", "good_per_s")] == [0.15, 0.05, 0.05, 0.2]
    assert comparisons([pairs(TEN_PERCENT + np.asarray(STEADY))], own)[0]["verdict"] == "same"


# -- all points together


def test_the_mean_over_all_points_rules_out_or_not() -> None:
    """Two points of which one is 8 % slower are 4 % slower in the mean: that is ruled out to reach 5 %; 6 % is not."""
    points = [pairs(np.asarray(STEADY)), pairs(np.asarray(STEADY) + 0.08, cell=cell(1))]
    assert not_ruled_out(points, AB) == []

    [unproven] = not_ruled_out([*points, pairs(np.asarray(STEADY) + 0.10, cell=cell(2))], AB)
    assert unproven.metric == "ttft_s"
    assert unproven.bound == pytest.approx(math.expm1(0.06 + 2.015 * np.std(STEADY, ddof=1) / math.sqrt(6)), rel=1e-4)


def test_blocks_are_matched_by_number_over_points() -> None:
    """A point without its first block is not shifted against the others; the cells' means count no point twice."""
    drift = np.array([0.5, 0.0, 0.0, 0.0, 0.0, 0.0])
    points = [pairs(drift), pairs([0.0] * 5, cell=cell(1), blocks=(1, 2, 3, 4, 5))]
    cells = [pairs([3.0] * 6, cell=cell(2), concurrency=None)]

    assert not_ruled_out([*points, *cells], AB) == []


def test_arms_are_judged_one_by_one() -> None:
    """The third arm's loss is not hidden in the second's gain."""
    gain, loss = pairs(np.asarray(STEADY) - 0.2), pairs(np.asarray(STEADY) + 0.2, arms=("baseline", "third"))

    assert [(one.metric, one.arms[1]) for one in not_ruled_out([gain, loss], AB)] == [("ttft_s", "third")]


def test_too_few_common_blocks_rule_nothing_out() -> None:
    """Two points that share three blocks have no mean over all points."""
    points = [pairs([0.0] * 4, blocks=(1, 2, 3, 4)), pairs([0.0] * 4, cell=cell(1), blocks=(2, 3, 4, 5))]

    assert not_ruled_out(points, AB) == [Unproven(("baseline", "candidate"), "ttft_s")]


def test_what_is_comparable_nowhere_rules_nothing_out() -> None:
    """One comparable point is judged alone; without any, the metric is unproven, with what makes it so."""
    points = [pairs(STEADY, incomparable="failure shares differ"), pairs(STEADY, cell=cell(1))]

    assert not_ruled_out(points, AB) == []
    [unproven] = not_ruled_out(points[:1], AB)
    assert (unproven.bound, unproven.why) == (None, "failure shares differ")


def test_fewer_good_requests_are_a_share_of_the_baseline() -> None:
    """Half as many good requests/s is 50 % fewer, not 100 % worse."""
    [unproven] = not_ruled_out([pairs([math.log(0.5)] * 6, "good_per_s")], AB)

    assert unproven.bound == pytest.approx(0.5)
