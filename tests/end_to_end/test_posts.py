"""`tokenswarm master` and `tokenswarm worker`: one swarm over several machines, here on one."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from exporters.record import Run
from simulator.llamacpp import free_port
from tests.end_to_end.service import front_door, read, scenario, start

WORKERS = 8


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory, simulated: str) -> Path:
    """The directory of a run of eight workers, with rungs of 1, 2 and 4 users."""
    folder = tmp_path_factory.mktemp("eight")
    asked, port, out = scenario(folder, simulated), str(free_port()), folder / "run"
    rungs = ("--set", "ladder.concurrency=[1, 2, 4]", "--set", "window.retries=0")
    master = start("master", asked, "--out", out, "--port", port, "--workers", str(WORKERS), *rungs)
    workers = start("worker", asked, "--port", port, "--processes", str(WORKERS))
    try:
        _, stderr = master.communicate(timeout=100)
        assert master.returncode in (0, 4), stderr  # eight processes on two cores: their timing is not the point
        assert workers.wait(timeout=20) == 0
    finally:
        for process in (master, workers):
            process.kill()
            process.communicate()
    return out


def test_every_row_of_eight_workers_is_there(eight: Path) -> None:
    """On each step and worker sent = ok + failed + aborted, and rows received = rows sent; the report says so."""
    steps = Run.open(eight).steps

    assert [step.step.concurrency for step in steps] == [1, 2, 4]
    assert all(len(step.workers) == WORKERS for step in steps)
    assert all(part.whole for step in steps for part in step.workers.values())
    manifest = read(eight / "run.json")
    workers = Run.open(eight).requests()["worker"].to_pylist()
    assert manifest["rows"]["sent"] == manifest["rows"]["received"] == sum(worker >= 0 for worker in workers)
    told = read(eight / "summary.json")["run"]["fleet"]["workers"]
    assert [worker["index"] for worker in told] == list(range(WORKERS))
    assert sum(worker["rows_received"] for worker in told) == manifest["rows"]["received"]


def test_few_users_land_on_as_many_workers_and_the_report_shows_where(eight: Path) -> None:
    """1, 2 and 4 users on 8 workers: no worker has two of them."""
    for step in read(eight / "summary.json")["steps"]:
        assert len(step["users_by_worker"]) == WORKERS
        assert sorted(step["users_by_worker"], reverse=True)[: step["concurrency"]] == [1] * step["concurrency"]
        assert sum(step["users_by_worker"]) == step["concurrency"]
    page = (eight / "report.html").read_text(encoding="utf-8")
    assert "Where the users ran" in page
    assert "0 to 1 per worker" in page


@pytest.mark.parametrize("option", ["--port", "--web-port"])
def test_a_port_that_is_taken_is_one_line(tmp_path: Path, option: str) -> None:
    """Master or page: exit 2, the option and the port are named, nothing is written."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = front_door("master", scenario(tmp_path, "http://127.0.0.1:1"), "--out", tmp_path / "run", option, port)

    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if line] == [done.stderr.strip()]
    assert f"{option} {port}" in done.stderr
    assert not (tmp_path / "run").exists()
