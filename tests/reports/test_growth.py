"""How throughput grows: known laws fitted, the knee where a doubling stops to pay."""

from __future__ import annotations

import math

import numpy as np
import pytest
from measurements import measured

from reports.growth import fitted, growth, law

RUNGS = (1, 2, 4, 8, 16, 32)


@pytest.mark.parametrize(("sigma", "kappa"), [(0.0, 0.0), (0.05, 0.0), (0.02, 0.001), (0.1, 0.004)])
def test_a_known_law_is_found(sigma: float, kappa: float) -> None:
    """Without noise the three parameters come back, and the peak where the law has it."""
    users = np.array(RUNGS, dtype=float)
    found = fitted(users, law(users, 3.0, sigma, kappa))

    assert found is not None
    assert found["lambda"] == pytest.approx(3.0, rel=1e-3)
    assert found["sigma"] == pytest.approx(sigma, abs=1e-3)
    assert found["kappa"] == pytest.approx(kappa, abs=1e-5)
    peak = math.sqrt((1 - sigma) / kappa) if kappa else math.inf
    assert found.get("peak") == (pytest.approx(peak, rel=1e-2) if peak <= 64 else None)


def ladder(rates: dict[int, float], blocks: int = 6, noise: float = 0.02, seed: int = 1) -> list:
    """Steps whose ok requests per second are these, with noise between the blocks."""
    draws = np.random.default_rng(seed)
    return [
        measured(
            ttft=np.full(20, 0.1), finished=rate * 10.0 * float(np.exp(draws.normal(0, noise))),
            concurrency=rung, block=block, id=f"{block}-{rung}",
        )
        for block in range(1, blocks + 1)
        for rung, rate in rates.items()
    ]  # fmt: skip


def test_the_knee_is_where_a_doubling_brings_less_than_a_fifth() -> None:
    """Twice up to 8, then 1.15: the knee is 8, its gain inside its interval; single doublings are listed."""
    (entry,) = growth(ladder({1: 10.0, 2: 20.0, 4: 40.0, 8: 80.0, 16: 92.0, 32: 93.0}))

    assert [(one["from"], one["to"]) for one in entry["gains"]] == [(1, 2), (2, 4), (4, 8), (8, 16), (16, 32)]
    assert entry["knee"]["rung"] == 8
    assert entry["knee"]["ci"][0] < 1.15 < entry["knee"]["ci"][1]
    assert [one["gain"] for one in entry["gains"]] == pytest.approx([2.0, 2.0, 2.0, 1.15, 93 / 92], rel=0.03)
    assert set(entry["law"]) >= {"lambda", "sigma", "kappa"}


def test_rungs_that_are_no_doublings_are_counted_per_doubling() -> None:
    """From 4 to 16 users twice the throughput is a gain of sqrt 2 per doubling."""
    (entry,) = growth(ladder({1: 1.0, 4: 4.0, 16: 8.0}, noise=0.0))

    assert [one["gain"] for one in entry["gains"]] == pytest.approx([2.0, math.sqrt(2)])
    assert "knee" not in entry
    assert "law" not in entry, "three rungs and three parameters"


def test_one_block_has_gains_without_intervals() -> None:
    """Nothing says how sure they are; two rungs are no ladder."""
    (entry,) = growth(ladder({1: 1.0, 2: 1.1, 4: 1.15}, blocks=1))

    assert "ci" not in entry["knee"]
    assert growth(ladder({1: 1.0, 2: 2.0})) == []


def test_intervals_of_gains_cover_the_truth() -> None:
    """Nominal 95 %: of 600 gains of six blocks with 3 % noise, 93 to 97 % hold theirs."""
    true, held = {1: 10.0, 2: 19.0, 4: 34.0, 8: 50.0}, []
    for seed in range(200):
        (entry,) = growth(ladder(true, noise=0.03, seed=seed))
        held += [one["ci"][0] < true[one["to"]] / true[one["from"]] < one["ci"][1] for one in entry["gains"]]

    assert 0.93 <= np.mean(held) <= 0.97


def test_the_knee_is_found_under_noise() -> None:
    """Gains of 1.9 up to 8 users, then 1.1, between blocks that differ by 3 %: in 99 of 100 runs or more it is 8."""
    rates = {1: 10.0, 2: 19.0, 4: 36.1, 8: 68.6, 16: 75.4}
    knees = [growth(ladder(rates, noise=0.03, seed=seed))[0].get("knee", {}).get("rung") for seed in range(200)]

    assert np.mean([knee == 8 for knee in knees]) >= 0.99
