"""`isolation` in the summary of a run: from rows to the verdict, which gates nothing between a model and a service."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from exporters.record import Run, RunWriter, convert, pack
from exporters.sample import Sample, Step
from exporters.tally import StepTally
from reports.html import render_html
from reports.markdown import render_markdown
from reports.summary import summarize
from scenarios.load import scenario_of, scenario_to_wire
from scenarios.scenario import Cell, Scenario
from tests.exporters.runs import record, row

SCHEMA = json.loads((Path(__file__).parents[2] / "reports" / "summary.schema.json").read_text())
SIZES = {"short": 100, "long": 1000}
OWN_S, MORE, PER_TOKEN_S = 0.05, 200, 0.0001
Change = Callable[[Sample], Sample | None]


def scenario(**tables: Any) -> Scenario:
    asked = {
        "name": "s", "arms": {arm: {"url": f"http://{arm}:1"} for arm in ("direct", "service")},
        "compare": {"isolate": True}, "ladder": {"concurrency": [1, 2], "at": 1},
        "matrix": {"input": SIZES, "output": {"o": 10}}, "plan": {"cell": "short/o", "blocks": 4}, **tables,
    }  # fmt: skip
    return scenario_of(asked, Path("s.toml"), (), {})


def summary(folder: Path, asked: Scenario, change: Change = lambda sample: sample) -> dict[str, Any]:
    """A run of 4 blocks, 12 turns a step, whose service works 50 ms and asks 200 tokens more; blocks differ."""
    manifest = {"format": 1, "id": "r", "scenario": scenario_to_wire(asked), "started": "2026-11-23T06:15:00Z",
                "ended": "2026-11-23T06:45:00Z", "stopped": None, "workers": 1, "seed": 7}  # fmt: skip
    writer = RunWriter.create(folder / "run", manifest)
    for block in range(1, 5):
        for arm in asked.arms:
            for cell in asked.matrix.cells:
                for users in (1, 2) if cell.input == "short" else (1,):
                    _step(writer, Step(id=f"b{block}-{cell.name}-{users}-{arm}", workload="matrix", arm=arm,
                                       block=block, cell=cell, concurrency=users), change)  # fmt: skip
            if asked.tasks is not None:
                _step(writer, Step(id=f"b{block}-tasks-{arm}", workload="task", arm=arm, block=block, cell=None,
                                   concurrency=1), change)  # fmt: skip
    writer.finish()
    convert(folder / "run")
    return summarize(Run.open(folder / "run"))


def _step(writer: RunWriter, step: Step, change: Change) -> None:
    cell = step.cell or Cell(input="own", output="own", input_tokens=500, output_tokens=10)
    rows = [changed for turn in range(12) if (changed := change(_sample(step, cell, turn))) is not None]
    tally = StepTally()
    tally.finished = float(len(rows))
    writer.rows(pack(rows))
    writer.steps([record(step=step, tally=tally.to_wire(), window_s=3.0)])


def _sample(step: Step, cell: Cell, turn: int) -> Sample:
    served = step.arm == "service"
    tokens = cell.input_tokens + MORE * served
    ttft = 0.01 + tokens * PER_TOKEN_S * (1 + 0.01 * step.block) + OWN_S * served
    end = ttft + 0.04 + 0.001 * turn
    return row(
        1000 * turn + step.block, step=step.id, arm=step.arm, block=step.block, cell_input=cell.input, turn=turn,
        cell_output=cell.output, concurrency=step.concurrency, prompt_id=f"p{turn % 3}", ttft_s=ttft, tpot_s=0.004,
        e2e_s=end, end_s=end, input_tokens=tokens, output_tokens=10, chunks=10,
    )  # fmt: skip


def test_the_parts_of_the_processing_time(tmp_path: Path) -> None:
    """50 ms of own work and 200 tokens of 0.1 ms are found in both cells; at 2 users there is a service effect only."""
    found = summary(tmp_path, scenario())
    isolation = found["isolation"]

    assert isolation["arms"] == ["direct", "service"]
    assert isolation["prefill"]["s_per_token"] == pytest.approx(PER_TOKEN_S * 1.025)
    assert "from 100 to 1,000 input tokens" in isolation["prefill"]["how"]
    for one in isolation["processing"]:
        assert (one["pairs"], one["blocks"], one["more_input_tokens"]) == (48, 4, 200)
        assert one["own_work_s"]["mean"] == pytest.approx(OWN_S)
        assert one["more_input_s"]["mean"] == pytest.approx(MORE * PER_TOKEN_S * 1.025)
        assert one["processing_s"]["ci"][0] <= one["processing_s"]["mean"] <= one["processing_s"]["ci"][1]
    assert {(one["concurrency"], one["metric"]) for one in isolation["effects"]} == {(2, "ttft_s"), (2, "e2e_s")}
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(found)) == []


def test_nothing_between_the_arms_is_gated(tmp_path: Path) -> None:
    """A service is several times slower than its model: no regression, no recommendation, and the verdict says so."""
    found = summary(tmp_path, scenario())

    assert (found["verdict"]["status"], found["verdict"]["exit_code"]) == ("pass", 0)
    assert "nothing between the two arms is gated" in " ".join(found["verdict"]["reasons"])
    assert "recommendation" not in found["verdict"]
    assert found["comparisons"] == []
    assert found["warnings"] == []  # 200 tokens more for the same text are no other tokenizer here


def test_a_limit_that_is_breached_still_fails(tmp_path: Path) -> None:
    """SLOs are each arm's own and are judged as ever."""
    found = summary(tmp_path, scenario(slo={"e2e": "50ms"}))

    assert found["verdict"]["status"] == "fail"


def test_one_input_size_is_not_split(tmp_path: Path) -> None:
    """Without a second size the time of a token is unknown: no own work, one warning with advice."""
    found = summary(tmp_path, scenario(matrix={"input": {"short": 100}, "output": {"o": 10}}))
    (one,) = found["isolation"]["processing"]
    (warning,) = found["warnings"]

    assert "own_work_s" not in one
    assert one["processing_s"]["mean"] == pytest.approx(OWN_S + MORE * PER_TOKEN_S * 1.0, rel=0.03)
    assert warning["text"].startswith("The processing time is not split")
    assert "second input size" in warning["advice"]


def test_nobody_answered(tmp_path: Path) -> None:
    """Without a pair there is no processing time, and that is said."""

    def failed(sample: Sample) -> Sample:
        sample.outcome = "timeout" if sample.arm == "service" else "ok"
        return sample

    found = summary(tmp_path, scenario(), failed)

    assert (found["isolation"]["processing"], found["verdict"]["status"]) == ([], "inconclusive")
    assert "there is no processing time" in " ".join(warning["text"] for warning in found["warnings"])


def test_the_page_says_it(tmp_path: Path) -> None:
    """The first screen has the processing time in a sentence, the section its table; Markdown as well."""
    found = summary(tmp_path, scenario())
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    page, text = render_html(found, manifest), render_markdown(found, manifest)

    for report in (page, text):
        assert "Service adds 70.5" in report
        assert "of its own work" in report
        assert "What service adds to direct, at 1 user" in report
        assert "may ship" not in report


def test_the_user_s_own_prompts_are_paired_too(tmp_path: Path) -> None:
    """Tasks at 1 user have a processing time as cells have; their slope is the cells'."""
    found = summary(tmp_path, scenario(tasks={"concurrency": 1, "requests": 48}))
    (tasks,) = [one for one in found["isolation"]["processing"] if one["cell"] is None]

    assert (tasks["pairs"], tasks["more_input_tokens"]) == (48, 200)
    assert tasks["own_work_s"]["mean"] == pytest.approx(OWN_S)
    assert list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(found)) == []


def test_a_service_that_does_not_stream(tmp_path: Path) -> None:
    """Its reply comes whole: the processing time is there, the part before the first token is absent."""

    def whole(sample: Sample) -> Sample:
        if sample.arm == "service":
            sample.ttft_s = sample.tpot_s = None
        return sample

    found = summary(tmp_path, scenario(), whole)
    one = found["isolation"]["processing"][0]

    assert one["own_work_s"]["mean"] == pytest.approx(OWN_S)
    assert "before_first_s" not in one


def test_other_prompts_in_the_same_turns_are_no_pairs(tmp_path: Path) -> None:
    """An arm that was asked something else has no twin there: said, and nothing is concluded."""

    def other(sample: Sample) -> Sample:
        sample.prompt_id = f"{sample.arm}-{sample.prompt_id}"
        return sample

    assert summary(tmp_path, scenario(), other)["verdict"]["status"] == "inconclusive"
