"""The swarm's own metrics: what the orders and reports add up to, bounded, documented, and as Prometheus wants it."""

from __future__ import annotations

import itertools
import re
import subprocess
from array import array
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from exporters import prometheus
from exporters.counts import counted
from exporters.exposition import page
from exporters.fleet import ROWS, Delta, Lane, Order, Outbox
from exporters.inbox import Account, Inbox
from exporters.prometheus import MOST_POINTS, SwarmMetrics, of_itself, of_workers
from exporters.push import Push, Sending
from exporters.sample import Outcome, Sample, Step, Timeline
from exporters.swarm_fields import MASTER, WORKER
from scenarios.scenario import Cell

OUTCOMES = get_args(Outcome)
SIZES = {"short": 128, "medium": 1024, "long": 4096}
CELLS = [Cell(a, b, SIZES[a], SIZES[b]) for a, b in itertools.product(SIZES, SIZES)]
RUNGS = (1, 2, 4, 8, 16, 32)
RUN = {
    "id": "20261124T000000Z-full",
    "scenario": {"name": 'a "full" matrix', "arms": {arm: {"api": "openai-chat", "model": "m"} for arm in "ab"}},
}
FULL = {"input_tokens": 10, "cached_tokens": 4, "output_tokens": 5, "reasoning_tokens": 1, "lag_max_s": 0.001}


def step_of(arm: str, cell: Cell | None, rung: int) -> Step:
    kind = "task" if cell is None else "matrix"
    name = f"{arm}-{cell.name if cell else 'tasks'}-{rung}"
    return Step(id=name, workload=kind, arm=arm, block=1, cell=cell, concurrency=rung)


def order_of(step: Step | None, phase: str = "window", **fields: Any) -> Order:
    lanes = () if step is None else (Lane(arm=step.arm, step=step),)
    return Order(
        seq=1, phase=phase, lanes=lanes, cell=step.cell if step else None, block=1, run=RUN,
        users=step.concurrency if step else 0, **fields,
    )  # fmt: skip


def row(step: Step, outcome: str = "ok", **fields: Any) -> Sample:
    cell = (step.cell.input, step.cell.output) if step.cell else (None, None)
    return Sample(
        request_id="1", workload=step.workload, step=step.id, arm=step.arm, block=1, worker=0, sent_ns=1,
        phase="window", cell_input=cell[0], cell_output=cell[1], concurrency=step.concurrency, outcome=outcome,
        **fields,
    )  # fmt: skip


class Worker:
    """An outbox whose reports reach an inbox, and whoever listens there."""

    worker_index = 0

    def __init__(self, name: str, inbox: Inbox) -> None:
        self.inbox, self.outbox = inbox, Outbox(self, name)

    def send_message(self, msg_type: str, data: Any = None, client_id: str | None = None) -> None:
        assert msg_type == ROWS
        data = msgspec.msgpack.decode(msgspec.msgpack.encode(data))
        self.inbox.on_rows(environment=None, msg=SimpleNamespace(data=data, node_id="w"))

    def register_message(self, msg_type: str, listener: Any) -> None:
        raise AssertionError("an outbox listens to nothing")

    def book(self, step: Step, sample: Sample, gaps: list[float] | None = None) -> None:
        tally = self.outbox.tally.step(step.id)
        tally.add(sample, np.array(gaps or []), np.empty(0), Timeline(lags=array("q", [1000])))
        self.outbox.add(sample)


def master(users: int = 2, accounts: dict[str, Account] | None = None) -> SwarmMetrics:
    return SwarmMetrics(MASTER, lambda: users, lambda: of_workers(accounts or {}, 1, 2))


def delta_of(rows: list[Sample], seq: int = 1) -> Delta:
    return Delta(
        worker="w", seq=seq, rows=len(rows), rows_sent=len(rows), packed=b"", tally={}, responses=[], failed=0,
        counts=counted(rows),
    )  # fmt: skip


def series(metrics: SwarmMetrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every series of a page by name and labels; the page has none twice."""
    found = [
        ((sample.name, tuple(sorted(sample.labels.items()))), sample.value)
        for family in text_string_to_metric_families(metrics.page().decode())
        for sample in family.samples
    ]
    assert len(found) == len(dict(found))
    return dict(found)


def values(metrics: SwarmMetrics, name: str, **labels: str) -> list[float]:
    wanted = set(labels.items())
    return [value for (found, has), value in series(metrics).items() if found == name and wanted <= set(has)]


def everything(side: str, workers: int = 8) -> SwarmMetrics:
    """The full matrix and the tasks on two arms, with every outcome everywhere, and the last steps in open loop."""
    accounts = {f"host-{number}_{number:032x}": Account(10, 10, 1, 0, 5.0) for number in range(workers)}
    metrics = SwarmMetrics(
        side, lambda: 33, lambda: of_workers(accounts, workers, workers) if side == MASTER else of_itself(9, 5.0)
    )
    inbox = Inbox(lambda _: None, lambda: None)
    inbox.on_report.append(metrics.reported)
    worker = Worker("w", inbox)
    steps = [step_of(arm, cell, rung) for arm in "ab" for cell in CELLS for rung in RUNGS]
    steps += [step_of(arm, None, 8) for arm in "ab"]
    for step in steps:
        metrics.ordered(order_of(step))
        latencies = {"ttft_s": 0.2, "tpot_s": 0.01, "e2e_s": 0.25, "schedule_lag_s": 0.001}
        for outcome in OUTCOMES:
            worker.book(step, row(step, outcome, **FULL, **latencies), [0.01, 0.02])
        worker.outbox.flush()
    both = tuple(Lane(arm=arm, step=step_of(arm, CELLS[0], 32)) for arm in "ab")
    metrics.ordered(Order(seq=2, phase="window", lanes=both, cell=CELLS[0], block=1, users=32))
    return metrics


def test_the_full_matrix_has_at_most_2000_series() -> None:
    """54 points and the tasks on two arms, every outcome at each of them, eight workers: nothing is left out."""
    found = series(everything(MASTER))

    assert 1900 < len(found) <= 2000
    assert sum(value for (name, _), value in found.items() if name == "tokenswarm_requests_total") == 110 * 12
    assert not any(("rung", "other") in labels for _, labels in found)


def test_a_search_without_end_stays_bounded() -> None:
    """Points beyond the most are counted together: no request is lost, no arm takes another's."""
    metrics = master()
    for load in range(1, 400):
        step = step_of("ab"[load % 2], CELLS[0], load)
        metrics.ordered(order_of(step))
        metrics.reported(delta_of([row(step, **FULL)]))
    points = {labels for (name, labels) in series(metrics) if name == "tokenswarm_requests_total"}

    assert len(points) == MOST_POINTS + 2
    for arm, whole in (("a", 199), ("b", 200)):
        assert sum(values(metrics, "tokenswarm_requests_total", arm=arm)) == whole
        assert sum(values(metrics, "tokenswarm_tokens_total", arm=arm, type="input")) == 10 * whole


ROW = st.tuples(
    st.sampled_from("ab"), st.sampled_from(RUNGS[:3]), st.sampled_from(OUTCOMES), *[st.none() | st.integers(0, 99)] * 2
)


@given(st.lists(st.lists(ROW, max_size=6), max_size=6))
def test_counters_are_sums_over_rows(reports: list[list[tuple[Any, ...]]]) -> None:
    """However rows are spread over workers and reports, by point and outcome; what no row tells has no series."""
    inbox, metrics = Inbox(lambda _: None, lambda: None), master()
    inbox.on_report.append(metrics.reported)
    workers = [Worker(name, inbox) for name in ("w0", "w1")]
    metrics.ordered(order_of(None, "prepare"))
    outcomes, cached = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for number, report in enumerate(reports):
        worker = workers[number % 2]
        for arm, rung, outcome, input_tokens, cached_tokens in report:
            step = step_of(arm, CELLS[4], rung)
            worker.outbox.add(row(step, outcome, input_tokens=input_tokens, cached_tokens=cached_tokens))
            outcomes[arm, str(rung), outcome] += 1
            if cached_tokens is not None:
                cached[arm, str(rung)] += cached_tokens
        worker.outbox.flush()
    found = series(metrics)

    def by(name: str, *wanted: str) -> dict[tuple[str, ...], float]:
        picked = {labels: value for (one, labels), value in found.items() if one == name}
        return {tuple(dict(labels)[each] for each in wanted): value for labels, value in picked.items()}

    assert by("tokenswarm_requests_total", "arm", "rung", "outcome") == dict(outcomes)
    told = by("tokenswarm_tokens_total", "arm", "rung", "type")
    assert {key[:2]: value for key, value in told.items() if key[2] == "cached"} == dict(cached)


def test_histograms_are_those_of_the_tallies() -> None:
    """By arm alone, cumulative, with the exact sum and count; only ok requests of windows have a TTFT."""
    inbox, metrics = Inbox(lambda _: None, lambda: None), master()
    inbox.on_report.append(metrics.reported)
    worker, step = Worker("w", inbox), step_of("a", CELLS[0], 2)
    metrics.ordered(order_of(step))
    for ttft, outcome in ((0.003, "ok"), (0.07, "ok"), (0.3, "ok"), (60.0, "ok"), (0.004, "timeout")):
        worker.book(step, row(step, outcome, ttft_s=ttft, e2e_s=ttft), [0.01] * 3)
    worker.outbox.flush()
    name = "tokenswarm_time_to_first_token_seconds"

    assert values(metrics, f"{name}_bucket", le="0.005") == [1]
    assert values(metrics, f"{name}_bucket", le="0.08") == [2]
    assert values(metrics, f"{name}_bucket", le="0.5") == [3]
    assert values(metrics, f"{name}_bucket", le="30") == [3]
    assert values(metrics, f"{name}_bucket", le="+Inf") == values(metrics, f"{name}_count") == [4]
    assert values(metrics, f"{name}_sum") == pytest.approx([60.373])
    assert values(metrics, "tokenswarm_inter_chunk_gap_seconds_count") == [15]
    assert {labels for (one, labels) in series(metrics) if one == f"{name}_count"} == {(("arm", "a"),)}


def test_where_the_swarm_is_follows_the_orders() -> None:
    """Parallel lanes share the users; a step is named while it lasts; a drain has a phase and no step."""
    metrics = master(users=5)
    lanes = tuple(Lane(arm=arm, step=step_of(arm, CELLS[0], 3)) for arm in "ab")
    order = Order(seq=1, phase="window", lanes=lanes, cell=CELLS[0], block=2, users=3)
    metrics.ordered(order)

    assert [values(metrics, "tokenswarm_users", arm=arm) for arm in "ab"] == [[3], [2]]
    assert values(metrics, "tokenswarm_users_target", arm="b", cell="short/short", rung="3") == [3]
    assert values(metrics, "tokenswarm_step_info", step="a-short/short-3", block="2", rung="3") == [1]
    assert values(metrics, "tokenswarm_phase_info", phase="window") == values(metrics, "tokenswarm_phase_info") == [1]

    metrics.ordered(msgspec.structs.replace(order, seq=2, phase="ping"))
    assert values(metrics, "tokenswarm_phase_info", phase="window") == [1]

    metrics.ordered(msgspec.structs.replace(order, seq=3, phase="drain"))
    assert values(metrics, "tokenswarm_step_info") == []
    assert values(metrics, "tokenswarm_users_target") == [0, 0]


def test_a_rung_in_open_loop_is_a_rate() -> None:
    """Requests per second as they are written, also where rows know no number of users; its lag is told."""
    step = msgspec.structs.replace(step_of("a", CELLS[0], 4096), rate=0.5)
    metrics = master()
    metrics.ordered(order_of(step, open_loop=True))
    metrics.reported(delta_of([row(step, schedule_lag_s=lag) for lag in (0.001, 0.003)]))

    assert values(metrics, "tokenswarm_requests_total", rung="0.5", outcome="ok") == [2]
    assert values(metrics, "tokenswarm_schedule_lag_max_seconds", rung="0.5") == [0.003]
    assert values(metrics, "tokenswarm_users_target") == []


def test_a_lag_that_is_no_longer_present_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last report's while it is fresh, then none; a report without a lag brings none."""
    metrics, step, now = master(), step_of("a", CELLS[0], 2), [100.0]
    monkeypatch.setattr(prometheus, "time", SimpleNamespace(monotonic=lambda: now[0], time=lambda: now[0]))
    metrics.ordered(order_of(step))
    metrics.reported(delta_of([row(step, lag_max_s=0.25)]))
    assert values(metrics, "tokenswarm_read_lag_max_seconds", rung="2") == [0.25]
    assert values(metrics, "tokenswarm_schedule_lag_max_seconds") == []

    now[0] += 6
    assert values(metrics, "tokenswarm_read_lag_max_seconds") == []


def test_a_new_run_begins_at_zero() -> None:
    """Another run's prepare order forgets what was counted; the same run's, sent again for a late worker, does not."""
    metrics, step = master(), step_of("a", CELLS[0], 2)
    metrics.ordered(order_of(step, "prepare"))
    metrics.reported(delta_of([row(step)]))
    metrics.ordered(order_of(step, "prepare"))
    assert values(metrics, "tokenswarm_requests_total") == [1]

    metrics.ordered(msgspec.structs.replace(order_of(step, "prepare"), run={**RUN, "id": "next"}))
    assert values(metrics, "tokenswarm_requests_total") == []
    assert values(metrics, "tokenswarm_run_info", run="next", scenario='a "full" matrix') == [1]


def test_a_master_knows_of_its_workers() -> None:
    """Who is there, whose rows have come, and when each was last heard."""
    metrics = master(accounts={"w0": Account(rows_received=7, rows_sent=9, heard_s=0.0)})

    assert values(metrics, "tokenswarm_workers") == [1]
    assert values(metrics, "tokenswarm_workers_expected") == [2]
    assert values(metrics, "tokenswarm_rows_sent_total", worker="w0") == [9]
    assert values(metrics, "tokenswarm_rows_received_total", worker="w0") == [7]


@pytest.mark.parametrize("side", [MASTER, WORKER])
def test_promtool_finds_no_fault(side: str) -> None:
    """`promtool check metrics` has nothing to say about names, kinds, units or help."""
    page = everything(side).page().decode()
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, timeout=30)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def documented() -> set[tuple[str, str, str]]:
    """Name, kind and labels of each row of the first table in docs/prometheus.md; `*` stands for both sides."""
    page = Path(__file__).parents[2] / "docs" / "prometheus.md"
    text = page.read_text(encoding="utf-8").split("## What the GPU")[0]
    rows = re.findall(r"^\| `([*a-z_]+)` \| (\w+) \| ([a-z_, ]*?) *\|", text, re.MULTILINE)
    sides = {True: (MASTER, WORKER), False: ("*",)}
    return {(name.replace("*", side), kind, labels) for name, kind, labels in rows for side in sides["*" in name]}


def test_every_metric_is_documented_and_every_documented_one_exposed() -> None:
    """docs/prometheus.md against the pages of a master and a worker, both ways: names, kinds, labels."""
    push = Push(Sending(pushgateway="http://host", remote_write="http://host"), {}, {}, print)
    pages = [everything(MASTER).page(), everything(WORKER).page(), page(push.health())]
    found = {
        (f"{family.name}_total" if family.type == "counter" else family.name, family.type,
         ", ".join(name for name in sample.labels if name != "le"))
        for whole in pages
        for family in text_string_to_metric_families(whole.decode())
        for sample in family.samples
    }  # fmt: skip

    assert found == documented()
