"""The moderated t: Smyth's prior found again, the plain t where there is nothing to borrow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from reports.moderated import inverse_trigamma, p_greater, prior, spreads

PAIRS = 6


def p_of(values: np.ndarray) -> np.ndarray:
    return p_greater(values.mean(axis=-1), spreads(values.var(axis=-1, ddof=1), PAIRS), PAIRS)


@given(st.floats(1e-6, 1e6))
def test_the_inverse_of_trigamma(value: float) -> None:
    """trigamma(inverse(x)) is x over twelve orders of magnitude."""
    assert special.polygamma(1, float(inverse_trigamma(value))) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize(("scale", "freedom"), [(4e-4, 4.0), (6.4e-3, 8.0), (1.0, 30.0)])
def test_a_known_prior_is_found(scale: float, freedom: float) -> None:
    """Variances drawn as Smyth has them, 20,000 at once: s0^2 within 2 %, d0 within 15 %."""
    draws = np.random.default_rng(3)
    true = scale * freedom / draws.chisquare(freedom, 20_000)
    seen = true * draws.chisquare(PAIRS - 1, 20_000) / (PAIRS - 1)
    found = prior(seen, np.full(20_000, PAIRS - 1.0))

    assert float(found.scale) == pytest.approx(scale, rel=0.02)
    assert float(found.freedom) == pytest.approx(freedom, rel=0.15)


def test_spreads_that_are_all_the_same_are_one() -> None:
    """Equal variances and unequal numbers of pairs: the prior is worth more than any of them, and wins."""
    spread = spreads(np.full(10, 4e-4), np.array([4, 5, 6, 7, 8, 4, 5, 6, 7, 8]))

    assert np.ptp(spread.sd) < 0.1 * spread.sd.mean()
    assert (spread.freedom > 7).all()
    assert (spread.freedom <= 50).all(), "never more than all blocks together"


@given(st.lists(st.floats(-1, 1), min_size=PAIRS, max_size=PAIRS).filter(lambda v: np.std(v) > 1e-6))
def test_alone_it_is_the_plain_t(values: list[float]) -> None:
    """One comparison, or three, borrow nothing: scipy's own t test."""
    expected = stats.ttest_1samp(values, 0, alternative="greater").pvalue

    assert p_of(np.array([values])).tolist() == pytest.approx([expected], abs=1e-9)
    assert p_of(np.array([values] * 3)).tolist() == pytest.approx([expected] * 3, abs=1e-9)


@pytest.mark.parametrize(("value", "p"), [(0.1, 0.0), (0.0, 1.0), (-0.1, 1.0)])
def test_values_without_spread_are_decided_by_their_sign(value: float, p: float) -> None:
    """A simulator without noise gives the same ratio in each block: no division by zero, no NaN; few or many."""
    for count in (1, 9):
        assert p_of(np.full((count, PAIRS), value)).tolist() == pytest.approx([p] * count, abs=1e-30)


def test_a_spread_that_is_small_by_luck_is_drawn_up() -> None:
    """Nine points vary by 2 %, one of them by 0.2 % in its six blocks: alone it proves a lot, among the others less."""
    draws = np.random.default_rng(5).normal(0, 0.02, (9, PAIRS))
    draws[0] = 0.005 + (draws[0] - draws[0].mean()) / 10
    alone, among = float(p_of(draws[:1])[0]), float(p_of(draws)[0])

    assert alone < 0.01
    assert among > 10 * alone
