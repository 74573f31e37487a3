"""The estimators: against published values, against brute force, and against simulations whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.stats import (
    bounds,
    holm,
    mean_interval,
    needed,
    pairs_needed,
    quantile,
    share_bounds,
    smallest_effect,
    upper_bound,
)

finite = st.floats(-10, 10)


def test_quantiles_need_five_requests_beyond_them() -> None:
    """n (1 - q) >= 5: 10, 50, 100 and 500 requests."""
    assert [needed(q) for q in (0.5, 0.9, 0.95, 0.99)] == [10, 50, 100, 500]


@given(st.lists(st.floats(0, 1e6), max_size=60), st.integers(0, 20), st.floats(0.001, 0.999))
def test_a_quantile_is_the_nearest_rank_with_failures_last(ok: list[float], failed: int, q: float) -> None:
    """The smallest value that at least a share q of all requests does not exceed, failed ones being infinite."""
    everything = sorted(ok) + [math.inf] * failed
    expected = next((v for i, v in enumerate(everything, 1) if i >= q * len(everything) - 1e-6), None)

    assert quantile(np.sort(ok), failed, q) == expected


def test_failing_the_slowest_does_not_improve_p95() -> None:
    """Of 1,000 requests the slowest 6 % time out: p95 becomes infinite, while the ok-only p95 falls."""
    latencies = np.sort(np.random.default_rng(1).lognormal(0, 0.5, 1000))
    kept = latencies[:940]

    assert quantile(kept, 60, 0.95) == math.inf
    assert quantile(kept, 0, 0.95) < quantile(latencies, 0, 0.95)
    assert quantile(kept, 60, 0.90) == quantile(latencies, 0, 0.90)


def test_no_request_has_no_quantile() -> None:
    """Nothing was sent: there is nothing to say, and nothing is 0."""
    assert quantile(np.empty(0), 0, 0.5) is None


def test_the_interval_of_a_mean_is_students() -> None:
    """Mean 5 +- t(0.975, 3) s / 2 of four values; the quantile of t is the table's 3.182."""
    interval = mean_interval([2.0, 4.0, 6.0, 8.0])

    assert interval.mean == 5
    assert interval.high - 5 == pytest.approx(3.18245 * 2.58199 / 2, rel=1e-5)
    assert interval.low == pytest.approx(10 - interval.high)


def test_one_value_has_no_interval_and_proves_nothing() -> None:
    """One block says where the mean may be, not how sure that is."""
    assert mean_interval([3.0]).low is None
    assert mean_interval([3.0]).high is None


@given(st.lists(finite, min_size=2, max_size=12).filter(lambda v: np.std(v) > 1e-6))
def test_the_bound_is_that_of_a_one_sided_t_test(values: list[float]) -> None:
    """The bound and the interval agree with scipy's own t test."""
    expected = stats.ttest_1samp(values, 0, alternative="greater")
    low, high = expected.confidence_interval(0.95)

    assert -float(upper_bound(-np.asarray(values))) == pytest.approx(low, abs=1e-9)
    assert high == math.inf


@given(st.lists(st.lists(finite, min_size=4, max_size=4), min_size=1, max_size=5))
def test_many_at_once_are_each_alone(rows: list[list[float]]) -> None:
    """The last axis holds the pairs: a table of comparisons gives what its rows give one by one."""
    assert bounds(rows)[0].tolist() == pytest.approx([float(bounds(row)[0]) for row in rows])


def test_holms_example() -> None:
    """0.01, 0.04, 0.03, 0.005 become 0.03, 0.06, 0.06, 0.02 (each x those not yet rejected, never falling)."""
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_lies_between_no_correction_and_bonferroni(p: list[float]) -> None:
    """It raises each p at most n-fold, keeps their order, and never exceeds 1."""
    adjusted = holm(p)

    assert all(before <= after <= min(1, len(p) * before) + 1e-12 for before, after in zip(p, adjusted, strict=True))
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


def test_an_empty_family_is_no_error() -> None:
    """Nothing was gated: nothing to adjust."""
    assert holm([]).tolist() == []


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(59, 59, 0.9505, 1.0), (58, 58, 0.9497, 1.0), (0, 20, 0.0, 0.1391), (9, 10, 0.6058, 0.9949), (0, 0, 0.0, 1.0)],
)
def test_bounds_of_a_share_are_exact(hits: int, count: int, low: float, high: float) -> None:
    """Clopper and Pearson, one-sided 95 %: 59 of 59 good requests are the fewest that show 95 %."""
    assert share_bounds(hits, count) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 300), st.data())
def test_bounds_of_a_share_are_binomial_tails(count: int, data: st.DataObject) -> None:
    """At either bound the seen number of hits, or one further out, has a probability of 5 %."""
    hits = data.draw(st.integers(0, count))
    low, high = share_bounds(hits, count)

    assert low <= hits / count <= high
    assert hits == 0 or stats.binom.sf(hits - 1, count, low) == pytest.approx(0.05, abs=1e-6)
    assert hits == count or stats.binom.cdf(hits, count, high) == pytest.approx(0.05, abs=1e-6)


def test_bounds_of_a_share_cover_it() -> None:
    """True share 94 %: 60 requests, 4,000 times; each bound holds in at least 95 % (exact, so not less)."""
    hits = np.random.default_rng(2).binomial(60, 0.94, 4000)
    bounds_of = {int(n): share_bounds(int(n), 60) for n in np.unique(hits)}
    above = sum(bounds_of[int(n)][0] > 0.94 for n in hits)
    below = sum(bounds_of[int(n)][1] < 0.94 for n in hits)

    assert above <= 0.05 * 4000
    assert below <= 0.05 * 4000


@pytest.mark.parametrize("pairs", [3, 4, 6, 10])
def test_a_95_percent_interval_covers_the_truth_in_95_percent(pairs: int) -> None:
    """Of 1,000 runs with normal noise, 930 to 970 hold the true log ratio; a bootstrap of few blocks would not."""
    runs = np.random.default_rng(pairs).normal(math.log(1.07), 0.02, (1000, pairs))
    low, high = bounds(runs)

    assert 930 <= int(((low <= math.log(1.07)) & (math.log(1.07) <= high)).sum()) <= 970


@pytest.mark.parametrize(("pairs", "alpha"), [(4, 0.05), (6, 0.05 / 68), (12, 0.01)])
def test_the_smallest_effect_is_found_four_times_in_five(pairs: int, alpha: float) -> None:
    """mde is claimed for a power of 0.8; at 4,000 runs chance moves that by less than 0.02."""
    effect = smallest_effect(0.02, pairs, alpha)
    runs = np.random.default_rng(pairs).normal(effect, 0.02, (4000, pairs))

    found = stats.ttest_1samp(runs, 0, axis=1, alternative="greater").pvalue < alpha
    assert float(found.mean()) == pytest.approx(0.8, abs=0.02)


def test_borrowed_freedom_shows_smaller_effects() -> None:
    """A moderated spread is better known: the same pairs show less than they would alone, never less than a normal."""
    alone, borrowed, known = (smallest_effect(0.02, 6, 0.001, more) for more in (0.0, 8.0, 500.0))
    assert alone > borrowed > known > 0.02 * (stats.norm.isf(0.001) + stats.norm.ppf(0.8)) / math.sqrt(6)


def test_pairs_needed_is_the_first_number_that_shows_the_effect() -> None:
    """One pair fewer would not do; no spread needs two; an effect lost in noise needs more than anyone runs."""
    count = pairs_needed(0.05, math.log(1.05), 0.001)

    assert count is not None
    assert smallest_effect(0.05, count, 0.001) <= math.log(1.05) < smallest_effect(0.05, count - 1, 0.001)
    assert pairs_needed(0.0, 0.05, 0.001) == 2
    assert pairs_needed(5.0, 0.05, 0.001) is None
