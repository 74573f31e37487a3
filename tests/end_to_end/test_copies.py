"""A run that is copied while it lasts: real processes, a store on this disk, real signals."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from exporters.record import Run
from tests.end_to_end.service import front_door, read, scenario, start, wait_for


def copier_of(pid: int) -> int:
    """The process id of a master's copier."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"exporters.copier" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    raise AssertionError("no copier")


def test_a_killed_run_is_readable_from_its_copy_and_goes_on(tmp_path: Path, simulated: str) -> None:
    """kill -9 of the master: the copy has every finished step with its rows; --resume completes run and copy."""
    out, store = tmp_path / "run", tmp_path / "store"
    process = start("run", scenario(tmp_path, simulated, blocks=2), "--out", out, "--copy-to", f"file://{store}")
    wait_for(store / "run" / "steps.json")
    time.sleep(1.0)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    time.sleep(1.0)  # the copier ends with its master

    copied = Run.open(store / "run")
    steps = {record.step.id for record in copied.steps}
    here, there = (
        [row["request_id"] for row in run.requests().to_pylist() if row["step"] in steps and row["phase"] == "window"]
        for run in (Run.open(out), copied)
    )
    assert steps
    assert there == here
    assert front_door("report", store / "run").returncode in (0, 4)

    resumed = front_door("run", "--resume", out, "--copy-to", f"file://{store}")
    assert resumed.returncode == 0, resumed.stderr
    assert {path.name for path in (store / "run").iterdir()} == {path.name for path in out.iterdir()} - {"locust.json"}
    for name in ("run.json", "steps.json", "summary.json", "requests.parquet", "report.html"):
        assert (store / "run" / name).read_bytes() == (out / name).read_bytes(), name


def test_a_store_that_hangs_holds_up_no_step(tmp_path: Path, simulated: str) -> None:
    """The copier stands still from the first step on: the ladder goes on as planned, and the copy is whole."""
    out, store = tmp_path / "run", tmp_path / "store"
    process = start("run", scenario(tmp_path, simulated, blocks=2), "--out", out, "--copy-to", str(store))
    wait_for(store / "run" / "steps.json")
    copier = copier_of(process.pid)
    os.kill(copier, signal.SIGSTOP)
    wait_for(out / "report.html")
    os.kill(copier, signal.SIGCONT)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 0, stderr
    steps = [step for step in read(out / "summary.json")["steps"] if step["valid"]]
    assert {(step["block"], step["concurrency"]) for step in steps} == {(1, 1), (1, 2), (2, 1), (2, 2)}
    assert (store / "run" / "report.html").read_bytes() == (out / "report.html").read_bytes()
    assert read(out / "run.json")["copies"] == {"to": str(store), "failures": 0, "error": None}


def test_a_store_that_cannot_be_written_is_said_first(tmp_path: Path, simulated: str) -> None:
    """Exit 2 and one line, before any request; a run that is there already is not overwritten."""
    (tmp_path / "file").write_text("")
    asked = scenario(tmp_path, simulated)
    refused = front_door("run", asked, "--out", tmp_path / "a", "--copy-to", tmp_path / "file/x")
    (tmp_path / "store" / "b").mkdir(parents=True)
    (tmp_path / "store" / "b" / "run.json").write_text("{}")
    taken = front_door("run", asked, "--out", tmp_path / "b", "--copy-to", tmp_path / "store")

    for done, words in ((refused, "cannot copy to"), (taken, "holds another run")):
        assert done.returncode == 2, done.stderr
        assert words in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "a" / "run.json").exists()
