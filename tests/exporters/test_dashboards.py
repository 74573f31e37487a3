"""The dashboards that ship: what they ask for, and that Grafana can show it. A real Prometheus: tests/end_to_end."""

from __future__ import annotations

import json
from itertools import combinations

import promql_parser
import pytest

from exporters.dashboards.__main__ import FOLDER, PAGES
from exporters.dashboards.panels import grafana_json
from tests.exporters.grafana import Asked, asked, panels, shipped
from tests.exporters.names import KNOWN, names_in, ranges_in, visited


@pytest.mark.parametrize("name", PAGES)
def test_the_json_that_ships_is_what_the_code_makes(name: str) -> None:
    """`make dashboards` was run after the last change."""
    assert (FOLDER / name).read_text(encoding="utf-8") == grafana_json(PAGES[name])


def test_nothing_else_ships() -> None:
    """No dashboard stays behind that the code no longer makes; their uids differ."""
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)
    assert len({shipped(name)["uid"] for name in PAGES}) == len(PAGES)


@pytest.mark.parametrize("query", [*asked("a-run", "77s")], ids=lambda query: query.where)
def test_a_query_asks_for_what_there_is(query: Asked) -> None:
    """It parses, all its variables are the dashboard's own, its names are exposed by us, an engine or dcgm-exporter,
    and rates are over Grafana's rate interval, which is four scrapes at least."""
    tree = promql_parser.parse(query.promql)

    assert "$" not in query.promql
    assert visited(tree, promql_parser.VectorSelector)
    assert names_in(tree) <= KNOWN
    assert set(ranges_in(tree)) <= {77}


@pytest.mark.parametrize("name", PAGES)
def test_variables_are_used(name: str) -> None:
    """Datasource, run and arm are variables of each, every variable is in some query, and all panels ask the source."""
    board = shipped(name)
    variables = {one["name"] for one in board["templating"]["list"]}
    text = json.dumps(board["panels"])

    assert {"datasource", "run", "arm"} <= variables
    assert {one for one in variables if f"${one}" in text or f"${{{one}}}" in text} == variables
    assert {panel["datasource"]["uid"] for panel in panels(name)} == {"${datasource}"}


@pytest.mark.parametrize("name", PAGES)
def test_panels_lie_beside_each_other(name: str) -> None:
    """None overlaps another or leaves the grid; each has an id of its own, a unit, and says how to read it."""
    every = shipped(name)["panels"]
    for one, two in combinations([panel["gridPos"] for panel in every], 2):
        apart = one["x"] + one["w"] <= two["x"] or two["x"] + two["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= two["y"] or two["y"] + two["h"] <= one["y"]

    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in every)
    assert len({panel["id"] for panel in every}) == len(every)
    assert all(panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in panels(name))
