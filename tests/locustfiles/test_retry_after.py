"""How long a refusal asks us to wait."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_pieces import read

from locustfiles._outcome import retry_after_s

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0), ("2", 2.0), (" 1.5 ", 1.5), ("120", 120.0), (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0), ("Fri, 15 Jan 2027 08:01:00 -0000", 60.0), ("-5", None),
        ("soon", None), ("", None), ("nan", None), ("inf", None), ("1e9", None), ("²", None), ("1, 2", None),
        ("9" * 400, None),
        ("Fri, 99 Jan 2027 08:01:00 GMT", None), ("Fri, 15 Jan 0001 00:00:00 +2359", 0.0),
    ],
)  # fmt: skip
def test_retry_after(value: str, seconds: float | None) -> None:
    """Seconds or an HTTP date, never negative; whatever else it says is as good as absent."""
    assert retry_after_s(read(status=429, headers={"retry-after": value}), NOW) == seconds


def test_no_retry_after() -> None:
    """Without the header there is no wish."""
    assert retry_after_s(read(status=429), NOW) is None


@given(
    st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} (Jan|Feb|Foo) \d{1,5} \d\d:\d\d:\d\d [+-]?\w{0,5}")
)
def test_retry_after_never_raises(value: str) -> None:
    """Any header value gives a wait that is not negative, or none."""
    wait = retry_after_s(read(status=429, headers={"retry-after": value}), NOW)

    assert wait is None or wait >= 0
