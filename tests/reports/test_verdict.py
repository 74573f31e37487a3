"""The roll-up: a proven breach outranks all, then soundness, then what cannot be ruled out; else it may ship."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from measurements import cell, measured, scenario

from reports.capacity import rung_slos
from reports.compare import comparisons
from reports.measured import Measured
from reports.pairs import all_pairs
from reports.verdict import Evidence, verdict
from scenarios.scenario import Scenario

AB = scenario()
ONE = scenario(("service",), slo={"ttft": "500ms", "error_rate": 0.05})
NOISE = (0.001, -0.001, 0.002, -0.002, 0.001, -0.001)


def judged(steps: list[Measured], asked: Scenario = AB, stopped: str | None = None) -> dict[str, Any]:
    found = all_pairs(steps, asked)
    return verdict(Evidence(asked, steps, comparisons(found, asked), found, rung_slos(steps, asked), stopped))


def arms(change: float = 0.0, blocks: int = 6, noise: float = 1.0, **fields: Any) -> list[Measured]:
    """Both arms at one point, the candidate's durations longer by a log ratio; its rate is the same."""
    return [
        measured([0.1 * np.exp((change + noise * NOISE[block % 6]) * (arm == "candidate"))] * 20, arm=arm,
                 block=block + 1, id=f"b{block + 1}-{arm}", **fields)
        for block in range(blocks) for arm in AB.arms
    ]  # fmt: skip


def served(good: int, of: int = 100, **fields: Any) -> Measured:
    return measured([0.1] * of, good=np.arange(of) < good, arm="service", **fields)


def test_a_proven_regression_fails() -> None:
    """Exit code 3, the reason as a sentence, the recommendation to reject."""
    said = judged(arms(0.2))

    assert (said["status"], said["exit_code"], said["recommendation"]) == ("fail", 3, "reject")
    assert said["reasons"][0] == (
        "short/long at 8 users: TTFT changed by +22.1% (baseline to candidate), proven worse over 6 pairs."
    )


@pytest.mark.parametrize(
    ("p", "pairs", "n_beyond", "status"),
    [
        (0.0009, 6, 6, "fail"),
        (0.0011, 6, 6, "inconclusive"),
        (0.049, 6, 6, "inconclusive"),
        (1e-9, 6, 5, "inconclusive"),
        (1e-9, 12, 11, "fail"),
        (1e-9, 12, 10, "inconclusive"),
    ],
)
def test_a_regression_that_chance_or_a_few_pairs_can_make_fails_none(
    p: float, pairs: int, n_beyond: int, status: str
) -> None:
    """Worse at 5 % keeps a run from passing; it fails at 0.1 % and pair by pair, and the reason says which it is."""
    steps = arms(0.2)
    said_of = {"p_adjusted": p, "n_pairs": pairs, "n_beyond": n_beyond}
    compared = [{**one, **said_of} for one in comparisons(all_pairs(steps, AB), AB)]
    said = verdict(Evidence(AB, steps, compared, all_pairs(steps, AB), [], None))

    assert said["status"] == status
    assert said["reasons"][0].endswith(f"proven worse over {pairs} pairs.") == (status == "fail")
    short = "short of what fails a run (0.1 %, and nearly every pair beyond the threshold): more blocks decide."
    assert said["reasons"][0].endswith(short) == (status != "fail")


def test_no_change_passes() -> None:
    """Exit code 0, with what was tested."""
    said = judged(arms())

    assert (said["status"], said["exit_code"], said["recommendation"]) == ("pass", 0, "adopt")
    assert said["reasons"] == ["Nothing is proven worse in 4 comparisons; none is proven better."]


def test_undecided_comparisons_do_not_change_the_exit_code() -> None:
    """One noisy point among many steady ones: pass, with the change that would have been seen there."""
    steps = [step for i in range(9) for step in arms(cell=cell(i))] + arms(noise=40, cell=cell(9))
    said = judged(steps)

    assert (said["status"], said["exit_code"]) == ("pass", 0)
    assert "3 are undecided (there, a change above " in said["reasons"][0]


def test_noise_over_all_points_is_inconclusive() -> None:
    """Exit code 4: the mean over all points cannot rule out 5 %; the bound is named."""
    said = judged(arms(noise=40))

    assert (said["status"], said["exit_code"], said["recommendation"]) == ("inconclusive", 4, "inconclusive")
    assert said["reasons"][0].startswith("TTFT over all points could be longer by up to 5.")


def failing_more(**fields: Any) -> list[Measured]:
    """The candidate fails 4 % and takes twice as long."""
    return [
        measured([0.1 * (1 + (arm == "candidate"))] * (96 if arm == "candidate" else 100), arm=arm, block=block,
                 failed=4 if arm == "candidate" else 0, **fields)
        for block in range(1, 7) for arm in AB.arms
    ]  # fmt: skip


def test_what_cannot_be_compared_is_no_pass() -> None:
    """Failing 4 % more takes every mean out of the gate, and good requests/s fall by 4 % only: still not adopted."""
    said = judged(failing_more())

    assert (said["status"], said["exit_code"], said["recommendation"]) == ("inconclusive", 4, "inconclusive")
    assert said["reasons"] == [
        f"{metric} is comparable at no point: failure shares differ: 0.0% against 4.0%."
        for metric in ("TTFT", "TPOT", "E2E")
    ]


def test_an_arm_that_stops_streaming_is_no_pass() -> None:
    """The candidate has no TTFT and no TPOT any more: what the baseline has cannot be ruled out to be worse."""
    gone = {"ttft_s": [np.nan] * 20, "tpot_s": [np.nan] * 20}
    steps = [
        measured([0.1] * 20, arm=arm, block=b, **(gone if arm == "candidate" else {}))
        for b in range(1, 7) for arm in AB.arms
    ]  # fmt: skip

    assert judged(steps)["reasons"][0] == "TTFT is comparable at no point: only baseline has it."


def test_a_pass_names_what_it_left_out() -> None:
    """One point of several could not be compared: the others decide, and the reasons say so."""
    said = judged([step for i in range(4) for step in arms(cell=cell(i))] + failing_more(cell=cell(9)))

    assert said["status"] == "pass"
    assert said["reasons"][-1] == (
        "3 of 20 comparisons could not be made; the first: TTFT of i9/o at 8 users is not comparable: "
        "failure shares differ: 0.0% against 4.0%."
    )


def test_no_answer_on_either_arm_is_not_a_matter_of_blocks() -> None:
    """Everything failed everywhere: more blocks would not help, and the reason does not say so."""
    steps = [measured([], failed=20, arm=arm, block=b) for arm in AB.arms for b in range(1, 7)]

    assert judged(steps)["exit_code"] == 4
    assert judged(steps)["reasons"][0].startswith("No request was answered, so nothing was measured")


def test_of_several_candidates_the_unproven_one_is_named() -> None:
    """Three arms: the reason says which of the two candidates it is about."""
    three = scenario(("a", "b", "c"))
    noisy = {"a": 0.0, "b": 0.0, "c": 40.0}
    steps = [
        measured([0.1 * np.exp(noisy[arm] * NOISE[b] + (arm == "b") * NOISE[b])] * 20, arm=arm, block=b + 1)
        for b in range(6) for arm in noisy
    ]  # fmt: skip

    assert {reason.split(":")[0] for reason in judged(steps, three)["reasons"]} == {"c"}


@pytest.mark.parametrize("blocks", [1, 3])
def test_two_arms_need_four_pairs(blocks: int) -> None:
    """Fewer are inconclusive however steady they are, and the way out is named."""
    said = judged(arms(blocks=blocks))

    assert said["status"] == "inconclusive"
    assert said["reasons"] == [f"Two arms with {blocks} pairs: a gate needs 4 or more; raise [plan] blocks."]


def test_a_gated_step_that_stays_invalid_is_invalid() -> None:
    """Exit code 4; a step that was valid when repeated is not mentioned."""
    bad = {"valid": False, "why_invalid": ("the client was the bottleneck; run more",)}
    steps = arms()
    steps[3] = measured([0.1] * 20, arm="candidate", block=2, id="b2-candidate", **bad)
    repeated = measured([0.1] * 20, arm="candidate", block=2, id="b2-candidate-try2", try_=2)
    said = judged([*steps, measured([0.1], arm="candidate", block=2, id="b2-candidate-try2", try_=2, **bad)])

    assert (said["status"], said["exit_code"], said["recommendation"]) == ("invalid", 4, "inconclusive")
    assert said["reasons"] == ["The step b2-candidate-try2 stayed invalid: the client was the bottleneck; run more."]
    assert judged([*steps, repeated])["status"] == "pass"


def test_steps_that_stay_invalid_for_one_reason_are_one_sentence() -> None:
    """Reasons that differ in their numbers alone are one, told with the figures of the first."""
    late = "the client was the bottleneck: TTFT is uncertain by {} ms (p99), 0.50 ms is allowed; run more"
    whys = [late.format(7.16), late.format("28.01"), "7.82 requests were in flight instead of 8 (-2.2%); run more"]
    bad = [
        measured([0.1], arm="candidate", block=block, id=f"b{block}", valid=False, why_invalid=(why,))
        for block, why in enumerate(whys, start=1)
    ]

    baseline = [step for step in arms() if step.record.step.arm == "baseline"]
    unlike = [step for step in arms() if step.record.step.arm == "candidate"][3:]
    assert judged([*baseline, *unlike, *bad])["reasons"] == [
        f"The step b1 and 1 more stayed invalid: {whys[0]}.", f"The step b3 stayed invalid: {whys[2]}."
    ]  # fmt: skip


def test_a_run_that_ended_early_is_invalid_unless_a_breach_is_proven() -> None:
    """What was measured until then can condemn, but not acquit."""
    assert judged(arms(), stopped="Ctrl-C.")["reasons"] == ["The run ended early: Ctrl-C."]
    assert judged(arms(), stopped="Ctrl-C.")["exit_code"] == 4
    failed = judged(arms(0.2), stopped="Ctrl-C.")
    assert (failed["exit_code"], failed["reasons"][-1]) == (3, "The run ended early: Ctrl-C.")


@pytest.mark.parametrize(
    ("good", "status", "code", "reason"),
    [(100, "pass", 0, "The SLO is met at 1 of 1 gated points."),
     (94, "pass", 0, "The SLO is met at 0 of 1 gated points, undecided at 1."),
     (50, "fail", 3, "service, short/long at 8 users: 50.0% of the requests were good, 95% must be.")],
)  # fmt: skip
def test_the_slo_of_a_single_arm(good: int, status: str, code: int, reason: str) -> None:
    """One arm has limits and no recommendation; undecided is not breached."""
    said = judged([served(good)], ONE)

    assert (said["status"], said["exit_code"], said["reasons"][0]) == (status, code, reason)
    assert "recommendation" not in said


def test_nothing_gated_passes_and_says_so() -> None:
    """One arm without limits: exit code 0, and how to get a verdict that can fail."""
    said = judged([served(100)], scenario(("service",)))

    assert (said["status"], said["exit_code"]) == ("pass", 0)
    assert said["reasons"] == ["Nothing was gated: add [slo] limits or a second arm for a verdict that can fail."]


def test_a_run_without_an_answer_is_no_pass() -> None:
    """One arm, nothing gated, every request failed: nothing was measured, and a night must not count it as good."""
    said = judged([measured([], failed=20, arm="service")], scenario(("service",)))

    assert (said["status"], said["exit_code"]) == ("invalid", 4)


def test_an_error_rate_is_a_gate() -> None:
    """Alone it passes with its own sentence, fails when breached, and an invalid gated step is invalid."""
    only = scenario(("service",), slo={"error_rate": 0.05})
    invalid = served(100, block=2, valid=False, why_invalid=("x",))

    assert judged([served(100)], only)["reasons"] == [
        "No gated point is proven to fail more than 5.0% of its requests."
    ]
    assert judged([measured([0.1] * 50, failed=50, arm="service")], only)["exit_code"] == 3
    assert judged([served(100), invalid], only)["status"] == "invalid"


def test_an_ungated_step_may_stay_invalid() -> None:
    """Above the operating point, or without any gate, it only leaves its point out."""
    above = served(100, concurrency=64, valid=False, why_invalid=("x",))

    assert judged([served(100), above], ONE)["status"] == "pass"
    assert judged([served(100), above], scenario(("service",)))["status"] == "pass"


def test_no_step_or_no_valid_one_is_invalid() -> None:
    """A measurement without measurements never passes, gated or not."""
    bad = served(100, valid=False, why_invalid=("x",))

    for asked in (ONE, scenario(("service",))):
        assert judged([], asked)["reasons"] == ["No step was measured."]
        assert judged([bad], asked)["exit_code"] == 4


def test_a_breach_outranks_an_invalid_step() -> None:
    """Proven is proven: exit code 3."""
    assert judged([served(0), served(100, block=2, valid=False, why_invalid=("x",))], ONE)["exit_code"] == 3
