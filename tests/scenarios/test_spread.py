"""Distributions of sizes: what is written is what is drawn, cut where nothing is possible; nothing else is taken."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scenarios.spread import STEPS, mean_size, size, spread_of

WRITTEN = {
    "normal(480,240)": lambda least: stats.truncnorm((least - 0.5 - 480) / 240, np.inf, 480, 240),
    "lognormal(5.2, 0.6)": lambda _: stats.lognorm(0.6, scale=math.exp(5.2)),
    "uniform(100,900)": lambda _: stats.uniform(100, 800),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_draws_follow_the_distribution(text: str) -> None:
    """20,000 draws by quantile against scipy's (Kolmogorov-Smirnov, rounding aside); the mean is theirs."""
    spread, known = spread_of(text), WRITTEN[text](9)
    draws = np.array([spread.size(share, 9) for share in np.random.default_rng(1).random(20_000)], dtype=float)
    smooth = draws + np.random.default_rng(2).random(len(draws)) - 0.5
    assert stats.kstest(smooth, known.cdf).pvalue > 0.01
    assert spread.mean(9) == pytest.approx(known.mean(), rel=0.005)


@pytest.mark.parametrize("text", WRITTEN)
def test_the_sizes_of_prompts_stand_for_the_distribution(text: str) -> None:
    """32 sizes: their distribution differs by 1/64 at most (and rounding), their mean by 1 %."""
    spread = spread_of(text)
    sizes = spread.sizes(9)
    known = WRITTEN[text](9)
    shares = [(sum(one <= value for one in sizes) / STEPS, float(known.cdf(value + 0.5))) for value in sizes]
    assert max(abs(ours - theirs) for ours, theirs in shares) <= 1 / 64 + 0.01
    assert sum(sizes) / STEPS == pytest.approx(spread.mean(9), rel=0.01)
    assert list(sizes) == sorted(sizes)


def test_a_list_is_drawn_in_equal_parts() -> None:
    """Three values, each a third; a TOML list and its text are the same."""
    spread = spread_of(size([100, 200, 4000]))
    drawn = [spread.size((i + 0.5) / 300) for i in range(300)]
    assert {value: drawn.count(value) for value in set(drawn)} == {100: 100, 200: 100, 4000: 100}


@given(
    kind=st.sampled_from(["normal", "lognormal", "uniform"]), first=st.floats(0.1, 1e4), second=st.floats(0.1, 1e4),
    share=st.floats(0, 1, exclude_max=True), least=st.integers(1, 1000),
)  # fmt: skip
def test_every_draw_is_possible(kind: str, first: float, second: float, share: float, least: int) -> None:
    """Whatever is accepted draws whole numbers from the least possible one on, more for a larger share."""
    try:
        spread = spread_of(f"{kind}({first},{second})")
    except ValueError:
        return  # the test below says what of it is told
    drawn = spread.size(share, least)
    assert least <= drawn <= 10_000_000
    assert spread.size(share / 2, least) <= drawn


WRONG = [
    "normal", "normal(1)", "normal(1,2,3)", "normal(a,b)", "normal(480,-1)", "normal(480,0)", "normal(nan,1)", "b(1)",
    "uniform(9,3)", "uniform(0,10)", "lognormal(50,1)", [], ["a"], [0], [True], 0, -3, 1.5, True, None, {}, "values()",
]  # fmt: skip


@pytest.mark.parametrize("value", WRONG, ids=str)
def test_anything_else_says_what_is_accepted(value: object) -> None:
    """One line."""
    with pytest.raises(ValueError, match=r"expected|above 0|from") as wrong:
        size(value)
    assert "\n" not in str(wrong.value)


def test_the_mean_of_a_size() -> None:
    """A number is itself; a data set's is what is expected of it."""
    assert (mean_size(7, 0), mean_size("data", 512), mean_size("uniform(10,30)", 0)) == (7, 512, 20)
