"""The swarm's own metrics, scraped by a real Prometheus from a real run."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from exporters.record import Run
from simulator.llamacpp import free_port
from tests.end_to_end.fleet import locust, stop
from tests.end_to_end.prometheus import Prometheus, answers, running, until
from tests.end_to_end.service import ROOT, front_door, scenario, start
from tests.exporters.grafana import asked

LONG = "[5m]"
MASTER, WORKER = "tokenswarm_", "tokenswarm_worker_"
RULES = ROOT / "helm" / "tokenswarm" / "rules" / "tokenswarm.yml"
JOINED = """
avg(DCGM_FI_DEV_GPU_UTIL) * on() group_right()
  (tokenswarm_step_info and on(job, instance) tokenswarm_phase_info{phase="window"})
"""


class Watched(NamedTuple):
    """A run that is over, and the Prometheus that has scraped it, its engine and a simulated GPU all the while."""

    out: Path
    store: Prometheus
    master: str  # host and port
    began_s: float
    step: dict[str, str]  # labels of a sample that was joined with a step
    lacking: list[str]  # queries of panels that had no sample while the run lasted

    def without_sample(self) -> list[str]:
        return without_sample(self.store, self.out.name, self.began_s)


def without_sample(store: Prometheus, run: str, since_s: float) -> list[str]:
    """The queries of panels that have nothing but NaN, or nothing; rates are over eight scrapes."""
    return [
        query.where
        for query in asked(run, "2s")
        if all(math.isnan(value) for value in store.values(query.promql, since_s))
    ]


@contextlib.contextmanager
def simulated_gpu(engine: str) -> Iterator[str]:
    """A GPU exporter over the simulated GPU of an engine: its host and port."""
    command = [sys.executable, "-m", "tokenswarm", "gpu-exporter", "--simulated", engine, "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield urlsplit(json.loads(process.stdout.readline())["url"]).netloc
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, simulated: str) -> Iterator[Watched]:
    """A master and its two workers, scraped with the engine and the GPU, by a Prometheus with the rules that ship."""
    folder, port = tmp_path_factory.mktemp("watched"), free_port()
    out, asked_for = folder / "run", scenario(folder, simulated, duration="3s")
    with simulated_gpu(simulated) as gpu:
        ours = [f"127.0.0.1:{port + number}" for number in range(3)]
        store = Prometheus(folder, [*ours, urlsplit(simulated).netloc, gpu], rules=[RULES])
        with running(store):
            began_s = time.time()
            options = ("--processes", "2", "--metrics-port", str(port), "--set", "window.retries=0")
            run = start("run", asked_for, "--out", out, *options)
            until(lambda: bool(store.query(JOINED)), "a step can be joined with", within_s=60)
            step, lacking = store.query(JOINED)[0]["metric"], [""]
            while lacking and run.poll() is None:
                lacking = without_sample(store, out.name, began_s)
                time.sleep(0.5)
            _, stderr = run.communicate(timeout=60)
            assert run.returncode in (0, 4), stderr  # 4: the machine was too busy for a valid step, which is not asked
            yield Watched(out, store, ours[0], began_s, step, lacking)


def test_a_scraped_run_is_the_run_on_disk(watched: Watched) -> None:
    """A master and its two workers: Prometheus ends with the rows' own sums, and joins other samples with steps."""
    out, store = watched.out, watched.store
    last = {side: store.value(f"sum(max_over_time({side}requests_total{LONG}))") for side in (MASTER, WORKER)}
    tokens = store.value(f'sum(max_over_time(tokenswarm_tokens_total{{type="output"}}{LONG}))')
    first = store.value(f"max(max_over_time(tokenswarm_time_to_first_token_seconds_count{LONG}))")
    workers = store.value(f"max(max_over_time(tokenswarm_workers{LONG}))")
    users = store.value(f"max(max_over_time(tokenswarm_users{LONG}))")

    rows = [row for row in Run.open(out).requests().to_pylist() if row["phase"] != "check"]
    assert last == {MASTER: len(rows), WORKER: len(rows)}
    assert tokens == sum(row["output_tokens"] or 0 for row in rows)
    assert first == sum(row["phase"] == "window" and row["outcome"] == "ok" for row in rows)
    assert (workers, users) == (2, 2)
    assert watched.step["arm"] == "baseline"
    assert watched.step["step"] in {record.step.id for record in Run.open(out).steps}
    assert f"metrics: http://{watched.master}/metrics" in (out / "locust.log").read_text()


def test_every_panel_shows_something(watched: Watched) -> None:
    """Each query of each panel of each dashboard had a sample before the run was over, and has one afterwards."""
    assert watched.lacking == []
    assert watched.without_sample() == []


def test_the_rules_that_ship_are_evaluated(watched: Watched) -> None:
    """A real Prometheus evaluates all of them without an error, and nothing fires at a run that went well."""
    rules = [rule for group in watched.store.api("rules")["groups"] for rule in group["rules"]]

    assert len(rules) > 15
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
    assert watched.store.query('max_over_time(ALERTS{alertstate="firing"}[5m])') == []


def test_a_port_that_is_taken_is_said_before_any_request(tmp_path: Path, simulated: str) -> None:
    """One line and exit code 2 for the master; nothing was measured."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = front_door("run", scenario(tmp_path, simulated), "--out", tmp_path / "run", "--metrics-port", str(port))

    assert done.returncode == 2
    said = f"tokenswarm: --metrics-port {port}: Address already in use (on 127.0.0.1)"
    assert done.stderr.strip().splitlines()[-1] == said
    assert not (tmp_path / "run" / "run.json").exists()


def test_locust_s_web_page_has_the_master_s_metrics(tmp_path: Path) -> None:
    """Where there is a web UI there is /metrics, without another port; nothing listens on one that nobody asked for."""
    port = free_port()
    process = locust("--web-host", "127.0.0.1", "--web-port", str(port))
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/metrics"), "the web UI serves /metrics")
    finally:
        stop(process)
