"""Stages and calls of a service: they add up to the whole, and what is doubtful about them is said once."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measurements import measured, scenario

from exporters.record import Run, convert, pack
from exporters.writer import RunWriter
from reports.inside import CALLS, Inside, inside_figures, insides, pooled
from reports.stages import stage_warnings
from reports.where import bars, calls_table, staged, stages_table
from scenarios.scenario import Arm
from scenarios.stages import MOST_STAGES, Stages
from tests.exporters.runs import begun, record, row
from tests.reports.pieces import point

times = st.floats(0.001, 10)
NAN = np.nan


def inside(total: list[float], calls: list[float] | None = None, unread: int = 0, **stages: list[float]) -> Inside:
    given_calls = {name: np.full(len(total), NAN) for name in CALLS}
    if calls is not None:
        given_calls["model_calls"] = np.array(calls, dtype=float)
    columns = {name: np.array(values, dtype=float) for name, values in stages.items()}
    return Inside(np.array(total, dtype=float), columns, given_calls, unread)


@given(st.lists(st.tuples(times, times, times, times), min_size=1, max_size=30))
def test_stages_and_the_rest_are_the_whole(rows: list[tuple[float, ...]]) -> None:
    """Shares of all stages and of what is unexplained add up to 1; so do their means to the mean time."""
    a, b, c, rest = map(np.array, zip(*rows, strict=True))
    figures = inside_figures([inside(list(a + b + c + rest), a=list(a), b=list(b), c=list(c))])["stages"]

    assert sum(one["share"] for one in figures.values()) == pytest.approx(1)
    assert sum(one["mean"] for one in figures.values()) == pytest.approx(float((a + b + c + rest).mean()))
    assert "over" not in figures["unexplained_s"]


@given(st.lists(st.lists(st.tuples(times, st.one_of(times, st.just(NAN))), max_size=8), min_size=1, max_size=5))
def test_pooling_steps_is_pooling_their_requests(steps: list[list[tuple[float, float]]]) -> None:
    """Figures of several steps are those of one step with all of their requests, also where a stage is new."""
    parts = [inside([10.0] * len(rows), a=[x for x, _ in rows], **{f"s{n}": [y for _, y in rows]})
             for n, rows in enumerate(steps)]  # fmt: skip
    whole = pooled(parts)

    assert whole is not None
    assert len(whole.total) == sum(map(len, steps))
    for number, rows in enumerate(steps):
        told = whole.stages[f"s{number}"]
        assert sorted(told[~np.isnan(told)]) == sorted(y for _, y in rows if not np.isnan(y))


def test_overlapping_stages_are_said_and_not_clipped() -> None:
    """Stages of 60 + 70 ms in 100 ms leave -30 ms unexplained, in as many replies as it happens."""
    figures = inside_figures([inside([0.1, 0.1], outer=[0.06, 0.06], inner=[0.07, 0.04])])["stages"]

    assert figures["unexplained_s"]["over"] == 1
    assert figures["unexplained_s"]["mean"] == pytest.approx(-0.015)
    assert figures["outer_s"]["share"] + figures["inner_s"]["share"] + figures["unexplained_s"]["share"] == (
        pytest.approx(1)
    )


def test_a_header_lost_in_a_few_replies_is_nobody_s_unexplained_time() -> None:
    """3 of 100 replies lack a stage: shares are of the 97, and one warning has the counts and advice."""
    queue = [0.04] * 97 + [NAN] * 3
    told = inside([0.1] * 100, queue=queue, model=[0.05] * 100)
    figures = inside_figures([told])["stages"]
    step = msgspec.structs.replace(measured([0.01] * 100, arm="baseline"), inside=told)
    (warning,) = stage_warnings([step], scenario(("baseline",)))

    assert figures["unexplained_s"]["mean"] == pytest.approx(0.01)
    assert (figures["queue_s"]["n"], figures["queue_s"]["share"]) == (97, pytest.approx(0.4))
    assert "queue in 3 of 100 (3.0%)" in warning["text"]
    assert warning["advice"]


def test_a_stage_that_is_often_not_there_takes_no_time_then() -> None:
    """A retrieval in half of the requests is no loss: its share is of all their time, and nothing is warned of."""
    told = inside([0.1] * 10, retrieve=[0.04] * 5 + [NAN] * 5, model=[0.05] * 10)
    step = msgspec.structs.replace(measured([0.01] * 10, arm="baseline"), inside=told)

    assert inside_figures([told])["stages"]["retrieve_s"]["share"] == pytest.approx(0.2)
    assert inside_figures([told])["stages"]["retrieve_s"]["mean"] == pytest.approx(0.04)
    assert stage_warnings([step], scenario(("baseline",))) == []


@pytest.mark.parametrize(
    ("stages", "told", "said"),
    [
        ({"headers": {"queue": "x-queue-ms"}}, None, "no reply has the stage queue"),
        ({"calls": "usage.calls"}, None, "no reply tells of its model calls"),
        (None, inside([0.1] * 8, model=[0.05] * 8), "2 of 10 ok replies (20.0%) tell of no stage"),
        (None, inside([0.1] * 10, unread=7), "7 values of stages or calls are none"),
        (None, inside([0.1] * 10, a=[0.2] * 10), "in 10 of 10 replies (100.0%) the stages add up to more"),
    ],
)
def test_what_is_doubtful_is_said_once(stages: dict | None, told: Inside | None, said: str) -> None:
    """A place that matches nothing, silent replies, malformed values, overlaps: a line each, over all steps."""
    arms = {"baseline": Arm(url="http://a:1", stages=Stages(**stages) if stages else None)}
    asked = msgspec.structs.replace(scenario(("baseline",)), arms=arms)
    steps = [msgspec.structs.replace(measured([0.01] * 10, arm="baseline"), inside=told)]

    assert [said in warning["text"] for warning in stage_warnings(steps, asked)] == [True]


def test_rows_become_stages(tmp_path: Path) -> None:
    """What a worker books is what a step tells: ok rows of its window only."""
    writer: RunWriter = begun(tmp_path / "run")
    told = json.dumps({"queue": 0.02, "model": 0.05})
    writer.rows(pack([
        row(1, end_s=0.1, stages=told, model_calls=2, model_input_tokens=40, stages_unread=1),
        row(2, end_s=0.1),
        row(3, end_s=0.1, stages=told, outcome="timeout"),
        row(4, end_s=0.1, stages=told, phase="tail"),
    ]))  # fmt: skip
    writer.steps([record("s")])
    writer.finish()
    convert(tmp_path / "run")
    (found,) = insides(Run.open(tmp_path / "run")).values()

    assert {name: values.tolist() for name, values in found.stages.items()} == {"queue": [0.02], "model": [0.05]}
    assert (found.total.tolist(), found.calls["model_calls"].tolist(), found.unread) == ([0.1], [2.0], 1)


def test_the_page_s_bar_is_the_shares() -> None:
    """Widths are shares of the bar; where stages overlap the bar is their sum; the words say the same."""
    of = point("service", "short/short", 1, 1.0)
    of["stages"] = {
        "queue_s": {"n": 9, "mean": 0.03, "share": 0.3},
        "unexplained_s": {"n": 9, "mean": 0.07, "share": 0.7},
    }
    of["fan_out"] = {"source": "reply", "calls": {"n": 9, "mean": 2.0, "max": 2.0}}
    (bar,) = bars(staged([of]))

    assert [part.split('"')[0] for part in bar.svg.split(' width="')[2:]] == ["300.0", "700.0"]
    assert bar.words == "queue 30.0 %, unexplained 70.0 %."
    assert [shown.text for shown in stages_table([of]).rows[0]][3:6] == ["queue", "9", "30.0 ms"]
    assert [shown.note for shown in stages_table([of]).rows[0]][3] == (
        "not every ok reply tells it: figures are of those that do"
    )
    assert [shown.text for shown in calls_table([of]).rows[0]][3:5] == ["2.00", "2.00"]


@given(st.lists(st.lists(st.text("abcdefgh", min_size=2, max_size=3), max_size=6), max_size=30))
def test_names_that_are_made_up_stay_bounded(told: list[list[str]]) -> None:
    """However many names come over all steps, at most 16 are stages; every value of the others is counted."""
    parts = [inside([1.0], **{f"n{name}": [0.1] for name in names}) for names in told]
    whole = pooled(parts)

    if whole is None:
        assert parts == []
        return
    kept = sum(int((~np.isnan(values)).sum()) for values in whole.stages.values())
    assert len(whole.stages) <= MOST_STAGES
    assert kept + whole.unread == sum(len(part.stages) for part in parts)
