"""Numbers and foreign text as characters."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import units

finite = st.floats(min_value=1e-7, max_value=1e7)


@pytest.mark.parametrize(
    ("seconds", "uncertainty", "text"),
    [
        (0.05005, None, "50.0 ms"),
        (0.05005, 0.00009, "50.05 ms"),
        (0.05005, 0.00012, "50.05 ms"),
        (0.05005, 0.0041, "50 ms"),
        (1.2345, None, "1.23 s"),
        (1.2345, 0.02, "1.23 s"),
        (0.00034, None, "340 µs"),
        (1.2e-6, None, "1.20 µs"),
        (0.9999, None, "1.00 s"),
        (63.0, None, "63.0 s"),
        (0.0, None, "0 s"),
        (None, None, "–"),
        (math.nan, None, "–"),
        (math.inf, None, "–"),
    ],
)
def test_duration(seconds, uncertainty, text):
    """A duration has its own unit and no digit below its uncertainty; an absent one is a dash."""
    assert units.duration(seconds, uncertainty) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234567, "1,234,567"), (12.345, "12.3"), (-0.0001, "−0.000100"), (-3.0, "−3.00"), (math.inf, "∞"),
     (None, "–"), (math.nan, "–"), (999.9, "1,000")],
)  # fmt: skip
def test_number(value, text):
    """A number without an uncertainty carries three significant digits and a true minus."""
    assert units.number(value) == text


@pytest.mark.parametrize(
    ("ratio", "interval", "text"),
    [
        (1.042, None, "+4.2 %"),
        (0.958, (0.94, 0.97), "−4.2 %"),
        (1.0, None, "0.0 %"),
        (0.9999, None, "0.0 %"),
        (1.5, (1.2, 1.9), "+50 %"),
        (1.0123, (1.0118, 1.0128), "+1.23 %"),
        (3.42, None, "×3.4"),
        (None, None, "–"),
        (math.inf, None, "–"),
    ],
)
def test_change(ratio, interval, text):
    """A ratio is written as a signed change with the digits that its interval allows."""
    assert units.change(ratio, interval) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(0.995, 1.029, "−0.5 to +2.9 %"), (0.8, 1.3, "−20 to +30 %"), (2.0, 4.0, "×2.0 to ×4.0"), (None, 1.0, "–"),
     (0.0, math.inf, "–")],
)  # fmt: skip
def test_change_interval(low, high, text):
    """Both ends of an interval have the same number of digits; an unbounded one is not written as a number."""
    assert units.change_interval(low, high) == text


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0, "0 %"), (1, "100 %"), (0.984, "98.4 %"), (0.99996, "> 99.9 %"), (0.0001, "< 0.1 %"), (None, "–"),
     (1.02, "102.0 %")],
)  # fmt: skip
def test_share(fraction, text):
    """Only all is 100 % and only none is 0 %: 9,999 of 10,000 is neither."""
    assert units.share(fraction) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (45.4, "45 s"), (720, "12 min"), (8640, "2 h 24 min"), (3600, "1 h"), (97200, "1 d 3 h"), (None, "–")],
)
def test_span(seconds, text):
    """A long time is told in its two largest units."""
    assert units.span(seconds) == text


def test_a_column_has_one_unit():
    """The unit of a column suits its typical value, and every entry is written in it."""
    scale = units.duration_scale([0.02, 0.05, 3.0, None])

    assert scale.unit == "ms"
    assert [scale.bare(v) for v in (0.02, 3.0, None)] == ["20.0", "3,000", "–"]
    assert units.duration_scale([]).unit == "ms"


@given(finite, finite)
def test_printed_digits_stay_within_the_uncertainty(value, uncertainty):
    """Rounding to the printed digits moves a number by less than its uncertainty."""
    text = units.number(value, uncertainty).replace(",", "")

    assert abs(float(text) - value) <= max(uncertainty, 0.5e-6)


@given(finite)
def test_three_digits_are_accurate_to_half_a_per_cent(value):
    """Without an uncertainty a printed number is within 0.5 % of the value, down to a millionth."""
    text = units.number(value).replace(",", "")

    assert abs(float(text) - value) <= max(0.005 * value, 0.5e-6)


@given(st.text(), st.integers(2, 50))
def test_foreign_text_is_one_bounded_printable_line(text, limit):
    """Whatever a server sent, what is printed is one line of printable characters of at most the limit."""
    line = units.plain(text, limit)

    assert len(line) <= limit
    assert line.isprintable()


def test_escapes_and_direction_overrides_are_removed():
    """A terminal escape or a bidirectional override cannot rewrite what a reader sees."""
    assert units.plain("ok\x1b[31m\u202e\u200b\r\nnext\x00\x07") == "ok[31m next"


def test_units_are_held_to_their_numbers():
    """No line can end between a number and its unit; words stay free."""
    assert units.held("14 % of 3 steps in 5 ms") == "14\u00a0% of 3 steps in 5\u00a0ms"
