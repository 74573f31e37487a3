import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.values import rungs, seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", 0.5),
        ("30s", 30.0),
        ("5m", 300.0),
        ("4h", 14400.0),
        ("1.5h", 5400.0),
        (" 2 s ", 2.0),
        (7, 7),
        (0.25, 0.25),
    ],
)
def test_a_duration_is_seconds(text: object, expected: float) -> None:
    """A number is seconds, and a string has its unit."""
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "5", "5 days", "-3s", "s", "1e3s", "3ss", "٣s", "1h30m"])
def test_other_durations_are_refused(text: str) -> None:
    """What has no unit of ours, or a sign, is no duration."""
    with pytest.raises(ValueError, match="500ms"):
        seconds(text)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("1..32", [1, 2, 4, 8, 16, 32]),
        ("1..40", [1, 2, 4, 8, 16, 32, 40]),
        ("3..10", [3, 6, 10]),
        ("5..5", [5]),
        (7, [7]),
        ([16, 1, 4], [16, 1, 4]),
    ],
)
def test_a_ladder_is_its_rungs(written: object, expected: list[int]) -> None:
    """Ranges double and end at their top; lists stay as they are; a number is one rung."""
    assert rungs(written) == expected


@pytest.mark.parametrize("written", ["", "4..1", "0..4", "1-4", "1..", [], [1, 1], [1, 1.5], [True], True, 2.0, {}])
def test_other_ladders_are_refused(written: object) -> None:
    """Falling, empty, repeated or fractional ladders are refused."""
    with pytest.raises(ValueError):
        rungs(written)


@given(low=st.integers(1, 10**6), more=st.integers(0, 10**6))
def test_a_range_climbs_from_low_to_high_by_at_most_doubling(low: int, more: int) -> None:
    """Whatever the range: it starts low, ends high, and no rung is more than twice the one below."""
    found = rungs(f"{low}..{low + more}")
    assert (found[0], found[-1]) == (low, low + more)
    assert all(below < above <= 2 * below for below, above in itertools.pairwise(found))
