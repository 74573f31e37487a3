"""Engines are sampled while they are measured: their counters are our rows, and one that restarts spoils its step."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.compute as pc
import pytest

from exporters.record import Run
from simulator.llamacpp import free_port
from simulator.process import served
from tests.end_to_end.service import front_door, read, scenario, start, wait_for

QUICK = "[sampling]\nhz = 10\n"


def sampled(folder: Path, url: str, duration: str) -> Path:
    path = scenario(folder, url, duration=duration, more=QUICK)
    path.write_text(path.read_text().replace("[ladder]", f'metrics = ["{url}/metrics"]\n[ladder]'))
    return path


def test_the_engine_counts_what_we_count(tmp_path: Path) -> None:
    """Its counters at the end are our rows; running is our in flight; blocks hold what paging implies."""
    out = tmp_path / "run"
    with served("simulator", ("--profile", "small")) as url:
        done = front_door("run", sampled(tmp_path, url, "2.5s"), "--out", out)
    assert done.returncode == 0, done.stderr
    run, summary = Run.open(out), read(out / "summary.json")
    rows, samples = run.requests(), run.server()
    assert {"server.parquet"} <= {path.name for path in out.iterdir()}
    assert not list(out.glob("*.arrows"))
    assert samples["requests"].to_pylist()[-1] <= pc.sum(pc.equal(rows["outcome"], "ok")).as_py()
    for step in (step for step in summary["steps"] if step["valid"]):
        assert step["server"]["running"] == pytest.approx(step["client"]["in_flight"], rel=0.15)
        assert step["server"]["output_tokens"] == pytest.approx(
            step["throughput"]["output_tokens"] * step["window_s"], rel=0.15
        )
        assert step["gpu"]["kv_fragmentation"] == pytest.approx(step["gpu"]["kv_paging_bound"], abs=0.1)
    assert run.manifest["sampler"] == []


def test_an_engine_that_restarts_spoils_its_step(tmp_path: Path) -> None:
    """kill -9 of the engine in a window, and a new one on its port: that step is invalid and done again; said first."""
    out, port = tmp_path / "run", free_port()
    command = [sys.executable, "-m", "simulator", "--profile", "small", "--port", str(port)]
    engine = subprocess.Popen(command)
    try:
        path = sampled(tmp_path, f"http://127.0.0.1:{port}", "2.5s")
        path.write_text(path.read_text() + "[limits]\nmax_errors = 1.0\n")
        wait_for_port(port)
        process = start("run", path, "--out", out)
        wait_for(out / "steps.json")  # the first rung is done, the second begins
        time.sleep(1.5)
        os.kill(engine.pid, signal.SIGKILL)
        engine.wait()
        engine = subprocess.Popen(command)
        _, stderr = process.communicate(timeout=90)
    finally:
        engine.kill()
        engine.wait()

    summary = read(out / "summary.json")
    spoiled = [step for step in summary["steps"] if any("restarted" in why for why in step["why_invalid"])]
    assert [step["concurrency"] for step in spoiled] == [2], stderr
    assert any(step["valid"] and step["concurrency"] == 2 for step in summary["steps"])
    assert summary["warnings"][0]["code"] == "engine restarted"
    assert "restarted" in {event["what"] for event in read(out / "run.json")["sampler"]}


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 20
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", port)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
