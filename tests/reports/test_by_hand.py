"""Steps led by hand: they are shown, and nothing is judged by them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from reports.by_hand import actions_table, banner, led, left_alone, shown_at
from reports.verdict import Evidence, verdict
from scenarios.scenario import Arm, Cell, Ladder, Scenario, Slo

CELL = Cell(input="short", output="short", input_tokens=32, output_tokens=24)


def measured(number: int, *marks: str, load: int = 2, valid: bool = True) -> Any:
    """A step as far as the rules look at it."""
    step = SimpleNamespace(
        id=f"s{number}", probe=None, stretch=None, part=None, cell=CELL, load=load, block=1, try_=1, arm="a"
    )
    record = SimpleNamespace(step=step, marks=marks, valid=valid, why_invalid=())
    return SimpleNamespace(record=record, point=("a", CELL, load), ok=np.array([True]))


def judged(steps: list[Any], by_hand: list[Any], slo: Slo) -> dict[str, Any]:
    scenario = Scenario(name="n", arms={"a": Arm(url="http://h:1")}, ladder=Ladder(concurrency=(1, 2), at=2), slo=slo)
    return verdict(Evidence(scenario, steps, (), (), (), None, led=by_hand))


def test_a_point_is_made_of_what_went_as_planned() -> None:
    """Steps by hand make a point only where nothing else does, and it says so."""
    alone, held = measured(1), measured(2, "few", "manual")

    assert (left_alone([alone, held]), led([alone, held])) == ([alone], [held])
    assert shown_at([alone, held]) == ([alone], False)
    assert shown_at([held]) == ([held], True)


def test_a_gated_rung_led_by_hand_is_no_pass() -> None:
    """Without limits a run by hand passes, gating nothing; with limits its rungs are open until planned ones come."""
    held = measured(1, "manual")
    open_ = judged([], [held], Slo(ttft=0.5))

    assert judged([], [held], Slo())["status"] == "pass"
    assert (open_["status"], open_["exit_code"]) == ("inconclusive", 4)
    assert open_["reasons"] == ["s1 was led by hand: that gates nothing; run the scenario by its plan."]
    assert judged([measured(2)], [held], Slo(ttft=0.5))["status"] == "pass"
    assert judged([measured(2, load=1)], [held], Slo(ttft=0.5))["status"] == "inconclusive"


def test_what_was_done_is_a_table_and_a_banner() -> None:
    """Notes are cleaned; a start, a mark and a stop are no steering."""
    acts = [{"at": "t1", "what": "start"}, {"at": "t2", "what": "hold", "step": "s1", "note": "why\x1b[31m not"}]
    table = actions_table({"actions": acts})

    assert table is not None
    assert [row[1].text for row in table.rows] == ["start", "hold"]
    assert "\x1b" not in table.rows[1][3].text
    assert banner({"actions": acts}) == ["Steered by hand: 1 action; steps marked manual are shown, and gate nothing."]
    assert banner({"actions": acts[:1]}) == []
    assert actions_table({}) is None
