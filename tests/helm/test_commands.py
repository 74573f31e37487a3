"""The rendered commands are the commands that work: pods of the chart's defaults run, as they are told to.

As processes always; with TOKENSWARM_IMAGE=NAME as containers of NAME:full and NAME:swarm (`make image` makes both).
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from exporters.record import Run
from tests.end_to_end.fleet import accounted
from tests.end_to_end.service import no_traceback, read
from tests.helm.cluster import Cluster, network

IMAGE = os.environ.get("TOKENSWARM_IMAGE", "")
SHORT = {
    "ladder.concurrency": [1, 2], "ladder.at": 2, "matrix.cells": ["short/short"], "plan.cell": "short/short",
    "window.duration": "0.5s", "window.min_requests": 4, "window.turns": 1,
}  # fmt: skip
pytestmark = pytest.mark.timeout(400)
LONGER = SHORT | {"plan.blocks": 4}  # time to be ended in


def short(overrides: dict[str, object]) -> tuple[str, ...]:
    """The chart's defaults but for the scenario's length, and with a GPU exporter."""
    return "--set-json", f"scenario.set={json.dumps(overrides)}", "--set", "gpuExporter.kind=daemonset"


@pytest.fixture(scope="module", params=["processes", *(["containers"] if IMAGE else [])])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The defaults of the chart, with shorter windows, its simulator running and ready."""
    folder = tmp_path_factory.mktemp(request.param)
    for path in (folder, *folder.parents[:2]):
        path.chmod(0o755)
    with network(f"helm{os.getpid()}") as name:
        made = Cluster(folder, name, IMAGE if request.param == "containers" else "")
        made.install(*short(SHORT))
        try:
            made.start("simulator", "simulator")
            made.ready("simulator")
            yield made
        finally:
            made.stop()


def ended(process: Any, within_s: float) -> str:
    """Wait for the end; what it said on stderr."""
    stdout, stderr = process.communicate(timeout=within_s)
    assert no_traceback([stdout, stderr]), stderr
    return str(stderr)


def test_a_run_ends_where_the_chart_says(cluster: Cluster) -> None:
    """Workers find the master by its service's name, the exit code is the verdict's, and so is the last message."""
    workers = [cluster.start("worker", f"worker-{at}") for at in range(2)]  # before their master, as it may happen
    master = cluster.start("master", "master-1")
    cluster.ready("master")
    stderr = ended(master, 240)
    out = cluster.results("master-1")
    summary = read(out / "summary.json")

    assert master.returncode == summary["verdict"]["exit_code"], stderr
    assert summary["run"]["workers"] == 2
    assert {step["concurrency"] for step in summary["steps"]} == {1, 2}
    accounted(out)
    said = cluster.termination("master-1").read_text()
    assert said.startswith(f"{summary['verdict']['status']} (exit code {master.returncode}): quick look, in /")
    assert said.split("\n")[0].endswith("/results/master-1")
    for worker in workers:
        ended(worker, 30)
        assert worker.returncode == 0
    assert {path.name for path in out.iterdir()} >= {"report.html", "report.md", "junit.xml", "requests.parquet"}


def test_sigterm_loses_nothing_of_a_night(cluster: Cluster) -> None:
    """To all pods at once, as when a job is deleted: within the grace period a report of all that was sent, exit 4."""
    cluster.install(*short(LONGER), "--set", "mode=nightly")
    workers = [cluster.start("worker", f"night-worker-{at}") for at in range(2)]
    master = cluster.start("master", "night-1")
    deadline = time.monotonic() + 120
    while not (steps := list(cluster.results("").glob("*-nightly/steps.json"))):
        assert time.monotonic() < deadline, "no step came to its end"
        time.sleep(0.1)
    for process in (master, *workers):
        process.send_signal(signal.SIGTERM)
    grace, out = cluster.pods["master"]["spec"]["terminationGracePeriodSeconds"], steps[0].parent
    stderr = ended(master, grace)

    assert master.returncode == read(out / "summary.json")["verdict"]["exit_code"] == 4, stderr
    accounted(out)
    assert Run.open(out).requests().num_rows > 0
    assert (out / "report.html").exists()
    assert (cluster.results("") / "history.html").exists()
    assert "(exit code 4)" in cluster.termination("night-1").read_text()
    for worker in workers:
        ended(worker, grace)


def test_helm_test_climbs_a_ladder(cluster: Cluster) -> None:
    """The pod of `helm test` measures two rungs on the simulator, and ends."""
    process = cluster.start("test", "test-pod")
    stderr = ended(process, 120)
    summary = read(cluster.results("test-pod") / "summary.json")

    assert process.returncode == summary["verdict"]["exit_code"], stderr
    assert process.returncode in (0, 4), "4: the machine is too busy for honest times"
    assert {step["concurrency"] for step in summary["steps"]} == {1, 4}


def test_the_gpu_exporter_answers_without_a_gpu(cluster: Cluster) -> None:
    """It is ready where its probe looks, says that there is no GPU, and ends at SIGTERM within its grace period."""
    process = cluster.start("gpu-exporter", "gpu")
    cluster.ready("gpu-exporter")
    page = cluster.ask("import urllib.request as r; print(r.urlopen('http://127.0.0.1:9400/metrics').read().decode())")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=cluster.pods["gpu-exporter"]["spec"]["terminationGracePeriodSeconds"])

    assert "tokenswarm_gpu_nvml_up 0\n" in page.stdout
    assert process.returncode in (0, -signal.SIGTERM, 128 + signal.SIGTERM)
