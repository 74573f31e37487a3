"""Tokens counted twice: consumption is the sum of the rows, throughput what arrived, and both are parts of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from exporters.record import Run
from reports.measured import measured_steps
from reports.summary import summarize
from reports.token_counts import token_counts, token_table, token_warnings
from tests.exporters.synthetic import synthetic_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two blocks, tasks too; a tenth of the requests fails."""
    folder = tmp_path_factory.mktemp("tokens") / "run"
    return Run.open(synthetic_run(folder, arms=1, blocks=2, rungs=(2, 4), failures=0.1))


@pytest.fixture(scope="module")
def summary(run: Run) -> dict[str, Any]:
    return summarize(run)


@pytest.mark.parametrize("side", ["input", "output"])
def test_consumption_is_the_sum_of_the_rows(side: str, run: Run, summary: dict[str, Any]) -> None:
    """Of requests sent in windows: the same by a plain sum over the rows, and as the steps' tokens."""
    rows = run.requests()
    window = rows.filter(pc.equal(rows["phase"], "window"))
    steps = [*summary["steps"], *summary["tasks"]]

    assert summary["run"]["tokens"][side]["sent"] == sum(n or 0 for n in window[f"{side}_tokens"].to_pylist())
    assert summary["run"]["tokens"][side]["sent"] == sum(step["tokens"][side] for step in steps)


def test_throughput_is_what_arrived(run: Run, summary: dict[str, Any]) -> None:
    """Rates times windows are the tokens that arrived, by the rows and by the live counts."""
    tokens, steps = summary["run"]["tokens"], [*summary["steps"], *summary["tasks"]]
    made = sum(step["throughput"]["output_tokens"] * step["window_s"] for step in steps)
    both = sum(step["throughput"]["total_tokens"] * step["window_s"] for step in steps)

    assert made == pytest.approx(tokens["output"]["arrived"], rel=1e-9)
    assert both - made == pytest.approx(tokens["input"]["arrived"], rel=1e-9)
    for counts in tokens.values():
        assert counts["arrived"] == pytest.approx(counts["arrived_live"], rel=1e-9)
        assert counts["sent"] != counts["arrived"], "requests span the windows' edges"


def test_both_are_parts_of_the_run(run: Run, summary: dict[str, Any]) -> None:
    """The run's total is that of all its steps' rows: more than either part, and not a token more than was used."""
    rows = run.requests()
    told = rows.filter(pc.is_valid(rows["step"]))

    for side, counts in summary["run"]["tokens"].items():
        assert counts["run"] == sum(n or 0 for n in told[f"{side}_tokens"].to_pylist())
        assert max(counts["sent"], counts["arrived"]) < counts["run"]
    shown = token_table(summary)
    assert [[entry.text for entry in row][-1] for row in shown.rows] == ["agree", "agree"]


def test_lost_rows_are_said(tmp_path: Path) -> None:
    """Without every tenth row the live counts are larger by a tenth: a warning for each side, red in the table."""
    run = Run.open(synthetic_run(tmp_path / "run", arms=1, blocks=2, rungs=(2, 4)))
    rows = run.requests()
    kept = rows.filter(pa.array(np.arange(rows.num_rows) % 10 > 0))
    pq.write_table(kept, run.directory / "requests.parquet")
    found = token_counts(run, measured_steps(run))

    assert [warning["code"] for warning in token_warnings(found)] == [
        "tokens do not reconcile: input",
        "tokens do not reconcile: output",
    ]
    assert found["output"]["arrived"] / found["output"]["arrived_live"] == pytest.approx(0.9, abs=0.03)
    assert {row[-1].tone for row in token_table({"run": {"tokens": found}}).rows} == {"bad"}
