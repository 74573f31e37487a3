"""Arms that are measured at once, at places that they exchange; A/A runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scenarios.load import ScenarioError, load_scenario
from scenarios.places import at_once, swapped, swaps
from scenarios.scenario import Scenario

ARMS = """
[arms.old]
url = "http://one:8000"
model = "m"
metrics = ["http://one:8000/metrics"]
before = "deploy old"
ready = "http://one:8000/health"
[arms.new]
url = "https://two:8000"
model = "m-fast"
ca_file = "ca.pem"
before = "deploy new"
[compare]
"""


def loaded(folder: Path, text: str) -> Scenario:
    (folder / "ca.pem").write_text("")
    (folder / "x.toml").write_text(text, encoding="utf-8")
    return load_scenario(folder / "x.toml")


def test_swapped_arms_exchange_their_places_and_keep_what_they_are(tmp_path: Path) -> None:
    """The address and all that it takes to reach it change hands; model, command and dialect stay."""
    scenario = loaded(tmp_path, ARMS)
    old, new = swapped(scenario).arms["old"], swapped(scenario).arms["new"]

    assert (old.url, old.ca_file, old.ready) == ("https://two:8000", str(tmp_path / "ca.pem"), None)
    assert (new.url, new.ca_file, new.ready) == ("http://one:8000", None, "http://one:8000/health")
    assert (old.model, old.before, new.model, new.before) == ("m", "deploy old", "m-fast", "deploy new")
    assert swapped(swapped(scenario)) == scenario


def test_only_parallel_arms_are_measured_at_once(tmp_path: Path) -> None:
    """The baseline comes first; parallel arms are one group, and change places when both have a command."""
    paired = loaded(tmp_path, ARMS + 'baseline = "new"')
    parallel = loaded(tmp_path, ARMS + 'order = "parallel"')

    assert (at_once(paired), swaps(paired)) == ([("new",), ("old",)], False)
    assert (at_once(parallel), swaps(parallel)) == ([("old", "new")], True)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('order = "parallel"\n[plan]\nblocks = 5', "plan.blocks = 5: parallel arms change places half way"),
        ('order = "parallel"\n[arms.new2]\nurl = "http://x"\nready = "ftp://x"', 'arms.new2.ready = "ftp://x"'),
        ('aa = "nowhere"', "compare.aa = "),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, more: str, says: str) -> None:
    """Odd blocks cannot be halved, a URL is checked, an A/A run has to be there."""
    with pytest.raises(ScenarioError) as caught:
        loaded(tmp_path, ARMS + more)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_arm_is_not_parallel(tmp_path: Path) -> None:
    """Two arms are needed, and the line says so."""
    with pytest.raises(ScenarioError, match="needs two arms"):
        loaded(tmp_path, '[arms.a]\nurl = "http://x"\n[compare]\norder = "parallel"')


def test_an_aa_run_of_one_arm_measures_it_twice(tmp_path: Path) -> None:
    """A twin of the same service, enough blocks for pairs, compared with each other."""
    scenario = loaded(tmp_path, '[arms.a]\nurl = "http://x"\n[compare]\naa = true')

    assert list(scenario.arms) == ["a", "a-again"]
    assert scenario.arms["a"] == scenario.arms["a-again"]
    assert (scenario.plan.blocks, scenario.compare.baseline, scenario.compare.candidate) == (6, "a", "a-again")
    assert list(loaded(tmp_path, ARMS + "aa = true").arms) == ["old", "new"]


def test_an_aa_run_is_given_by_its_directory(tmp_path: Path) -> None:
    """The path is that of its summary, and holds wherever the run is led from."""
    (tmp_path / "aa").mkdir()
    (tmp_path / "aa" / "summary.json").write_text(json.dumps({"format": 1}))

    assert loaded(tmp_path, ARMS + 'aa = "aa"').compare.aa == str(tmp_path / "aa" / "summary.json")
