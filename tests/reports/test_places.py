"""Parallel arms and A/A runs: when a difference proves something."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from measurements import cell, measured, pairs, scenario

import reports.summary
from exporters.record import Run
from reports.compare import comparisons
from reports.doubts import scenario_warnings
from reports.pairs import all_pairs
from reports.places import AT_HOME, held_to_places
from reports.summary import summarize
from reports.verdict import Evidence, verdict
from scenarios.scenario import Scenario
from tests.exporters.synthetic import synthetic_run

NOISE = (0.01, -0.01, 0.005, -0.005, 0.0, 0.002)
SLOWER = math.log(1.2)


def parallel(aa: Any = False, before: str | None = None) -> Scenario:
    made = scenario(compare={"order": "parallel"})
    arms = {name: _with(arm, before=before) for name, arm in made.arms.items()}
    return _with(made, arms=arms, compare=_with(made.compare, aa=aa))


def _with(struct: Any, **fields: Any) -> Any:
    return type(struct)(**{**{name: getattr(struct, name) for name in struct.__struct_fields__}, **fields})


def steps(effect: float, hardware: float = 0.0, blocks: int = 6) -> list[Any]:
    """The candidate is slower by `effect`; the second place by `hardware`; from block 4 on the arms have changed it."""
    made = []
    for block in range(1, blocks + 1):
        for arm in ("baseline", "candidate"):
            second = (arm == "candidate") != (block > 3)
            log = effect * (arm == "candidate") + hardware * second + NOISE[block - 1] * (arm == "candidate")
            made.append(measured([0.1 * math.exp(log)] * 20, arm=arm, block=block))
    return made


def judged(asked: Scenario, made: list[Any], known_alike: Any = None) -> dict[str, Any]:
    held = held_to_places(all_pairs(made, asked), asked, known_alike)
    return verdict(Evidence(asked, made, comparisons(held, asked), held, [], None))


@pytest.mark.parametrize("effect", [SLOWER, 0.0])
def test_parallel_arms_that_stay_at_home_prove_nothing(effect: float) -> None:
    """Worse or not: the verdict is inconclusive, for one reason that says what to do; the ratio is still shown."""
    asked = parallel()
    said = judged(asked, steps(effect))
    shown = comparisons(held_to_places(all_pairs(steps(effect), asked), asked, None), asked)[0]

    assert (said["status"], said["exit_code"], said["reasons"]) == (
        "inconclusive",
        4,
        [f"Nothing is proven: {AT_HOME}."],
    )
    assert shown["ratio"] == pytest.approx(math.exp(effect), rel=0.01)
    assert (shown["gated"], shown["reason"]) == (False, f"not proven: {AT_HOME}")
    assert [warning["code"] for warning in scenario_warnings(asked)] == ["parallel arms"]


def test_a_change_of_places_takes_the_hardware_out_of_the_estimate() -> None:
    """One place is 10 % slower: the estimate holds the effect alone, the interval what the hardware adds."""
    asked = parallel(before="deploy")
    made = steps(SLOWER, hardware=math.log(1.1))
    compared = comparisons(held_to_places(all_pairs(made, asked), asked, None), asked)[0]

    assert compared["gated"]
    assert compared["ratio"] == pytest.approx(1.2, rel=0.01)
    assert compared["ci"][0] < 1.2 / 1.08
    assert judged(asked, steps(SLOWER))["status"] == "fail"
    assert judged(asked, steps(0.0))["status"] == "pass"


def test_a_run_that_ends_before_the_change_of_places_proves_nothing() -> None:
    """Three blocks at home and one at the other's place leave the hardware in the mean."""
    said = judged(parallel(before="deploy"), steps(SLOWER, blocks=4))

    assert said["status"] == "inconclusive"
    assert "3 pairs at home and 1 at the other's place" in said["reasons"][0]


def test_an_aa_run_frees_what_it_shows_alike() -> None:
    """Comparisons that the A/A run calls `same` gate; others stay held."""
    asked = parallel(aa="aa/summary.json")
    known = comparisons(all_pairs(steps(0.0), scenario()), scenario())
    [other] = held_to_places([pairs(NOISE, cell=cell(7))], asked, known)

    assert {one["verdict"] for one in known} == {"same"}
    assert judged(asked, steps(SLOWER), known)["status"] == "fail"
    assert other.held == "the A/A run does not show the two places alike here, within the threshold"


def test_an_aa_run_of_one_tokenizer_frees_a_time_per_character() -> None:
    """Places that are alike per token are alike per character, which an A/A run never compares."""
    known = comparisons(all_pairs(steps(0.0), scenario()), scenario())
    [per_character] = held_to_places([pairs(NOISE, "s_per_1k_chars")], parallel(aa="aa/summary.json"), known)

    assert per_character.held is None


def test_the_summary_of_parallel_arms_obeys_its_schema(tmp_path: Path) -> None:
    """Its warning concerns the whole run and names no step."""
    asked = {"compare": {"order": "parallel"}}
    run = Run.open(synthetic_run(tmp_path / "run", blocks=4, rungs=(2,), cells=("short/short",), more=asked))
    contract = json.loads((Path(reports.summary.__file__).parent / "summary.schema.json").read_text(encoding="utf-8"))
    summary = json.loads(json.dumps(summarize(run)))

    assert [w["steps"] for w in summary["warnings"] if w["code"] == "parallel arms"] == [[]]
    assert list(jsonschema.Draft202012Validator(contract).iter_errors(summary)) == []


def test_arms_in_turn_are_never_held() -> None:
    """Nothing of this concerns paired arms."""
    [pair] = held_to_places([pairs(NOISE)], scenario(), None)

    assert pair.held is None
    assert scenario_warnings(scenario()) == []


def test_an_aa_run_that_differs_fails_and_recommends_nothing() -> None:
    """Both directions count: a setup that finds a difference between equals cannot be trusted."""
    asked = scenario(compare={"aa": True})
    for effect in (SLOWER, -SLOWER):
        said = judged(asked, steps(effect))
        assert (said["status"], said["exit_code"]) == ("fail", 3)
        assert said["reasons"][0].startswith("A/A: short/long at 8 users: TTFT changed by ")
        assert said["reasons"][0].endswith("though both are the same.")
    assert judged(asked, steps(0.0))["status"] == "pass"
    assert "recommendation" not in judged(asked, steps(0.0))
