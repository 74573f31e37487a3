"""Models behind one endpoint: shares, figures of each, and the switching cost, against rows of known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reports.mix import shares, switch_cost
from scenarios.scenario import Arm, Model

OWN = {"a": 0.10, "b": 0.30}  # TTFT of each model: no part of the cost of switching


def block(seed: int, cost: float, count: int = 200, weights: tuple[float, float] = (0.75, 0.25)) -> pd.DataFrame:
    """Requests of two models in random order, whose TTFT is their own, noise, and `cost` after the other's."""
    draws = np.random.default_rng(seed)
    models = draws.choice(["a", "b"], count, p=weights)
    switched = np.append(False, models[1:] != models[:-1])
    ttft = np.array([OWN[model] for model in models]) + switched * cost + draws.normal(0, 0.01, count)
    frame = pd.DataFrame({"model": models, "sent_ns": np.arange(count), "ttft_s": ttft, "outcome": "ok"})
    return frame.sample(frac=1, random_state=seed)  # rows arrive in any order


def test_the_cost_of_switching_is_found_whatever_the_models_take() -> None:
    """40 ms between models of 100 and 300 ms, mixed 3 to 1: within 2 ms, inside its interval in most of 200 runs."""
    found = [switch_cost([block(6 * run + i, 0.04) for i in range(6)]) for run in range(200)]
    assert np.mean([one["cost_s"] for one in found]) == pytest.approx(0.04, abs=0.0005)
    assert max(abs(one["cost_s"] - 0.04) for one in found) < 0.004
    covered = sum(one["ci"][0] <= 0.04 <= one["ci"][1] for one in found)
    assert 180 <= covered <= 199


def test_nothing_is_found_where_nothing_is() -> None:
    """No cost: the interval holds 0 in most of 200 runs."""
    found = [switch_cost([block(6 * run + i, 0.0) for i in range(6)]) for run in range(200)]
    assert 180 <= sum(one["ci"][0] <= 0 <= one["ci"][1] for one in found) <= 199


def test_too_few_of_either_kind_are_no_figure() -> None:
    """One model alone, or models that always alternate, tell nothing; fewer than three blocks have no interval."""
    alone = block(1, 0.04).assign(model="a")
    alternating = block(1, 0.04).sort_values("sent_ns").assign(model=["a", "b"] * 100)
    assert switch_cost([alone, alternating]) is None
    assert "ci" not in switch_cost([block(1, 0.04), block(2, 0.04)])
    failed = block(1, 0.04).assign(outcome="timeout", ttft_s=np.nan)
    assert switch_cost([failed]) is None


def test_shares_are_weights_over_their_sum() -> None:
    """3 to 1 is three quarters; one model has all."""
    several = Arm(url="http://h", model=(Model(model="a", weight=3), Model(model="b")))
    assert shares(several) == {"a": 0.75, "b": 0.25}
    assert shares(Arm(url="http://h", model="m")) == {"m": 1.0}
