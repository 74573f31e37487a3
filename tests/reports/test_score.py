"""The conclusive score: its parts by hand, what it leaves out, its interval, and what it never does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from measurements import measured
from test_cost_example import asked, costed, steps

from reports.cost_missing import Missing
from reports.measured import Measured
from reports.score import points, score, scores
from reports.score_parts import Part, part_of
from reports.waste import Wasted

NOTHING = Missing("waste", "not measured", "add [tasks]")
UNKNOWN = Wasted({"arms": []})


def one(**found: Part | Missing) -> dict[str, Any]:
    """A score of these parts; those that are not given are not measured."""
    return score(("a", "b"), {name: found.get(name, NOTHING) for name in ("tokens", "waste", "gpu", "energy")}, {})


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, 50), (1 / 1.2, 100), (1.2, 0), (0.5, 100), (3.0, 0), (0.0, 100)])
def test_half_is_unchanged_and_a_fifth_is_all(ratio: float, expected: float) -> None:
    """50 - 50 ln(ratio) / ln 1.2, clipped; from nothing to nothing is unchanged, from nothing to something is 0."""
    assert points(ratio) == pytest.approx(expected)
    assert Part("x", 0.0, 0.0).ratio == 1.0
    assert points(Part("x", 0.0, 1.0).ratio) == 0.0


def test_the_worked_example_scores_what_the_document_says() -> None:
    """docs/cost.md: tokens 83.3, GPUs 100, people 42.5; weights 1, 2, 1 of 6, so 81.5; waste and energy left out."""
    (found,) = scores(steps(), costed(steps(), asked()), UNKNOWN, asked())

    assert {part["name"]: round(part["score"], 1) for part in found["parts"]} == {
        "tokens": 83.3, "gpu": 100.0, "people": 42.5,
    }  # fmt: skip
    assert round(found["score"], 1) == 81.5
    assert found["measured_weight"] == pytest.approx(4 / 6)
    assert [entry["name"] for entry in found["left_out"]] == ["waste", "energy"]
    assert all(entry["advice"] for entry in found["left_out"])
    assert "interval" not in found


def test_below_sixty_per_cent_of_the_weight_there_is_no_score() -> None:
    """Tokens and GPUs are 3 of 5 here, and enough; GPUs alone are 2 of 5, and are not."""
    cheaper = Part("x", 1.0, 0.9)

    assert "score" in one(tokens=cheaper, gpu=cheaper)
    assert "score" not in one(gpu=cheaper)


def test_weights_are_the_scenario_s_and_zero_is_out() -> None:
    """A part of weight 0 is neither counted nor named as missing."""
    found = score(("a", "b"), {"tokens": Part("x", 1.0, 1.2), "gpu": NOTHING}, {"gpu": 0.0})

    assert (found["score"], found["measured_weight"], found["left_out"]) == (pytest.approx(0.0), 1.0, [])


def test_with_one_arm_or_without_prices_there_is_no_score() -> None:
    """Nothing changes, or nothing is known of what it costs."""
    mine = [step for step in steps() if step.record.step.arm == "baseline"]
    one_arm, unpriced = asked(arms=("baseline",)), asked(cost={})

    assert scores(mine, costed(mine, one_arm), UNKNOWN, one_arm) == []
    assert scores(steps(), costed(steps(), unpriced), UNKNOWN, unpriced) == []


def test_the_interval_covers_the_true_score() -> None:
    """Over simulated blocks of known parts the 95 % interval holds the true score in 93 to 97 % of 2,000 runs."""
    rng, covered, tokens, gpu = np.random.default_rng(1), 0, math.log(0.95), math.log(1.04)
    truth = (points(0.95) + 2 * points(1.04)) / 3
    for _ in range(2000):
        drawn = [{b: math.exp(mean + rng.normal(0, 0.02)) for b in range(6)} for mean in (tokens, gpu)]
        level = dict.fromkeys(range(6), 1.0)
        found = one(**{n: part_of("x", (1.0, 1.0), (level, d)) for n, d in zip(("tokens", "gpu"), drawn, strict=True)})
        covered += found["interval"][0] <= truth <= found["interval"][1]

    assert 0.93 <= covered / 2000 <= 0.97


def test_tokens_are_paired_block_by_block() -> None:
    """Each block's money of a request on both arms: 300 and 240 output tokens against 1,000 input ones."""
    blocks = [_tasks(arm, made, b) for b in (1, 2, 3) for arm, made in (("baseline", 300 + b), ("candidate", 240 + b))]
    (found,) = scores(blocks, costed(blocks, asked()), UNKNOWN, asked())
    (part,) = found["parts"]

    assert part["ratio"] == pytest.approx(
        math.prod((135 + 0.6 * (240 + b)) / (135 + 0.6 * (300 + b)) for b in (1, 2, 3)) ** (1 / 3)
    )
    assert part["ratio_ci"][0] < part["ratio"] < part["ratio_ci"][1]


def _tasks(arm: str, made: int, block: int) -> Measured:
    tokens = {"input_tokens": [1000] * 20, "cached_tokens": [200] * 20, "output_tokens": [made] * 20}
    place = {"cell": None, "workload": "task", "block": block, "id": f"{arm}-{block}"}
    return measured([0.2] * 20, arm=arm, **place, **tokens)
