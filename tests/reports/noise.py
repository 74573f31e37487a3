"""METRICS' "Noise model for simulated tests of the gate", and the gate on many runs at once."""

from __future__ import annotations

import math

import numpy as np

from reports.compare import beyond, proven, verdicts
from reports.moderated import p_greater, spreads
from reports.stats import holm, upper_bound

TEN_PERCENT = math.log(1.10)
CELLS, RUNGS, BLOCKS = 9, 5, 6
STEADY_SD, TTFT_SD = 0.02, 0.08
METRICS = (TTFT_SD, STEADY_SD, STEADY_SD, STEADY_SD)  # TTFT, TPOT, E2E, good requests/s
THRESHOLD = 0.05


def matrices(runs: int, sd: float, seed: int, disturbed: float = 0.0, points: int = CELLS + RUNGS) -> np.ndarray:
    """Log ratios of identical arms, runs x points x blocks; by default 9 cells and 5 further rungs.

    A common N(0, 1 %) per block, t4 noise scaled to `sd`, whose sd is lognormal +-30 % over the points.
    """
    draw = np.random.default_rng(seed)
    shape = (runs, points, BLOCKS)
    sds = sd * np.exp(draw.normal(0, 0.3, (*shape[:2], 1)))
    noise = draw.standard_t(4, shape) / math.sqrt(2) * sds
    hit = draw.random((runs, 1, BLOCKS)) < disturbed
    return draw.normal(0, 0.01, (runs, 1, BLOCKS)) + noise + hit * draw.choice([-0.3, 0.3], (runs, 1, BLOCKS))


Groups = list[np.ndarray]  # runs x comparisons x blocks, of one metric and level each


def p_values(groups: Groups, sign: int = 1) -> np.ndarray:
    """Adjusted, of all groups as one family; each group moderates its own spreads."""
    found = [
        p_greater(sign * group.mean(axis=-1), spreads(group.var(axis=-1, ddof=1), BLOCKS), BLOCKS) for group in groups
    ]
    return holm(np.concatenate(found, axis=1))


def gate(groups: Groups, threshold: float = THRESHOLD) -> np.ndarray:
    """The words that the gate says about runs x comparisons, each run one family."""
    return verdicts(np.concatenate(groups, axis=1), p_values(groups), p_values(groups, -1), threshold)


def full(runs: int, sd: float, seed: int, slow: slice | int | None = None) -> Groups:
    """A full design as it is tested: 9 cells, each the mean of its 6 rungs, and the 54 rungs; `slow` ones by 10 %."""
    points = matrices(runs, sd, seed, points=54)
    if slow is not None:
        points[:, slow] += TEN_PERCENT
    return [points.reshape(runs, CELLS, 6, BLOCKS).mean(axis=2), points]


def identical(runs: int, seed: int, disturbed: float = 0.0, points: int = CELLS + RUNGS) -> Groups:
    """Runs of two arms that are the same thing: four metrics."""
    return [matrices(runs, sd, seed + number, disturbed, points) for number, sd in enumerate(METRICS)]


def exit_codes(groups: Groups) -> np.ndarray:
    """The exit code of each run by its comparisons alone, a group for each metric: 3, 4 or 0."""
    said, p = gate(groups), p_values(groups)
    failed = ((said == "worse") & proven(p, beyond(np.concatenate(groups, axis=1), THRESHOLD), BLOCKS)).any(axis=1)
    unproven = np.any([upper_bound(group.mean(axis=1)) > math.log1p(THRESHOLD) for group in groups], axis=0)
    return np.where(failed, 3, np.where(unproven | (said == "worse").any(axis=1), 4, 0))
