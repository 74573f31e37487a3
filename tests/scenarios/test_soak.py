"""[soak] and [[disturbance]]: what follows from the rest of a scenario, and what they cannot stand beside."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.load import ScenarioError, load_scenario, scenario_from_wire, scenario_to_wire
from scenarios.scenario import Scenario
from scenarios.soak import stretches

ARM = '[arms.a]\nurl = "http://localhost:1"\n'
SPIKE = '[[soak.spike]]\nat = "20s"\nlasting = "10s"\nload = 32\n'


def loaded(folder: Path, text: str) -> Scenario:
    path = folder / "x.toml"
    path.write_text(ARM + text, encoding="utf-8")
    return load_scenario(path)


def test_what_is_not_said_follows_from_the_plan(tmp_path: Path) -> None:
    """The load is the ladder's operating point, the cell the plan's; no retry, one block, failures stop nothing."""
    scenario = loaded(tmp_path, '[soak]\nduration = "1m"\n' + SPIKE)
    soak = scenario.soak
    assert soak is not None
    assert (soak.load, soak.cell, soak.duration) == (8, "medium/medium", 60)
    assert (scenario.ladder.rungs, scenario.ladder.at) == ((8, 32), 8)
    assert (scenario.window.retries, scenario.plan.blocks, scenario.limits.max_errors) == (0, 1, 1.0)
    assert scenario_from_wire(scenario_to_wire(scenario)) == scenario


def test_stretches_cover_the_soak_without_a_gap(tmp_path: Path) -> None:
    """Two spikes, the second to the end: four stretches, each with the load that follows it."""
    text = '[ladder]\nrate = [2]\n[soak]\nduration = "1m"\n' + SPIKE.replace("32", "5.5")
    text += '[[soak.spike]]\nat = "50s"\nlasting = "1h"\nload = 9\n'
    soak = loaded(tmp_path, text).soak
    assert soak is not None
    found = [(load, one.begin, one.end, one.then) for load, one in stretches(soak)]
    assert found == [(2, 0, 20, 5.5), (5.5, 20, 30, 2), (2, 30, 50, 9), (9, 50, 60, None)]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[[disturbance]]\nat = 1\nrun = "true"\n', "disturbance: needs [soak]"),
        ("[soak]\n[tasks]\n", "tasks: goes without [soak]"),
        ('[soak]\n[search]\n[slo]\nttft = "1s"\n', "search: goes without [soak]"),
        ('[soak]\ncell = "tiny/long"\n', 'soak.cell = "tiny/long": no such cell'),
        ("[soak]\nload = 2.5\n", "soak.load = 2.5: expected a whole number of users"),
        ("[soak]\nload = 0\n", "soak.load = 0: expected a number above 0"),
        ("[soak]\nduration = 30\n" + SPIKE.replace("20s", "30s"), 'soak.spike[0].at = "30s": expected less than'),
        ("[soak]\n" + SPIKE + SPIKE, 'soak.spike[1].at = "20s": expected at least 1 s after the end of the one before'),
        ("[soak]\n" + SPIKE.replace("20s", "0.5s"), 'soak.spike[0].at = "0.5s": expected at least 1 s after the soak'),
        ("[soak]\n" + SPIKE.replace("32", "8"), "soak.spike[0].load = 8: is the soak's own load"),
        ("[soak]\nduration = 30.5\n" + SPIKE, 'soak.spike[0].lasting = "10s": ends 0.5 s before'),
        ("[soak]\nduration = 12\n", "soak.hold = 10.0 (the default): expected at most half of duration, 12 s"),
        ("[soak]\nrecover = 5\n", "soak.recover = 5: nothing to recover from"),
        ('[soak]\n[[disturbance]]\nat = "10m"\nrun = "true"\n', 'disturbance[0].at = "10m": expected less than'),
        ('[soak]\n[[disturbance]]\nat = "1m"\n', "disturbance[0].run is missing: expected a string"),
        ('[soak]\n[[disturbance]]\nat = "1m"\nrun = ""\n', 'disturbance[0].run = "": expected'),
        (
            '[soak]\n[arms.b]\nurl = "http://localhost:2"\n[compare]\norder = "parallel"\n',
            'compare.order = "parallel": each arm has a soak of its own',
        ),
    ],
)
def test_what_cannot_be_led_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    """Key, value and what is accepted, before any request."""
    with pytest.raises(ScenarioError) as wrong:
        loaded(tmp_path, text)
    assert line in str(wrong.value)
