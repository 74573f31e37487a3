"""The run over time: pieces that hold every request once, and what happened."""

import json

import numpy as np
import pandas as pd
import pytest

from exporters.record import Run
from reports.timeline import PIECES, _engines, _gpus, timeline
from reports.timeline_chart import events_table, timeline_chart
from tests.exporters.synthetic import synthetic_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run with failures, a lost worker and a limit that stopped it."""
    directory = synthetic_run(tmp_path_factory.mktemp("timeline") / "run", blocks=1, rungs=(1, 2), failures=0.1)
    told = json.loads((directory / "run.json").read_text())
    told |= {"stopped": "max_cost reached", "ended": "2026-11-23T06:16:30.000Z"}
    told["actions"] = [{"at": "2026-11-23T06:15:10.000Z", "what": "hold"}]
    (directory / "run.json").write_text(json.dumps(told))
    return Run.open(directory)


def test_every_request_is_in_one_piece(run):
    """The pieces' rates add up to the requests of all steps, failed ones apart; no piece is shorter than a second."""
    line = timeline(run)
    rows = run.requests().to_pandas()
    of_steps = rows[rows["step"].notna()]

    assert len(line["sent_per_s"]) <= PIECES
    assert line["piece_s"] >= 1
    assert sum(line["sent_per_s"]) * line["piece_s"] == pytest.approx(len(of_steps), rel=2e-3)
    assert sum(line["bad_per_s"]) * line["piece_s"] == pytest.approx((of_steps["outcome"] != "ok").sum(), rel=2e-3)


def test_a_piece_has_the_load_of_its_step(run):
    """Load and arm of a piece are those of the step that was going on; between two steps there is none."""
    line = timeline(run)
    known = [(load, arm) for load, arm in zip(line["load"], line["arm"], strict=True) if load is not None]

    assert {load for load, _ in known} == {1, 2}
    assert {arm for _, arm in known} == {"baseline", "candidate"}
    assert all((load is None) == (arm is None) for load, arm in zip(line["load"], line["arm"], strict=True))


def test_what_happened_is_told_in_its_order(run):
    """What was done by hand and why the run stopped are events, each with its time since the start."""
    events = timeline(run)["events"]

    assert [(event["what"], event["said"]) for event in events] == [
        ("by hand", "hold"),
        ("stopped", "max_cost reached"),
    ]
    assert [row[0].text for row in events_table(timeline(run)).rows] == ["1", "2"]


def test_the_busiest_gpu_and_the_fullest_pool_stand_for_all():
    """Arms take turns: a mean over GPUs or engines would be of the idle ones too."""
    edges = np.array([0.0, 10.0, 20.0])
    gpus = pd.DataFrame({"at_ns": [1, 2, 11, 12], "instance": "h", "gpu": ["a", "b"] * 2, "busy": [0.9, 0.1, 0.2, 0.6]})
    engines = pd.DataFrame({
        "at_ns": [1, 2, 11, 12], "instance": ["x", "y"] * 2, "running": [4.0, 1.0, np.nan, np.nan],
        "waiting": [2.0, 0.0, np.nan, np.nan], "kv_used_share": [0.5, 0.1, np.nan, np.nan],
    })  # fmt: skip

    assert _gpus(gpus, edges) == {"gpu_busy": [0.9, 0.6]}
    assert _engines(engines, edges) == {"in_engine": [7.0, None], "kv_used_share": [0.5, None]}


def test_the_picture_has_a_strip_for_what_is_known(run):
    """Without samples there are load and requests; GPU and engine have theirs when told. Words say the same."""
    line = timeline(run)
    told = {**line, "gpu_busy": [0.5] * len(line["load"]), "in_engine": [2.0] * len(line["load"])}

    few = timeline_chart({"timeline": line, "points": []}, ["baseline", "candidate"])
    more = timeline_chart({"timeline": told, "points": []}, ["baseline", "candidate"])

    assert "GPU busy" not in few.svg
    assert "GPU busy" in more.svg
    assert "requests in the engine" in more.svg
    assert "GPU busy at most 50 %" in more.words
    assert timeline_chart({"points": []}, []) is None
