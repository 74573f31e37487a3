import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.overrides import apply, parse_key, parse_value
from scenarios.wrong import ScenarioError


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("ladder.at=4", {"ladder": {"at": 4}}),
        ("ladder.concurrency=1..4", {"ladder": {"concurrency": "1..4"}}),
        ("ladder.concurrency=[1, 2]", {"ladder": {"concurrency": [1, 2]}}),
        ("arms.b.url=http://x:1/?a=b", {"arms": {"b": {"url": "http://x:1/?a=b"}}}),
        ('arms.b.model="7"', {"arms": {"b": {"model": "7"}}}),
        ("request.stream=false", {"request": {"stream": False}}),
        ("window.duration=30s", {"window": {"duration": "30s"}}),
        ('slo.cells."long/*".ttft=2', {"slo": {"cells": {"long/*": {"ttft": 2}}}}),
        ("slo.cells.long/*.ttft=2", {"slo": {"cells": {"long/*": {"ttft": 2}}}}),
        ("name=", {"name": ""}),
        ("seed=1\nname = 2", {"seed": "1\nname = 2"}),
    ],
)
def test_an_override_is_a_key_and_a_toml_value_or_a_string(override: str, expected: object) -> None:
    """Values are TOML where they can be, else strings; tables are created; nothing else comes in by the way."""
    data: dict[str, object] = {}
    apply(data, [override])
    assert data == expected


def test_overrides_apply_in_order_and_keep_what_they_do_not_name() -> None:
    """The later one wins, and neighbours stay."""
    data = {"ladder": {"at": 1, "concurrency": [1]}}
    assert apply(data, ["ladder.at=2", "ladder.at=4"]) == [("ladder", "at")] * 2
    assert data == {"ladder": {"at": 4, "concurrency": [1]}}


@pytest.mark.parametrize("override", ["", "nonsense", "=3", "a..b=1", ".=1", "a b\n=1", "[x]\ny=1", 'a."=1'])
def test_what_is_no_key_and_value_is_one_clear_line(override: str) -> None:
    """The line names the option and shows how it is written."""
    with pytest.raises(ScenarioError, match=r"^--set .*: expected KEY=VALUE, such as --set ladder.at=4$"):
        apply({}, [override])


def test_an_override_cannot_go_through_a_value() -> None:
    """The line names the override, the key in its way and that key's value."""
    with pytest.raises(
        ScenarioError, match=r'^--set arms.a.url.x: arms.a.url = "u" is a value, not a table with keys$'
    ):
        apply({"arms": {"a": {"url": "u"}}}, ["arms.a.url.x=1"])


@given(st.text(), st.text())
def test_any_text_is_a_value_and_any_key_is_read_or_refused(key: str, value: str) -> None:
    """No text at all raises anything but None for a key; a value is always had."""
    path = parse_key(key)
    assert path is None or (path and all(isinstance(part, str) for part in path))
    parse_value(value)
