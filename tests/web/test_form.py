"""The form: what may be started from a page, as which scenario, and where its errors stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.scenario import Scenario
from web.form import AA, SHAPES, Files, Unfit, Wanted, listing, wanted_scenario

PLAIN = """
name = "plain"
[arms.baseline]
url = "http://127.0.0.1:8000"
model = "m"
[ladder]
concurrency = [1, 2]
at = 2
[matrix]
input = { short = 32 }
output = { short = 24 }
[plan]
cell = "short/short"
[slo]
ttft = "500ms"
"""
OTHER = PLAIN.replace("8000", "8001").replace('"plain"', '"other"')


@pytest.fixture
def files(tmp_path: Path) -> Files:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "plain.toml").write_text(PLAIN)
    (folder / "other.toml").write_text(OTHER)
    (folder / "before.toml").write_text(PLAIN.replace('model = "m"', 'model = "m"\nbefore = "rm -rf x"'))
    (folder / "broken.toml").write_text("name = ")
    (tmp_path / "outside.toml").write_text(PLAIN)
    return Files([folder])


def asked(files: Files, **fields: object) -> Scenario:
    return wanted_scenario(Wanted(**{"scenario": "mine/plain.toml", **fields}), files, {})  # type: ignore[arg-type]


def errors(files: Files, **fields: object) -> dict[str, str]:
    with pytest.raises(Unfit) as unfit:
        asked(files, **fields)
    return unfit.value.errors


def test_knobs_are_the_file_s_own_until_they_are_turned(files: Files) -> None:
    """An empty knob leaves the file's value; lists, ranges and durations are written as in a file."""
    plain = asked(files, knobs={"duration": "", "concurrency": " "})
    turned = asked(files, knobs={"duration": "2s", "concurrency": "1..8", "at": "4", "blocks": "3"})

    assert (plain.window.duration, plain.ladder.concurrency) == (30.0, (1, 2))
    assert (turned.window.duration, turned.ladder.concurrency, turned.ladder.at) == (2.0, (1, 2, 4, 8), 4)
    assert turned.plan.blocks == 3
    assert asked(files, knobs={"concurrency": "1, 2, 4"}).ladder.concurrency == (1, 2, 4)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_scenario_can_be_led_in_every_shape(files: Files, shape: str) -> None:
    """The shape decides which tables there are; the rest of the file stays."""
    scenario = asked(files, shape=shape)
    assert scenario.shape == ("ladder" if shape == "manual" else shape)
    assert scenario.slo.ttft == 0.5


def test_an_error_stands_at_its_field(files: Files) -> None:
    """Key, value and what is accepted, beside the knob that is wrong."""
    assert errors(files, knobs={"at": "3"}) == {"at": "ladder.at = 3: not a rung; accepted here: 1, 2"}
    assert list(errors(files, knobs={"duration": "soon"})) == ["duration"]
    assert list(errors(files, knobs={"concurrency": "[["})) == ["concurrency"]
    assert list(errors(files, shape="pyramid")) == ["shape"]


def test_nothing_but_what_is_listed_can_be_named(files: Files, tmp_path: Path) -> None:
    """No path, no key and no URL of a form's own; the files are picked from a list."""
    assert list(files.found()) == ["mine/before.toml", "mine/broken.toml", "mine/other.toml", "mine/plain.toml"]
    for name in ("outside.toml", "../outside.toml", str(tmp_path / "outside.toml"), "mine/../outside.toml", ""):
        assert list(errors(files, scenario=name)) == ["scenario"]
    same = asked(files, knobs={"arms.baseline.url": "http://evil", "url": "http://evil", "arms": "x"})
    assert same.arms["baseline"].url == "http://127.0.0.1:8000"
    assert not files.has(str(tmp_path / "outside.toml"))


def test_commands_are_never_run_from_a_page(files: Files) -> None:
    """A scenario that has the master run something is refused, and listed with the reason."""
    assert "tokenswarm run" in errors(files, scenario="mine/before.toml")[""]
    told = {one["name"]: one for one in listing(files, {})}
    assert "tokenswarm run" in told["mine/before.toml"]["error"]
    assert "cannot be read" in told["mine/broken.toml"]["error"]
    assert told["mine/plain.toml"]["knobs"]["concurrency"] == "1, 2"


def test_the_command_line_s_overrides_hold_for_what_is_started(tmp_path: Path, files: Files) -> None:
    """A service that --set names is the one that is asked, listed and run; a knob still has the last word."""
    given = Files([tmp_path / "mine"], ("arms.baseline.url=http://10.0.0.1:9000", "window.duration=7s"))
    started = asked(given, knobs={"duration": "3s"})

    assert (started.arms["baseline"].url, started.window.duration) == ("http://10.0.0.1:9000", 3.0)
    assert {one["name"]: one for one in listing(given, {})}["mine/plain.toml"]["knobs"]["duration"] == "7"


def test_an_a_b_takes_its_candidate_from_a_file(files: Files) -> None:
    """The candidate is an arm of a scenario in the same folder, or the same service again."""
    both = asked(files, candidate="mine/other.toml: baseline")
    assert [arm.url[-4:] for arm in both.arms.values()] == ["8000", "8001"]
    assert asked(files, candidate=AA).compare.aa is True
    assert list(errors(files, candidate="mine/nothing.toml: baseline")) == ["candidate"]
    assert list(errors(files, candidate="http://evil")) == ["candidate"]
