"""How often the gate is wrong, and what it finds: simulated under METRICS' "Noise model for simulated tests"."""

from __future__ import annotations

import math

import numpy as np
import pytest
from measurements import cell, pairs, scenario
from noise import CELLS, METRICS, RUNGS, STEADY_SD, TTFT_SD, exit_codes, full, gate, identical, matrices, p_values

from reports.compare import ALPHA, comparisons
from reports.stats import upper_bound

AB = scenario()


@pytest.mark.parametrize("disturbed", [0.0, 0.2])
@pytest.mark.parametrize("points", [CELLS + RUNGS, 54, 5])
def test_false_alarms_on_identical_arms(disturbed: float, points: int) -> None:
    """At most 123 of 2,000 runs (5 % and chance) reject anything, also when a 30 % disturbance hits 20 % of blocks."""
    groups = identical(2000, 0, disturbed, points)
    rejected = (p_values(groups) < ALPHA).any(axis=1)

    assert int(rejected.sum()) <= 123
    assert int((gate(groups) == "worse").any(axis=1).sum()) <= int(rejected.sum())


def test_the_gate_on_pairs_is_the_gate_on_arrays() -> None:
    """What is simulated is what runs: both ways give the same words for the same numbers."""
    values = matrices(3, STEADY_SD, 5) + np.linspace(-0.2, 0.2, CELLS + RUNGS)[:, None]
    for run, words in zip(values, gate([values]), strict=True):
        said = comparisons([pairs(point, cell=cell(i)) for i, point in enumerate(run)], AB)
        assert [c["verdict"] for c in said] == words.tolist()


def test_coverage_of_the_interval_under_this_noise() -> None:
    """930 to 970 of 1,000 intervals hold the truth though the noise has heavy tails."""
    values = matrices(1000, STEADY_SD, 11)[:, 0] + 0.03
    held = 0
    for row in values:
        low, high = comparisons([pairs(row)], AB)[0]["ci"]
        held += low <= math.exp(0.03) <= high

    assert 930 <= held <= 970


@pytest.mark.parametrize("sd", [STEADY_SD, 0.03])
def test_a_whole_cell_that_is_slower_is_found(sd: float) -> None:
    """10 % at sd 2 % or 3 % in one cell of one of four metrics: named in at least 95 % of 1,000 (measured: 100 %)."""
    others = [group for i, other in enumerate((sd, sd, TTFT_SD)) for group in full(1000, other, 22 + i)]

    assert (gate([*full(1000, sd, 21, slice(0, 6)), *others])[:, 0] == "worse").mean() >= 0.95


@pytest.mark.parametrize(("sd", "least"), [(STEADY_SD, 0.95), (0.03, 0.88)])
def test_a_single_slower_rung_is_found(sd: float, least: float) -> None:
    """10 % at one of 54 points of one of four metrics: in 95 % of 1,000 at sd 2 % (measured: 99), at 3 % in 92 %."""
    others = [group for i, other in enumerate((sd, sd, TTFT_SD)) for group in full(1000, other, 32 + i)]

    assert (gate([*full(1000, sd, 31, 3), *others])[:, CELLS + 3] == "worse").mean() >= least


def test_identical_full_designs_are_told_apart_as_rarely() -> None:
    """Cells and rungs of four metrics are one family: at most 123 of 2,000."""
    groups = [group for i, sd in enumerate(METRICS) for group in full(2000, sd, 61 + i)]

    assert int((p_values(groups) < ALPHA).any(axis=1).sum()) <= 123


def test_identical_arms_are_rarely_inconclusive() -> None:
    """The roll-up with TTFT and TPOT gated: 0 to 2 % of 4,000 runs cannot rule out 5 % (measured: 1.6 %, all TTFT)."""
    bounds_of = [upper_bound(matrices(4000, sd, seed).mean(axis=1)) for seed, sd in ((41, TTFT_SD), (42, STEADY_SD))]
    ttft, tpot = (float((bound > math.log(1.05)).mean()) for bound in bounds_of)

    assert 0.005 <= ttft <= 0.02
    assert tpot == 0


def test_identical_arms_end_in_0_and_hardly_ever_in_3() -> None:
    """Of 10,000 runs of the default cross at least 95 % end in 0 (measured: 97.0) and at most 3 in 3 (measured: 0)."""
    codes = exit_codes(identical(10_000, 100))

    assert (codes == 0).mean() >= 0.95
    assert (codes == 3).sum() <= 3


def test_a_run_that_is_slower_everywhere_is_not_passed() -> None:
    """6 % slower at every point, at 8 % noise: the mean over all points rules 5 % out in at most 5 % of 1,000 runs."""
    slower = matrices(1000, TTFT_SD, 51) + math.log(1.06)

    assert (upper_bound(slower.mean(axis=1)) <= math.log(1.05)).mean() <= 0.05
