"""`tokenswarm run` end to end: a scenario in, a run directory and a verdict out; real processes, real signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pyarrow.compute as pc
import pytest

from exporters.record import Run
from simulator.llamacpp import free_port
from tests.end_to_end.service import front_door, here, interrupt, no_traceback, read, scenario, settled, start, wait_for


def test_a_run_measures_every_step_and_counts_every_request(measured: tuple[Path, str]) -> None:
    """Every planned step is valid, rows add up, the contract's files are there, and the last line names the run."""
    out, last_line = measured

    assert last_line == str(out)
    summary = read(out / "summary.json")
    assert settled(summary) == {1: True, 2: True}
    assert all(step["requests"]["sent"] == step["requests"]["ok"] >= 6 for step in summary["steps"])
    assert {path.name for path in out.iterdir()} >= {
        "run.json", "requests.parquet", "steps.json", "summary.json", "report.html", "report.md", "locust.log",
    }  # fmt: skip
    manifest = read(out / "run.json")
    assert manifest["rows"]["sent"] == manifest["rows"]["received"] > 0
    assert manifest["stopped"] is None


def test_rows_tell_what_was_sent(measured: tuple[Path, str]) -> None:
    """Each ok row has the cell's sizes, its latencies in order, and a phase; warm-up rows have no step."""
    rows = Run.open(measured[0]).requests()

    assert set(rows["phase"].to_pylist()) >= {"check", "warmup", "settle", "window"}
    window = rows.filter(pc.equal(rows["phase"], "window"))
    assert set(window["outcome"].to_pylist()) == {"ok"}
    assert set(window["output_tokens"].to_pylist()) == {24}
    assert set(rows.filter(pc.equal(rows["phase"], "warmup"))["step"].to_pylist()) == {None}
    for row in window.to_pylist():
        assert 0 < row["ttft_s"] < row["e2e_s"] <= row["end_s"]
        assert row["headers_s"] <= row["ttft_s"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_kept_and_marked(tmp_path: Path, simulated: str, number: int) -> None:
    """Ctrl-C and SIGTERM in the middle: exit 4, a partial report, the reason in the manifest, no traceback."""
    out = tmp_path / "run"
    process = start("run", scenario(tmp_path, simulated, blocks=30), "--out", out)
    wait_for(out / "steps.json")
    time.sleep(0.3)
    stdout, stderr = interrupt(process, number)

    assert process.returncode == 4, stderr
    assert no_traceback([stdout, stderr, (out / "locust.log").read_text()])
    assert read(out / "run.json")["stopped"] == "interrupted"
    assert len(read(out / "summary.json")["steps"]) >= 1
    assert (out / "report.html").exists()


@pytest.mark.parametrize("after_s", [1.0, 1.7, 2.4, 3.0, 3.8])
def test_an_interrupt_at_any_moment_is_clear(tmp_path: Path, simulated: str, after_s: float) -> None:
    """Ctrl-C while it starts, checks, prepares or measures: exit 4, no traceback, and a report once there is a run."""
    out = tmp_path / "run"
    process = start("run", scenario(tmp_path, simulated, blocks=30), "--out", out, "--processes", "2")
    time.sleep(after_s)
    stdout, stderr = interrupt(process)

    assert process.returncode in (4, 130), stderr  # 130: the shell's, before tokenswarm itself has begun
    assert no_traceback([stdout, stderr])
    assert (out / "run.json").exists() == (out / "report.md").exists()


def test_a_killed_run_is_readable_and_resumes(tmp_path: Path, simulated: str) -> None:
    """kill -9, then report: what was measured is there; then --resume does exactly the steps that are left."""
    out = tmp_path / "run"
    process = start("run", scenario(tmp_path, simulated, blocks=3), "--out", out)
    wait_for(out / "steps.json")
    process.kill()
    process.wait()
    reported = here("report", out)
    assert no_traceback([reported.stderr])
    before = [step["id"] for step in read(out / "summary.json")["steps"]]
    assert 0 < len(planned(before)) < 6

    resumed = front_door("run", "--resume", out)

    assert resumed.returncode == 0, resumed.stderr
    steps = [step["id"] for step in read(out / "summary.json")["steps"]]
    assert steps[: len(before)] == before
    assert len(steps) == len(set(steps))
    assert len(planned(steps)) == 6


def planned(steps: list[str]) -> set[str]:
    """The plan's steps, whatever try."""
    return {step.split("-try")[0] for step in steps}


def test_plain_locust_runs_the_same_scenario(tmp_path: Path, simulated: str) -> None:
    """`locust -f locustfiles/chat.py,shapes/ladder.py --scenario FILE --headless` writes the same run."""
    out = tmp_path / "run"
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/chat.py,shapes/ladder.py", "--headless"]
    command += ["--scenario", str(scenario(tmp_path, simulated)), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)

    assert done.returncode == 0, done.stderr
    assert settled(read(out / "summary.json")) == {1: True, 2: True}


def test_the_web_page_starts_a_run(tmp_path: Path, simulated: str) -> None:
    """Started by POST /swarm, the ladder runs to its end and the process keeps serving.

    A key of the scenario that the form sets (it could be a command) is not heard.
    """
    out, port = tmp_path / "run", free_port()
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/chat.py,shapes/ladder.py", "--web-host", "127.0.0.1"]
    command += ["--web-port", str(port), "--scenario", str(scenario(tmp_path, simulated)), "--out", str(out)]
    command += ["--set", "window.turns=2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        not_heard = f"set=arms.baseline.before%3Dtouch%20{tmp_path}/touched"
        post(f"http://127.0.0.1:{port}/swarm", f"user_count=1&spawn_rate=1&{not_heard}".encode())
        wait_for(out / "report.md", 60)
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).status == 200
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert settled(read(out / "summary.json")) == {1: True, 2: True}
    assert not (tmp_path / "touched").exists()


def post(url: str, body: bytes) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=10).read()
            return
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < deadline, f"{url} never answered"
            time.sleep(0.2)
