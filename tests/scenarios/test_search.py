"""[search]: what follows from the rest of a scenario, and what it cannot stand beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scenarios.load import ScenarioError, load_scenario, scenario_from_wire, scenario_to_wire
from scenarios.scenario import Scenario

ARM = '[arms.a]\nurl = "http://localhost:1"\n'
SLO = '[slo]\nttft = "500ms"\n'


def loaded(folder: Path, text: str) -> Scenario:
    path = folder / "x.toml"
    path.write_text(ARM + text, encoding="utf-8")
    return load_scenario(path)


def test_what_is_not_said_follows_from_the_ladder(tmp_path: Path) -> None:
    """Start and max are the ladder's ends, the cell is the plan's; one block; a refusing service stops no search."""
    scenario = loaded(tmp_path, SLO + "[search]\n")
    search = scenario.search
    assert search is not None
    assert (search.start, search.max, search.cells) == (1, 32, ("medium/medium",))
    assert scenario.ladder.rungs == (1, 2, 4, 8, 16, 32)
    assert (scenario.plan.blocks, scenario.limits.max_errors) == (1, 1.0)
    assert scenario_from_wire(scenario_to_wire(scenario)) == scenario


def test_the_ladder_is_what_the_search_climbs(tmp_path: Path) -> None:
    """Start and max of the search replace the ladder's ends; users stay whole numbers."""
    scenario = loaded(tmp_path, SLO + "[search]\nstart = 3\nmax = 20\n")
    assert scenario.ladder.concurrency == (3, 6, 12, 20)
    assert all(isinstance(rung, int) for rung in scenario.ladder.concurrency)
    assert scenario.ladder.at == 3


def test_a_rate_makes_it_a_search_for_a_rate(tmp_path: Path) -> None:
    """With [ladder] rate, start and max are requests per second."""
    scenario = loaded(tmp_path, SLO + '[ladder]\nrate = "0.5..8"\n[search]\nmax = 6.5\n')
    assert scenario.search is not None
    assert (scenario.search.start, scenario.search.max) == (0.5, 6.5)
    assert scenario.ladder.rate == (0.5, 1, 2, 4, 6.5)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[search]\n", "slo is missing: a search needs limits"),
        ("[slo]\nattain = 0.9\n[search]\n", "slo: a search needs limits"),
        ('[slo.cells."long/*"]\ntpot = 0.05\n[search]\n', "for medium/medium here"),
        (SLO + "[search]\nmax = 2.5\n", "search.max = 2.5: expected a whole number of users"),
        (SLO + "[search]\nstart = 8\nmax = 8\n", "search.max = 8: expected more than 8"),
        (SLO + "[search]\nstart = 64\n", "search.max = 32 (the default): expected more than 64"),
        (SLO + "[ladder]\nat = 2\n[search]\n", "ladder.at = 2: goes without [search]"),
        (SLO + '[search]\ncells = ["tiny/long"]\n', 'search.cells[0] = "tiny/long": no such cell'),
        (SLO + '[search]\ncells = ["short/long", "short/long"]\n', "search.cells[1]"),
        (SLO + "[search]\ntolerance = 0\n", "search.tolerance = 0: expected a number from 0.005 to 1"),
        (SLO + "[search]\nrepeats = 0\n", "search.repeats = 0: expected a whole number from 1"),
        (SLO + '[search]\nstart = "2"\n', "search.start"),
        (
            SLO + '[arms.b]\nurl = "http://localhost:2"\n[compare]\norder = "parallel"\n[search]\n',
            'compare.order = "parallel": each arm is searched by itself',
        ),
    ],
)
def test_what_cannot_be_searched_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    """The key, its value and what is accepted."""
    with pytest.raises(ScenarioError) as error:
        loaded(tmp_path, text)
    assert line in str(error.value)


def test_limits_by_cell_are_enough(tmp_path: Path) -> None:
    """A limit of one cell alone, or of the error rate, can be searched for."""
    by_cell: Any = loaded(tmp_path, '[slo.cells."medium/*"]\ntpot = 0.05\n[search]\n')
    by_errors = loaded(tmp_path, "[slo]\nerror_rate = 0.01\n[search]\n")
    assert by_cell.search is not None
    assert by_errors.search is not None


def test_a_replica_header_is_a_headers_name(tmp_path: Path) -> None:
    """What names who served is a header; anything else is refused."""
    assert loaded(tmp_path, 'replica_header = "X-Served-By"\nreplicas = 4\n').arms["a"].replicas == 4
    with pytest.raises(ScenarioError, match=r"arms\.a\.replica_header"):
        loaded(tmp_path, 'replica_header = "served by"\n')
