"""Who served a reply: the header that was named, cleaned of whatever a hostile service puts there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from locustfiles._replica import LONGEST, served_by


def test_the_header_that_was_named_whatever_its_case() -> None:
    """Headers come in lower case; a scenario may write them as it likes. No header, no name."""
    assert served_by({"x-served-by": "pod-7"}, "X-Served-By") == "pod-7"
    assert served_by({"x-served-by": "pod-7"}, None) is None
    assert served_by({"via": "pod-7"}, "x-served-by") is None
    assert served_by({"x-served-by": " \x1b\x00 "}, "x-served-by") is None


@given(st.text(max_size=2000))
def test_a_name_is_one_short_printable_line(text: str) -> None:
    """Escapes, line ends and megabytes do not reach a row."""
    name = served_by({"h": text}, "h")
    assert name is None or (name.isprintable() and 0 < len(name) <= LONGEST and name == name.strip())
