"""A run and a GPU exporter that push to real servers: what is there afterwards, and what one that is away costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from exporters.record import Run
from tests.end_to_end.prometheus import Prometheus, Pushgateway, running, until
from tests.end_to_end.service import ROOT, front_door, read, scenario

RECEIVER = ("--web.enable-remote-write-receiver",)
OFTEN = {"TOKENSWARM_PUSH_EVERY": "0.5"}


def test_a_run_is_pushed_whole(tmp_path: Path, simulated: str) -> None:
    """Both servers end with the rows' own sums, in a group and with labels of the run; its record says what became of
    the samples; a login in the environment is written nowhere."""
    out, gateway, store = tmp_path / "run", Pushgateway(), Prometheus(tmp_path, options=RECEIVER)
    login = {"TOKENSWARM_REMOTE_WRITE_BEARER_TOKEN": "hunter2", **OFTEN}
    with running(gateway), running(store):
        done = front_door(
            "run", scenario(tmp_path, simulated), "--out", out,
            "--pushgateway", gateway.url, "--remote-write", store.url, env=login,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        last = gateway.series("tokenswarm_requests_total")
        written = store.value('sum(max_over_time(tokenswarm_requests_total{job="tokenswarm",run="run"}[5m]))')
        steps = store.query("max_over_time(tokenswarm_step_info[5m])")
        over = store.query("tokenswarm_run_info")

    rows = [row for row in Run.open(out).requests().to_pylist() if row["phase"] != "check"]
    assert sum(last.values()) == written == len(rows)
    assert {dict(labels)["run"] for labels in last} == {"run"}
    assert {one["metric"]["step"] for one in steps} <= {record.step.id for record in Run.open(out).steps}
    assert over == []
    pushes = read(out / "run.json")["pushes"]
    assert set(pushes) == {"pushgateway", "remote-write"}
    assert (pushes["remote-write"]["lost"], pushes["remote-write"]["failures"]) == (0, 0)
    assert pushes["remote-write"]["samples"] > 100
    assert not any(b"hunter2" in path.read_bytes() for path in out.iterdir())


def test_each_worker_pushes_a_group_of_its_own(tmp_path: Path, simulated: str) -> None:
    """Two workers end in two groups of the run, each with the rows that came from it, whatever the verdict."""
    out, gateway = tmp_path / "run", Pushgateway()
    with running(gateway):
        front_door(
            "run", scenario(tmp_path, simulated), "--out", out, "--processes", "2", "--pushgateway", gateway.url,
            env=OFTEN,
        )  # fmt: skip
        groups = gateway.series("tokenswarm_worker_requests_total")

    rows = Counter(row["worker"] for row in Run.open(out).requests().to_pylist() if row["phase"] != "check")
    pushed: Counter[str] = Counter()
    for labels, value in groups.items():
        pushed[dict(labels)["worker"]] += int(value)
    assert len(pushed) == 2
    assert sorted(pushed.values()) == sorted(rows.values())
    assert {(dict(labels)["job"], dict(labels)["run"]) for labels in groups} == {("tokenswarm-worker", "run")}


def test_servers_that_are_away_cost_a_run_nothing_but_its_metrics(tmp_path: Path, simulated: str) -> None:
    """The verdict is the same, the end comes, and what was lost is said and recorded."""
    out, nobody = tmp_path / "run", "http://127.0.0.1:9"
    done = front_door(
        "run", scenario(tmp_path, simulated), "--out", out, "--pushgateway", nobody, "--remote-write", nobody, env=OFTEN
    )

    assert done.returncode == 0, done.stderr
    lost = read(out / "run.json")["pushes"]["remote-write"]["lost"]
    assert lost > 100
    assert f"tokenswarm: --remote-write: {lost} samples were lost" in done.stderr
    assert "--pushgateway: http://127.0.0.1:9: " in (out / "locust.log").read_text()


@pytest.mark.parametrize("option", ["--pushgateway", "--remote-write"])
def test_an_address_that_is_none_is_said_before_any_request(tmp_path: Path, simulated: str, option: str) -> None:
    """One line, exit code 2, and the login that stood in the address is not repeated."""
    done = front_door("run", scenario(tmp_path, simulated), "--out", tmp_path / "run", option, "http://me:pass@host")

    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith(f"tokenswarm: {option}: an address with a login in it")
    assert "me:pass" not in done.stderr
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_gpu_exporter_pushes_what_it_serves(tmp_path: Path, simulated: str) -> None:
    """Under dcgm's names, as they are; SIGTERM ends its series and deletes its group when asked."""
    gateway, store = Pushgateway(), Prometheus(tmp_path, options=RECEIVER)
    command = [sys.executable, "-m", "tokenswarm", "gpu-exporter", "--simulated", simulated, "--port", "0"]
    with running(gateway), running(store):
        process = subprocess.Popen(
            [*command, "--pushgateway", gateway.url, "--remote-write", store.url], cwd=ROOT, stdout=subprocess.PIPE,
            env={**os.environ, **OFTEN, "NODE_NAME": "node-a", "TOKENSWARM_PUSH_DELETE": "true"},
        )  # fmt: skip
        energy = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
        try:
            until(lambda: bool(store.query(energy) and gateway.series("DCGM_FI_DEV_POWER_USAGE")), "it is pushed")
            (one,) = store.query(energy)
            (power,) = gateway.series("DCGM_FI_DEV_POWER_USAGE")
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
        assert process.returncode == 0
        assert store.query(energy) == []
        assert gateway.series("DCGM_FI_DEV_POWER_USAGE") == {}

    assert (one["metric"]["job"], one["metric"]["instance"], one["metric"]["gpu"]) == ("tokenswarm-gpu", "node-a", "0")
    assert dict(power)["instance"] == "node-a"


def test_a_gpu_exporter_refuses_an_address_that_is_none() -> None:
    """One line and exit code 2."""
    done = front_door("gpu-exporter", "--port", "0", "--remote-write", "nowhere")

    assert (done.returncode, done.stderr.startswith("tokenswarm: --remote-write: nowhere is no address")) == (2, True)
