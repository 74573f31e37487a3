"""Two arms: one accelerator that holds one at a time, two places at once, a connection for each request."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.record import Run
from simulator.llamacpp import free_port
from simulator.process import served
from tests.end_to_end.service import ROOT, STEADY, front_door, read, scenario

DEPLOY = """
import os, signal, subprocess, sys, time
from pathlib import Path
folder, port = Path(sys.argv[1]), sys.argv[2]
held, arm = folder / "pid", os.environ["TOKENSWARM_ARM"]
if held.exists():
    os.kill(int(held.read_text()), signal.SIGTERM)
    held.unlink()
    time.sleep(0.3)
if arm:
    with (folder / "deployed").open("a") as log:
        log.write(arm + "\\n")
    command = [sys.executable, "-m", "simulator", "--profile", "small", "--model", arm, "--port", port]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    held.write_text(str(subprocess.Popen(command, cwd=sys.argv[3], start_new_session=True, **quiet).pid))
"""


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A command that puts the arm it is told onto the one place there is, and that place's port."""
    script, port = tmp_path / "deploy.py", free_port()
    script.write_text(DEPLOY)
    command = f"{sys.executable} {script} {tmp_path} {port} {ROOT}"
    yield command, port
    subprocess.run(command, shell=True, check=True, env={**os.environ, "TOKENSWARM_ARM": ""})


def rows(out: Path) -> list[dict[str, Any]]:
    return Run.open(out).requests().to_pylist()


def test_one_place_holds_one_arm_at_a_time(tmp_path: Path, deploy: tuple[str, int]) -> None:
    """`before` deploys each arm in its turn, `ready` waits for it; every request met the arm it was meant for."""
    command, port = deploy
    url = f"http://127.0.0.1:{port}"
    arm = f'before = """{command}"""\nready = "{url}/health"\n'
    path = scenario(tmp_path, url, more=f'[arms.candidate]\nurl = "{url}"\nmodel = "candidate"\n{arm}')
    path.write_text(path.read_text().replace('model = "simulated-small"\n', f'model = "baseline"\n{arm}'))
    done = front_door("run", path, "--out", tmp_path / "run", "--set", "ladder.concurrency=[2]")

    assert done.returncode == 4, done.stderr  # one block proves nothing, and says so
    deployed = (tmp_path / "deployed").read_text().split()
    # the check of both; the baseline again, for the prompts; then the pair in its drawn order
    assert deployed[:3] == ["baseline", "candidate", "baseline"]
    assert deployed[3:] in (["candidate"], ["candidate", "baseline"])
    measured = [row for row in rows(tmp_path / "run") if row["phase"] == "window"]
    assert {row["outcome"] for row in measured} == {"ok"}
    assert {(row["arm"], row["model"]) for row in measured} == {("baseline", "baseline"), ("candidate", "candidate")}


def finished(url: str) -> int:
    """Requests that a simulator has finished, by its own counter."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=5) as page:
        text = page.read().decode()
    counts = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith("vllm:request_success_total{")]
    return int(sum(map(float, counts)))


def test_parallel_arms_share_their_windows_and_change_places_half_way(tmp_path: Path) -> None:
    """Both arms at once on 2 workers: the same windows, the target on each, and in block 2 at each other's address."""
    with served("simulator", STEADY) as one, served("simulator", STEADY) as other:
        more = f'[arms.candidate]\nurl = "{other}"\nmodel = "simulated-small"\nbefore = "true"\n'
        path = scenario(tmp_path, one, blocks=2, more=more + '[compare]\norder = "parallel"\n')
        path.write_text(path.read_text().replace("[ladder]", 'before = "true"\n[ladder]', 1))
        done = front_door("run", path, "--out", tmp_path / "run", "--processes", "2")
        counted = {"baseline": finished(one), "candidate": finished(other)}

    assert done.returncode == 4, done.stderr
    steps = [step for step in Run.open(tmp_path / "run").steps if step.valid]
    windows: dict[tuple[int, int, int], set[int]] = {}
    for record in steps:
        windows.setdefault((record.step.block, record.step.concurrency, record.step.try_), set()).add(
            record.open_ns or 0
        )
    assert set(map(len, windows.values())) == {1}
    expected = {"baseline": 0, "candidate": 0}
    for row in rows(tmp_path / "run"):
        at_home = row["phase"] == "check" or row["block"] == 1
        place = row["arm"] if at_home else {"baseline": "candidate", "candidate": "baseline"}[row["arm"]]
        expected[place] += 1
    assert counted == expected
    for record in steps:
        in_flight = record.tally["in_flight_s"] / record.window_s
        assert in_flight == pytest.approx(record.step.concurrency, rel=0.02)


def test_a_fresh_connection_for_each_request(tmp_path: Path, simulated: str) -> None:
    """connection = "fresh": every row has its own time to connect, and no TTFT holds it; kept alive, few have one."""
    kept, fresh = tmp_path / "kept", tmp_path / "fresh"
    front_door("run", scenario(tmp_path, simulated), "--out", kept)
    front_door("run", scenario(tmp_path, simulated), "--out", fresh, "--set", 'arms.baseline.connection="fresh"')

    assert all(row["connect_s"] is not None for row in rows(fresh))
    again = [row for row in rows(kept) if row["phase"] == "window" and row["connect_s"] is not None]
    assert again == []
    assert {step["valid"] for step in read(fresh / "summary.json")["steps"]} >= {True}
