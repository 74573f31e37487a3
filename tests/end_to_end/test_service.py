"""A service around a model, against the simulator's own account of what each request took."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from exporters.record import Run
from reports.calls import counted_calls
from reports.measured import measured_steps
from simulator.process import served
from tests.end_to_end.service import front_door, read, scenario

STAGES = ("--stages", "preprocess=20,retrieve=35,postprocess=10", "--fan-out", "2", "--more-input", "200")
MORE, HIDDEN, OUTPUT = 200, 8, 24
SIZES = {"short": 64, "long": 1024}
SCENARIO = """
name = "service"
seed = 3
[arms.direct]
url = "{direct}"
metrics = ["{direct}/metrics"]
[arms.service]
url = "{service}"
metrics = ["{service}/metrics"]
[arms.service.stages]
headers = {{ retrieve = "x-retrieve-ms" }}
calls = "usage.calls"
[sampling]
hz = 10
[compare]
isolate = true
[ladder]
concurrency = [1]
[matrix]
input = {{ short = 64, long = 1024 }}
output = {{ short = 24 }}
[plan]
cell = "short/short"
blocks = 4
[prompts]
tokenizer = "o200k_base"
[window]
duration = "1s"
turns = 2
min_requests = 8
max = "10s"
retries = 4
[request]
timeout = "10s"
first_token_timeout = "5s"
"""


class Measured:
    """The run of both arms, and what either simulator says that its requests took."""

    def __init__(self, folder: Path) -> None:
        self.out, truths = folder / "run", {arm: folder / f"{arm}.jsonl" for arm in ("direct", "service")}
        quiet = ("--profile", "small", "--truth")
        with (
            served("simulator", (*quiet, str(truths["direct"]))) as direct,
            served("simulator", (*quiet, str(truths["service"]), *STAGES)) as service,
        ):
            path = folder / "service.toml"
            path.write_text(SCENARIO.format(direct=direct, service=service))
            self.done = front_door("run", path, "--out", self.out, timeout=150)
        self.truth = {arm: [json.loads(line) for line in path.open()] for arm, path in truths.items()}
        self.summary = read(self.out / "summary.json")

    def pairs(self, arm: str, cell: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Each row of the windows of a cell at 1 user with the simulator's own account of it."""
        steps = [r.step for r in Run.open(self.out).steps if r.valid and r.step.cell and r.step.cell.input == cell]
        blocks = [{step.block for step in steps if step.arm == one} for one in ("direct", "service")]
        valid = {step.id for step in steps if step.block in blocks[0] & blocks[1]}  # a busy machine may cost a block
        for row in Run.open(self.out).requests().to_pylist():
            if row["arm"] == arm and row["phase"] == "window" and row["step"] in valid:
                yield row, min(self.truth[arm], key=lambda told: abs(told["arrived_ns"] - row["sent_ns"]))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return Measured(tmp_path_factory.mktemp("service"))


def test_the_stages_of_each_request_are_those_that_it_took(measured: Measured) -> None:
    """Header, named header and trailer: every row has the simulator's own times, and they explain the whole request."""
    rows = [pair for cell in SIZES for pair in measured.pairs("service", cell)]

    assert measured.done.returncode == 0, measured.done.stderr
    assert len(rows) >= 3 * 2 * 8
    for row, told in rows:
        assert json.loads(row["stages"]) == pytest.approx(told["stages"], abs=1e-8)
        assert (row["model_calls"], row["model_output_tokens"]) == (2, HIDDEN + OUTPUT)
        assert row["model_input_tokens"] == 2 * (SIZES[row["cell_input"]] + MORE)
    for point in (point for point in measured.summary["points"] if point["arm"] == "service"):
        assert set(point["stages"]) == {"preprocess_s", "retrieve_s", "model_s", "postprocess_s", "unexplained_s"}
        assert sum(one["share"] for one in point["stages"].values()) == pytest.approx(1)
        assert 0 <= point["stages"]["unexplained_s"]["share"] < 0.03
        assert point["fan_out"]["calls"]["mean"] == 2


@pytest.mark.parametrize("cell", SIZES)
def test_the_processing_time_is_what_the_simulators_say(measured: Measured, cell: str) -> None:
    """Paired at 1 user: within 2 % and the stated interval of the difference of both simulators' own times."""
    (found,) = [one for one in measured.summary["isolation"]["processing"] if one["cell"]["input"] == cell]
    took = {arm: fmean(told["total_s"] for _, told in measured.pairs(arm, cell)) for arm in ("direct", "service")}
    truth, half = (
        took["service"] - took["direct"],
        (found["processing_s"]["ci"][1] - found["processing_s"]["ci"][0]) / 2,
    )

    assert found["blocks"] >= 3
    assert found["more_input_tokens"] == SIZES[cell] + 2 * MORE
    assert found["processing_s"]["mean"] == pytest.approx(truth, abs=0.02 * truth + half)
    own = fmean(
        sum(took for name, took in told["stages"].items() if name != "model")
        for _, told in measured.pairs("service", cell)
    )
    assert found["own_work_s"]["mean"] == pytest.approx(own, abs=0.08 * own)  # a call's fixed part is not its tokens'


def test_nothing_between_the_arms_is_judged(measured: Measured) -> None:
    """Half as fast is no regression here, and the check found the stages before anything was measured."""
    assert measured.summary["verdict"]["status"] == "pass"
    assert "nothing between the two arms is gated" in " ".join(measured.summary["verdict"]["reasons"])
    assert measured.summary["comparisons"] == []
    assert "service: stages: retrieve, preprocess, model, postprocess; model calls: 2" in measured.done.stderr
    assert '"ServiceUser": 1' in (measured.out / "locust.log").read_text()  # the entry file that `run` picks


def test_the_engine_s_counters_tell_the_same_calls(measured: Measured) -> None:
    """Without the reply's list: a mean of 2 calls and their tokens from samples of the engine, and how many at once."""
    run = Run.open(measured.out)
    counted = counted_calls(run, measured_steps(run), run.scenario)

    assert (counted.foreign, len(counted.places)) == (0.0, 2)
    for (cell, users), found in counted.places.items():
        assert users == 1
        assert found["calls"]["mean"] == pytest.approx(2, rel=0.1)  # a window's edges cut a request of ten
        assert found["input_tokens"]["mean"] == pytest.approx(2 * (SIZES[cell.input] + MORE), rel=0.1)
        model = fmean(told["stages"]["model"] / told["total_s"] for _, told in measured.pairs("service", cell.input))
        assert found["at_once"] == pytest.approx(model, abs=0.2)


def test_the_life_cycle_of_a_healthy_service(measured: Measured) -> None:
    """The first request of a visit takes no 20 ms more, the engines are at rest at once, and give all memory back."""
    life = measured.summary["life"]

    assert [(one["arm"], one["passes"] >= 6) for one in life["warm_up"]] == [("direct", True), ("service", True)]
    assert all(abs(one["extra_s"]["mean"]) < 0.02 for one in life["warm_up"])
    assert {one["arm"] for one in life["rest"]} == {"direct", "service"}
    for one in life["rest"]:
        assert one["cool_down_s"] <= 0.1 + one["resolution_s"] < 0.3
        assert one["kv_after"] == one["kv_before"] == 0


def test_replies_that_lack_the_header_are_counted_once(tmp_path: Path) -> None:
    """Some 10 % of the replies tell of no stage: one warning with the simulator's own count; the run goes on."""
    truth = tmp_path / "truth.jsonl"
    lost = ("--stages", "retrieve=20", "--stages-lost", "0.1", "--seed", "5", "--truth", str(truth))
    with served("simulator", ("--scripted", "--ttft-ms", "10", "--gap-ms", "5", "--tokens", "24", *lost)) as url:
        path = scenario(tmp_path, url, duration="5s")
        done = front_door("run", path, "--out", tmp_path / "run", "--set", "ladder.concurrency=[2]")
    found = read(tmp_path / "run" / "summary.json")
    (step,) = [one for one in Run.open(tmp_path / "run").steps if one.valid]
    rows = [row for row in Run.open(tmp_path / "run").requests().to_pylist() if row["step"] == step.step.id]
    silent = sum(row["phase"] == "window" and row["stages"] is None for row in rows)
    told = [one for one in map(json.loads, truth.open()) if one["silent"]]
    (text,) = [warning["text"] for warning in found["warnings"] if warning["code"].startswith("stages missing")]

    assert done.returncode == 0, done.stderr
    assert 0 < silent <= len(told)
    assert f"{silent} of {sum(row['phase'] == 'window' for row in rows)} ok replies" in text
    assert found["points"][0]["stages"]["retrieve_s"]["n"] == found["points"][0]["requests"]["ok"] - silent
