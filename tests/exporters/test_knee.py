"""The posterior of a knee: certain where probes agree, wide where they do not, and honest about what it was told."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from exporters.knee import Bounds, Knee, Probe, chance_met, find

USERS = Bounds(start=1, max=64, whole=True)
RATES = Bounds(start=1, max=64, whole=False)


def probes(*seen: tuple[float, float]) -> list[Probe]:
    return [Probe(load=load, met=met) for load, met in seen]


@given(st.integers(1, 400), st.data(), st.floats(0.5, 0.999))
def test_the_chance_of_a_probe_is_a_mid_p_value(sent: int, data: st.DataObject, attain: float) -> None:
    """chance_met is (P(X <= good) + P(X < good)) / 2, against scipy's binomial."""
    good = data.draw(st.integers(0, sent))
    expected = stats.binom.cdf(good, sent, attain) - stats.binom.pmf(good, sent, attain) / 2
    assert chance_met(good, sent, attain) == pytest.approx(expected, abs=1e-9)


def test_the_chance_where_there_is_nothing_to_count() -> None:
    """Without a request nothing is known; when all must be good, one that is not decides."""
    assert chance_met(0, 0, 0.95) == 0.5
    assert (chance_met(20, 20, 1.0), chance_met(19, 20, 1.0)) == (1.0, 0.0)


def test_many_requests_say_more_than_few() -> None:
    """All good: 200 requests are surer than 20; 95 of 100 against 95 % say nothing either way."""
    assert 0.75 < chance_met(20, 20, 0.95) < 0.9 < chance_met(200, 200, 0.95)
    assert chance_met(95, 100, 0.95) == pytest.approx(0.5, abs=0.05)


def test_agreeing_probes_at_neighbours_find_the_knee() -> None:
    """Met at 8 and missed at 9, often enough: the interval is [8, 9] and the knee lies between."""
    found = find(probes(*[(8, 0.99), (9, 0.01)] * 4), USERS)
    assert (found.state, found.meets, found.misses) == ("found", 8, 9)
    assert found.knee is not None
    assert 8 <= found.knee < 9


def test_one_probe_at_each_end_is_no_proof() -> None:
    """Repeats are asked for however clear the two probes were."""
    assert find(probes((8, 1.0), (9, 0.0)), USERS).state == "open"


def test_a_load_between_that_is_met_now_and_then_is_the_knee() -> None:
    """[7, 9] is not adjacent; but 8 was probed eight times with either outcome, and nothing else is open."""
    mixed = [(8.0, 0.99), (8.0, 0.01)] * 4
    found = find(probes(*[(6, 0.99), (7, 0.99), (9, 0.01), (10, 0.01)] * 4, *mixed), USERS)
    assert (found.state, found.meets, found.misses) == ("found", 7, 9)


def test_missed_at_the_start_and_met_at_the_end() -> None:
    """Neither is a capacity: the knee lies outside of what was asked."""
    below = find(probes(*[(1, 0.01)] * 6), USERS)
    above = find(probes(*[(64, 0.99)] * 6), USERS)
    assert (below.state, below.meets) == ("below", None)
    assert (above.state, above.misses) == ("above", None)


def test_an_invalid_probe_ends_the_search_without_a_capacity() -> None:
    """It counts neither as met nor as missed, and its reason is told."""
    seen = [*probes((8, 0.99)), Probe(load=16, met=0.01, valid=False, why="the client was the bottleneck: no time")]
    found = find(seen, USERS)
    assert (found.state, found.misses) == ("undecided", None)
    assert found.why == "the probe at 16 stayed invalid: the client was the bottleneck: no time"
    assert find(seen[1:], USERS).knee is None


def test_contradictions_make_it_wide_not_wrong() -> None:
    """Probes that contradict each other are noise: a larger spread, a wider interval, no end after all probes."""
    calm = find(probes(*[(10, 0.99), (12, 0.01)] * 6), RATES)
    noisy = find(probes(*[(10, 0.99), (12, 0.01), (10, 0.01), (12, 0.99)] * 6), RATES)
    assert calm.spread < noisy.spread
    assert calm.high / calm.low < noisy.high / noisy.low
    assert find(probes(*[(10, 0.99), (12, 0.01)] * 30), RATES).state == "wide"


@given(st.lists(st.tuples(st.floats(1, 64), st.floats(0, 1)), min_size=1, max_size=12))
def test_the_posterior_is_one(seen: list[tuple[float, float]]) -> None:
    """Chances fall with the load, quantiles rise with their share, and a finding's ends are in order."""
    knee = Knee(probes(*seen), RATES)
    chances = [knee.at_least(load) for load in (0.4, 1, 2, 8, 40, 64, 129)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] == pytest.approx(1)
    assert chances[-1] == pytest.approx(0)
    found = find(probes(*seen), RATES)
    assert found.low <= found.knee <= found.high
    assert found.meets is None or found.misses is None or found.meets < found.misses
    assert math.isfinite(found.spread)
