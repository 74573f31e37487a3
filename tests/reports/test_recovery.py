"""When a service is well again, and whether it drifts, against soaks whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.recovery import Requests, bin_width, binned, drift, ill, level, recovery

RATE, END, HOLD = 40.0, 120.0, 6.0


def soak(seed: int, broken: tuple[float, float] | None, slow: float = 1.0, bad: float = 0.01) -> Requests:
    """Poisson requests of about 0.1 s; while broken, half of them fail or (slow > 1) all take longer."""
    draws = np.random.default_rng(seed)
    at = np.sort(draws.uniform(0, END, draws.poisson(RATE * END)))
    inside = (at >= broken[0]) & (at < broken[1]) if broken else np.zeros(len(at), dtype=bool)
    ok = draws.random(len(at)) >= np.where(inside & (slow == 1.0), 0.5, bad)
    e2e = 0.1 * np.exp(draws.normal(0, 0.2, len(at))) * np.where(inside, slow, 1.0)
    return Requests(at, at + e2e, ok, ok, e2e / 2, e2e / 10, e2e)


def found(requests: Requests, attain: float | None, at: float = 50.0) -> tuple[str, float | None, float]:
    width = bin_width(RATE, HOLD)
    bins = binned(requests, width, END)
    flags = ill(bins, attain, slice(0, int(at / width)))
    assert flags is not None
    one = recovery(flags, width, (at, END), HOLD)
    return one.state, one.seconds, width


@pytest.mark.parametrize(("attain", "slow"), [(0.95, 1.0), (None, 1.0), (None, 1.5)])
def test_a_known_recovery_is_found_within_a_bin(attain: float | None, slow: float) -> None:
    """Broken for 15 s: with failures against a limit or against before, or only slower; of 100 seeds 97 or more."""
    hits = 0
    for seed in range(100):
        state, seconds, width = found(soak(seed, (50.0, 65.0), slow), attain)
        hits += state == "recovered" and seconds is not None and abs(seconds - 15.0) <= width + 1e-9
    assert hits >= 97, hits


@pytest.mark.parametrize("attain", [0.95, None])
def test_nothing_that_happened_is_called_unaffected(attain: float | None) -> None:
    """Without any disturbance: of 200 seeds 97 in 100 say so."""
    states = [found(soak(seed, None), attain)[0] for seed in range(200)]

    assert states.count("unaffected") >= 194, states


def test_what_stays_broken_is_not_recovered_and_what_was_broken_before_is_no_effect() -> None:
    """To the end: not recovered. Already before: nothing can be said. Next event too soon: nothing either."""
    assert found(soak(1, (50.0, END)), 0.95)[0] == "not recovered"
    assert found(soak(1, (20.0, 90.0)), 0.95)[0] == "ill before"
    flags = np.zeros(100, dtype=bool)
    assert recovery(flags, 1.0, (50.0, 54.0), HOLD).state == "too short"


def test_a_bin_without_a_request_is_ill() -> None:
    """All users hang for 5 s: nothing is sent, and that is no sign of health."""
    requests = soak(2, None)
    kept = (requests.at < 50) | (requests.at > 55)
    silent = Requests(*(getattr(requests, name)[kept] for name in requests.__struct_fields__))
    state, seconds, width = found(silent, 0.95)

    assert state == "recovered"
    assert seconds == pytest.approx(5.0, abs=width)


def test_the_end_of_a_spike_asks_not_how_it_was_before() -> None:
    """Ill all through the spike and for 4 bins after it: recovered after 4, though it was ill before."""
    flags = np.array([0] * 20 + [1] * 10 + [1] * 4 + [0] * 20, dtype=bool)

    assert recovery(flags, 1.0, (30.0, 54.0), HOLD).state == "ill before"
    assert recovery(flags, 1.0, (30.0, 54.0), HOLD, was_well=False).seconds == 4.0


def test_what_was_in_flight_belongs_to_what_happened() -> None:
    """Sent at 9 and ended at 12: touched by what came at 10, so the time before 9 alone is calm."""
    at, end = np.array([1.0, 9.0, 9.5, 11.0]), np.array([2.0, 12.0, 9.8, 11.5])
    flags = np.ones(4, dtype=bool)
    requests = Requests(at, end, flags, flags, at, at, at)

    assert requests.calm(10.0) == 9.0
    assert requests.calm(3.0) == 3.0
    assert requests.touched(10.0, 11.2).tolist() == [False, True, False, True]


def test_ill_bins_after_the_recovery_are_counted() -> None:
    """Ill for 3 bins, well for 10, ill for 2, well: recovered after 3, with 2 relapses."""
    flags = np.array([0] * 20 + [1] * 3 + [0] * 10 + [1] * 2 + [0] * 20, dtype=bool)
    one = recovery(flags, 1.0, (20.0, 55.0), HOLD)

    assert (one.state, one.seconds, one.relapses) == ("recovered", 3.0, 2)


def test_a_reference_of_few_bins_tells_nothing_without_limits() -> None:
    """Nine bins before the event are no level."""
    bins = binned(soak(3, None), 1.0, END)

    assert ill(bins, None, slice(0, 9)) is None
    assert ill(bins, 0.95, slice(0, 9)) is not None


@given(st.floats(0.1, 5.0), st.integers(0, 2000))
def test_bins_add_up_to_the_requests(width: float, count: int) -> None:
    """Every request of the whole bins is in one of them."""
    draws = np.random.default_rng(count)
    at = np.sort(draws.uniform(0, END, count))
    ok = draws.random(count) < 0.9
    bins = binned(Requests(at, at, ok, ok & (draws.random(count) < 0.9), at, at, at), width, END)
    whole = at < len(bins.sent) * width * (1 - 1e-12)

    assert bins.sent.sum() == pytest.approx(whole.sum(), abs=1)
    assert (bins.good <= bins.ok).all()
    assert (bins.ok <= bins.sent).all()


def test_levels_that_are_alike_and_levels_that_are_not() -> None:
    """95 % intervals over noise that neighbours share: the truth of 1.0 or 1.1 is inside in 93 to 97 of 100 seeds."""
    for truth in (1.0, 1.1):
        inside = 0
        for seed in range(1000):
            draws = np.random.default_rng(seed)
            before, after = (np.exp(_neighbours(draws, 240)) for _ in range(2))
            change = level(before, after * truth)
            assert change is not None
            inside += change.low <= truth <= change.high
        assert 925 <= inside <= 975, inside
    assert level([1.0] * 5, [1.0] * 9) is None


def test_a_known_drift_is_covered() -> None:
    """10 % per hour over two hours of noisy bins: inside its 95 % interval in 92 to 97 of 100 seeds."""
    inside, at = 0, np.arange(0.0, 7200.0, 10.0)
    for seed in range(1000):
        values = np.exp(_neighbours(np.random.default_rng(seed), len(at)) + np.log(1.1) * at / 3600)
        change = drift(at, values)
        assert change is not None
        inside += change.low <= 1.1 <= change.high
    assert 915 <= inside <= 975, inside


def _neighbours(draws: np.random.Generator, count: int) -> np.ndarray:
    """Noise of sd 5 % in which each value resembles the one before it (AR(1), 0.3)."""
    noise = draws.normal(0, 0.05, count)
    for place in range(1, count):
        noise[place] += 0.3 * noise[place - 1]
    return noise
