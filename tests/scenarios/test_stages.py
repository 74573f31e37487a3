"""Stages of a service and isolation, as a scenario asks for them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scenarios.load import ScenarioError, load_scenario
from scenarios.stages import Source, source_of

PAIR = '[arms.service]\nurl = "http://127.0.0.1:1"\n{more}[arms.direct]\nurl = "http://127.0.0.1:2"\n'


def loaded(folder: Path, text: str):
    path = folder / "scenario.toml"
    path.write_text(text)
    return load_scenario(path)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("x-queue-ms", Source("x-queue-ms", 1e-3)),
        ("timings.retrieve_s", Source("timings.retrieve_s", 1.0)),
        ("/timings/retrieve_us", Source("/timings/retrieve_us", 1e-6)),
        ("x-queue:ms", Source("x-queue", 1e-3)),
        ("x-queue_ms:s", Source("x-queue_ms", 1.0)),  # what stands after the colon is said on purpose
        ("x-queue", None),
        ("alarms", None),
        ("x-queue:min", None),
    ],
)
def test_a_place_has_its_unit_by_suffix_or_after_a_colon(text: str, source: Source | None) -> None:
    """s, ms and us are units at the end of a name or after a colon; anything else is none."""
    assert source_of(text) == source


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ('headers = { queue = "x-queue" }', r'stages\.headers\.queue = "x-queue": expected a unit'),
        ('fields = { retrieve = "timings..ms" }', r"expected keys with dots between"),
        ('headers = { queue = "x queue:ms" }', r"not a header's name"),
        ('headers = { unexplained = "x-ms" }', r"a stage's name is"),
        ('headers = { q = "x-ms" }\nfields = { q = "t.q_ms" }', r"by its header already"),
        ('calls = "usage.calls"\ncalls_header = "x-calls"', r"expected one of them"),
        ('calls_header = "x calls"', r"not a header's name"),
        ('header = "x-ms"', r"unknown key; did you mean headers"),
    ],
)
def test_stages_that_could_not_be_read_are_refused(tmp_path: Path, stages: str, said: str) -> None:
    """Whatever could not be found or has no unit is one line that names the key, before any request."""
    with pytest.raises(ScenarioError, match=said):
        loaded(tmp_path, PAIR.format(more=f"[arms.service.stages]\n{stages}\n"))


def test_direct_is_the_baseline_wherever_it_stands(tmp_path: Path) -> None:
    """With isolate the arms `direct` and `service` have their roles by name; the plan has blocks as for two arms."""
    scenario = loaded(tmp_path, PAIR.format(more="") + "[compare]\nisolate = true\n")

    assert (scenario.compare.baseline, scenario.compare.candidate) == ("direct", "service")
    assert scenario.plan.blocks == 6
    assert scenario.ladder.at == 1  # so that every cell is measured where it can be paired


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("[ladder]\nconcurrency = [2, 4]\n", "needs a rung of 1 user"),
        ("[ladder]\nrate = [1]\n", "needs a rung of 1 user"),
        ('[arms.third]\nurl = "http://127.0.0.1:3"\n', "expected two arms"),
        ('[compare]\norder = "parallel"\nisolate = true\n', "share the model's time"),
        ("[compare]\naa = true\nisolate = true\n", "goes without isolate"),
    ],
)
def test_what_isolates_nothing_is_refused(tmp_path: Path, more: str, said: str) -> None:
    """Isolation takes two arms in turn and a rung of 1 user; anything else is one line."""
    more += "" if "isolate" in more else "[compare]\nisolate = true\n"
    with pytest.raises(ScenarioError, match=re.escape(said)):
        loaded(tmp_path, PAIR.format(more="") + more)
