"""Requests unlike the others: found, ranked, named, and held against chance."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from measurements import measured

from exporters.record import Run
from exporters.rows import SCHEMA
from reports.anomalies import CHANCE, MOST, anomalies, modified_z, unusual
from reports.measured import measured_steps
from tests.exporters.synthetic import synthetic_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of one arm in which every 8th request of a window, out of order, waited twenty times as long."""
    run = Run.open(synthetic_run(tmp_path_factory.mktemp("anomalies") / "run", arms=1, blocks=2, rungs=(2, 4)))
    rows = run.requests()
    rows = rows.take(pa.array(np.random.default_rng(4).permutation(rows.num_rows)))
    ttft = np.array(rows["ttft_s"].to_pylist(), dtype=float)
    ttft[::8] *= 20
    rows = rows.set_column(SCHEMA.get_field_index("ttft_s"), SCHEMA.field("ttft_s"), pa.array(ttft, from_pandas=True))
    pq.write_table(rows, run.directory / "requests.parquet", row_group_size=100)
    return run


def test_false_alarms_are_as_many_as_expected() -> None:
    """Of normal logs, 400,000 in steps of 2,000: the share beyond 3.5 is that of the normal distribution, +-30 %."""
    draws = np.random.default_rng(2)
    counts = [unusual(measured(ttft=np.exp(draws.normal(-2, 0.3, 2000))), "ttft_s") for _ in range(200)]
    found, looked = sum(len(found) for found, _ in counts), sum(values for _, values in counts)

    assert looked == 400_000
    assert found / looked == pytest.approx(CHANCE, rel=0.3)
    assert pytest.approx(1 / 2149, rel=0.01) == CHANCE


@pytest.mark.parametrize("factor", [4.0, 0.25])
def test_a_planted_one_is_found(factor: float) -> None:
    """One of 100 requests at four times or a quarter of the median, among logs of sd 20 %, each of 50 times."""
    for seed in range(50):
        values = np.exp(np.random.default_rng(seed).normal(-2, 0.2, 100))
        values[37] = np.median(values) * factor
        found, _ = unusual(measured(ttft=values), "ttft_s")

        (one,) = [one for one in found if one.row == 37]
        assert math.copysign(1, one.score) == math.copysign(1, math.log(factor))
        assert one.value / one.typical == pytest.approx(factor, rel=0.05)


def test_where_all_are_equal_any_difference_is_one() -> None:
    """MAD = 0: infinite, without a z in the summary; rounding is no difference."""
    values = np.full(50, 0.1)
    values[3], values[4] = 0.11, 0.1 * (1 + 1e-15)
    found, _ = unusual(measured(ttft=values), "ttft_s")

    assert [(one.row, one.score) for one in found] == [(3, math.inf)]
    assert modified_z(np.array([1.0, 1.0, 1.0, 0.5])).tolist() == [0.0, 0.0, 0.0, -math.inf]


def test_failed_requests_and_small_steps_have_none() -> None:
    """Failures have outcomes of their own; of 19 requests no median is known well enough."""
    slow = [0.1] * 30 + [9.0]

    assert unusual(measured(ttft=slow[-19:]), "ttft_s") == ([], 0)
    assert unusual(measured(ttft=slow[:-1], failed=1, ttft_s=slow), "ttft_s") == ([], 30)


def test_a_run_lists_the_most_unusual_and_says_who_they_are(run: Run) -> None:
    """At most 20, the largest first; each names the very request whose row has that value, and its kept text."""
    found, counts = anomalies(run, measured_steps(run))
    rows = {row["request_id"]: row for row in run.requests().to_pylist()}

    assert len(found) == MOST < counts["found"]
    assert counts["looked"] > 500
    assert counts["expected"] == pytest.approx(counts["looked"] * CHANCE)
    assert [abs(one["z"]) for one in found] == sorted((abs(one["z"]) for one in found), reverse=True)
    for one in found:
        row = rows[one["request_id"]]
        assert (row["step"], row["phase"], row[one["metric"]]) == (one["step"], "window", one["value"])
        assert (one["worker"], one["prompt_id"]) == (0, row["prompt_id"])
        assert one.get("text", "").startswith("The answer to") == (row["workload"] == "task")


def test_a_run_without_a_step_has_none(tmp_path: Path) -> None:
    """Nothing looked at, nothing expected."""
    run = Run.open(synthetic_run(tmp_path / "run", arms=1, blocks=1, rungs=(1,), cells=("short/short",)))

    assert anomalies(run, []) == ([], {"looked": 0, "found": 0, "expected": 0.0})
