"""Steering: the rungs that a person makes of a pass, what is marked, what can be done when."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from exporters.sample import Step
from scenarios.scenario import Arm, Cell, Design, Ladder, Matrix, Scenario
from scenarios.search import Search
from shapes._plan import Pass, Rung
from shapes._steering import Levels, Refused, Steering, What, _at_level, manual_plan, next_level

CELL = Cell(input="short", output="short", input_tokens=32, output_tokens=24)
SCENARIO = Scenario(
    name="n", arms={"a": Arm(url="http://h:1")}, ladder=Ladder(concurrency=(1, 2, 4), at=4),
    matrix=Matrix(input={"short": 32}, output={"short": 24}, cells=(CELL,)), plan=Design(cell="short/short", blocks=1),
)  # fmt: skip


def climb(cell: Cell | None = CELL) -> Pass:
    steps = [Step(id=f"c{n}", workload="matrix", arm="a", block=1, cell=cell, concurrency=n) for n in (1, 2, 4)]
    return Pass(block=1, arms=("a",), cell=cell, workload="matrix", rungs=tuple((step,) for step in steps))


def led(steering: Steering, wishes: dict[str, list[str]], pass_: Pass | None = None) -> list[tuple[str, bool]]:
    """Ids of the rungs in the order in which they come, and whether each is marked; wishes are by id."""
    found: list[tuple[str, bool]] = []
    for rung in steering.rungs(pass_ or climb()):
        steering.phase("window", rung[0].id)
        for wish in wishes.get(rung[0].id, []):
            steering.do(wish)  # type: ignore[arg-type]
        found.append((rung[0].id, "manual" in steering.marks()))
        assert len(found) < 100
    return found


def steering(**fields: Any) -> Steering:
    return Steering(SCENARIO, lambda: None)


def test_left_alone_a_pass_is_climbed_as_planned() -> None:
    """Nothing is marked where nobody did anything; a note marks nothing."""
    assert led(steering(), {"c2": ["mark"]}) == [("c1", False), ("c2", False), ("c4", False)]


def test_what_is_moved_or_held_is_manual() -> None:
    """A rung that was cut, held or visited again is marked, its neighbours are not."""
    assert led(steering(), {"c1": ["up"]}) == [("c1", True), ("c2", False), ("c4", False)]
    assert led(steering(), {"c2": ["hold", "release"]}) == [("c1", False), ("c2", True), ("c4", False)]
    down = led(steering(), {"c4": ["down"]})
    assert down == [("c1", False), ("c2", False), ("c4", True), ("c2-again2", True), ("c4-again2", True)]


@given(st.lists(st.sampled_from(["up", "down", "skip", "hold", "mark", "nothing"]), max_size=30))
def test_ids_are_never_twice_and_marks_follow_from_acts(wishes: list[str]) -> None:
    """Whatever a person does, every rung has an id of its own, and what is unmarked was left alone."""
    one, left, seen, untouched = steering(), list(wishes), [], []
    for rung in one.rungs(climb()):
        one.phase("settle")
        wish = left.pop(0) if left else "nothing"
        acted = wish in one.allowed()
        if acted:
            one.do(wish)  # type: ignore[arg-type]
        seen.append(rung[0].id)
        if "manual" not in one.marks():
            untouched.append((rung[0].id, wish if acted else "nothing"))

    assert len(set(seen)) == len(seen)
    assert all("again" not in step and wish in ("nothing", "mark") for step, wish in untouched)


def test_what_cannot_be_done_is_refused_and_not_kept() -> None:
    """Between rungs, in the tail, up from the top, and in a search, which looks for its own way."""
    one = steering()
    with pytest.raises(Refused):
        one.do("skip")
    for rung in one.rungs(climb()):
        one.phase("tail")
        assert one.allowed() == ("stop", "mark")
        one.phase("window")
        assert ("up" in one.allowed(), "down" in one.allowed()) == (rung[0].id != "c4", rung[0].id != "c1")
    assert one.actions == []
    found = Steering(replace(SCENARIO, search=Search()), lambda: None)
    for _ in found.rungs(climb()):
        found.phase("window")
        assert found.allowed() == ("stop", "mark")


def test_a_schedule_that_is_held_is_repeated_until_it_is_released() -> None:
    """A rung of arrivals ends when its schedule does: held, it comes again, and it ends at once when it is moved."""
    rates = replace(SCENARIO, ladder=Ladder(rate=(1.0, 2.0, 4.0), at=1.0))
    held = {"c2": ["hold"], "c2-again2": [], "c2-again3": ["release"]}
    moved = {"c2": ["hold"], "c2-again2": ["up"]}

    assert led(Steering(rates, lambda: None), held) == [
        ("c1", False), ("c2", True), ("c2-again2", True), ("c2-again3", True), ("c4", False)
    ]  # fmt: skip
    assert led(Steering(rates, lambda: None), moved) == [
        ("c1", False), ("c2", True), ("c2-again2", True), ("c4", False)
    ]  # fmt: skip


def test_no_visit_has_the_texts_of_another() -> None:
    """Else the second would be as quick as the prefix cache that the first has filled."""
    steps = [rung[0] for rung in _visited({"c2": "down", "c1-again2": "up"})]
    levels = [_at_level(steps[0], level, number) for number, level in enumerate((4, 8, 4), start=1)]

    assert len({(step.concurrency, step.attempt) for step in steps}) == len(steps) == 5
    assert len({(step.concurrency, step.attempt) for step in levels}) == 3


def _visited(wishes: dict[str, What]) -> list[Rung]:
    one, found = steering(), []
    for rung in one.rungs(climb()):
        one.phase("window")
        found.append(rung)
        if rung[0].id in wishes:
            one.do(wishes[rung[0].id])
    return found


def test_every_act_is_kept_with_its_step_and_its_note() -> None:
    """A note is one line without control characters, and not longer than 200 letters."""
    told: list[int] = []
    one = steering()
    one.on_action = lambda: told.append(len(one.actions))
    led(one, {"c2": ["hold", "release"]})
    next(iter(one.rungs(climb())))
    one.phase("fill", "c1-try2")
    one.do("mark", "a\x1b[31m\nnote" + "x" * 300)

    assert [(act.what, act.step) for act in one.actions] == [("hold", "c2"), ("release", "c2"), ("mark", "c1-try2")]
    assert one.actions[-1].note.startswith("a [31m note")
    assert len(one.actions[-1].note) == 200
    assert told == [1, 2, 3]


def test_a_rung_cut_before_its_window_was_full_does_not_count() -> None:
    """What was cut early is a fault; what was held long enough is not."""
    one = steering()
    for _ in one.rungs(climb()):
        one.phase("window")
        assert one.faults(full=False) == []
        if "up" in one.allowed():
            one.do("up")
            assert one.faults(full=True) == []
            assert len(one.faults(full=False)) == 1


def test_levels_follow_locust_s_number_of_users() -> None:
    """Each number that is asked for is a rung of its own, marked; the page's buttons move the same number."""
    options = SimpleNamespace(num_users=3)
    one = Levels(SCENARIO, lambda: None, options)
    rungs = one.rungs(manual_plan(SCENARIO).passes[0])
    ids = [next(rungs)[0].id]
    one.phase("window")
    assert not one.cut()
    options.num_users = 7
    assert one.cut()
    ids.append(next(rungs)[0].id)
    one.do("up")
    ids.append(next(rungs)[0].id)
    one.do("stop")
    assert one.cut()

    assert ids == ["b1-short_short-m1-c3-a", "b1-short_short-m2-c7-a", "b1-short_short-m3-c14-a"]
    assert one.marks() == ("manual",)
    assert list(rungs) == []
    assert [act.what for act in one.actions] == ["level", "up", "level", "stop"]


def test_the_next_level_is_a_rung_or_twice_as_many() -> None:
    """Up and down go by the ladder inside it, and by doubling and halving outside of it."""
    rungs = [2, 4, 8]
    assert [next_level(n, rungs, True) for n in (1, 2, 3, 8, 16)] == [2, 4, 4, 16, 32]
    assert [next_level(n, rungs, False) for n in (16, 8, 3, 2, 1)] == [8, 4, 2, 1, 1]
