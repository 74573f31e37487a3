"""The workers in the report: whose rows are here, how they fared, and the one that is not well."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import samples
from measurements import measured

from exporters.record import WorkerPart
from reports.doubts import warnings
from reports.fleet import fleet_figures, sick_worker, users_by_worker
from reports.measured import Measured
from reports.swarm import MOST_WORKERS, placement_table, rows_line, workers_table

EACH = 30  # requests of a worker


def part(index: int, users: int = 2, **facts: float) -> WorkerPart:
    return WorkerPart(
        index=index, users=users, sent=EACH, ok=EACH, failed=0, aborted=0, rows_sent=50, rows_received=50, facts=facts
    )


def step(ttft: list[float], lag: list[float], parts: dict[str, WorkerPart] | None = None) -> Measured:
    """A step of one TTFT and one lag per worker, spread a little."""
    spread = np.linspace(0.95, 1.05, EACH)
    columns = {
        "worker": np.repeat(np.arange(len(ttft)), EACH),
        "lag_max_s": np.concatenate([spread * one for one in lag]),
    }
    made = measured(np.concatenate([spread * one for one in ttft]), **columns)
    workers = parts or {f"w{index}": part(index) for index in range(len(ttft))}
    return Measured(**{**_fields(made), "record": type(made.record)(**{**_fields(made.record), "workers": workers})})


def _fields(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def test_workers_that_are_alike_are_all_well() -> None:
    """The usual spread of lag and TTFT names nobody."""
    assert sick_worker(step([0.1] * 4, [0.0001] * 4)) is None


@pytest.mark.parametrize(
    ("ttft", "lag"), [([0.1, 0.1, 0.1], [0.0001, 0.02, 0.0001]), ([0.1, 0.3, 0.1], [0.0001, 0.0001, 0.0001])]
)
def test_one_that_reads_late_or_waits_long_is_named(ttft: list[float], lag: list[float]) -> None:
    """Its index, its lag, and the percentile with and without it; as a warning with advice."""
    sick = sick_worker(step(ttft, lag))

    assert sick is not None
    assert (sick.index, sick.quantile) == (1, "p90")
    assert sick.lag_s == pytest.approx(lag[1], rel=0.1)
    assert sick.without_s == pytest.approx(0.1, rel=0.1)
    assert sick.ttft_s == pytest.approx(max(ttft), rel=0.1)
    [warning] = [one for one in warnings([step(ttft, lag)]) if one["code"] == "worker 1"]
    assert warning["text"].startswith("Worker 1 is not like the others: it reads ")


def test_two_bad_ones_are_not_one_that_is_sick() -> None:
    """Half of a fleet that is slow is the service or the network, not a worker."""
    assert sick_worker(step([0.1, 0.3, 0.3, 0.1], [0.0001] * 4)) is None


def test_a_worker_of_few_requests_is_not_judged() -> None:
    """Nine requests say nothing of a machine."""
    few = step([0.1, 0.9], [0.0001, 0.5])
    few.ok[EACH + 9 :] = False

    assert sick_worker(few) is None


def test_figures_add_up_over_steps_and_name_what_was_lost() -> None:
    """Requests are summed, health is the worst of the steps, a worker without a step has its account only."""
    account = {"rows_sent": 100, "rows_received": 100, "lost_rows": 0, "lost_reports": 0, "clock": None}
    lost = {**account, "rows_received": 90, "lost_rows": 10, "lost_reports": 1}
    clock = {"offset_s": 0.002, "error_s": 0.0001}
    workers = {"b": {**account, "clock": clock}, "a": account, "c": lost}
    changes = [{"at": "2026-11-23T06:15:00Z", "worker": "c", "what": "lost"}]
    steps = [
        step([0.1, 0.1], [0.001, 0.003], {"a": part(1, cpu=cpu, stall_s=0.01), "b": part(0, 3, cpu=0.1)})
        for cpu in (0.2, 0.6)
    ]
    figures = fleet_figures(steps, {"fleet": {"expected": 3, "changes": changes, "workers": workers}})

    assert figures is not None
    assert [worker["worker"] for worker in figures["workers"]] == ["b", "a", "c"]
    b, a, c = figures["workers"]
    assert (a["sent"], a["ok"], a["cpu"], a["stall_s"], a["users"]) == (2 * EACH, 2 * EACH, 0.6, 0.01, 2)
    assert a["lag_s"] == pytest.approx(0.003, rel=0.01)
    assert (b["clock_offset_s"], b["clock_error_s"], b["users"]) == (0.002, 0.0001, 3)
    assert c == {"worker": "c", "rows_sent": 100, "rows_received": 90, "lost_rows": 10, "lost_reports": 1}
    assert users_by_worker(steps[0]) == [3, 2]
    assert fleet_figures(steps, {}) is None


def summary(workers: int, **fleet: Any) -> dict[str, Any]:
    made = samples.one_arm()
    known = [
        {"worker": f"w{i}", "index": i, "users": 1, "rows_sent": 9, "rows_received": 9 - (i == 1), "lost_rows": i == 1,
         "lost_reports": int(i == 1), "cpu": 0.5, "clock_offset_s": -0.001, "clock_error_s": 0.0002}
        for i in range(workers)
    ]  # fmt: skip
    made["run"]["fleet"] = {"expected": workers, "changes": [], "workers": known, **fleet}
    return made


def test_the_table_of_workers_shows_lost_rows() -> None:
    """Rows here against rows sent, by tone; what is unknown says why; one process needs no table."""
    table = workers_table(summary(3, changes=[{"at": "T", "worker": "w1", "what": "lost"}]))

    assert table is not None
    assert [(row[6].text, row[6].tone) for row in table.rows] == [
        ("9 / 9", "good"),
        ("8 / 9, 1 report lost", "bad"),
        ("9 / 9", "good"),
    ]
    assert rows_line(summary(3)).text == "3 workers: 26 rows received of 27 sent, 1 report lost"
    assert rows_line(summary(3)).tone == "bad"
    assert rows_line(summary(1)) is None
    assert table.rows[0][-1].text == "−1.00 ms ± 200 µs"
    assert table.rows[0][2].note == "this worker was lost before it told"
    assert table.remark == "w1 lost at T"
    assert workers_table(summary(1)) is None
    assert len(workers_table(summary(MOST_WORKERS + 5)).rows) == MOST_WORKERS


def test_the_report_shows_where_small_rungs_ran() -> None:
    """One line per rung: users per worker, and the most uneven step of it."""
    made = summary(4)
    for index, one in enumerate(made["steps"]):
        one["users_by_worker"] = [1, 1, 0, 0] if one["concurrency"] == 2 else [2, 2, 2, 2 + index % 2]
    table = placement_table(made)

    assert table is not None
    texts = {row[0].text: (row[1].text, row[2].text) for row in table.rows}
    assert texts["2"] == ("1 1 0 0", "0 to 1 per worker")
    assert placement_table(samples.one_arm()) is None
