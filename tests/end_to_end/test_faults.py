"""Workers and masters that are killed, stopped, late or cut off: what was lost is bounded, and said."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from exporters.record import Run
from simulator.llamacpp import free_port
from simulator.process import served
from tests.end_to_end.fleet import (
    BLOCKS,
    REPORT_S,
    USERS,
    WORKERS,
    accounted,
    answered,
    begin,
    changes,
    ended,
    finished,
    gone,
    instant,
    instants,
    measuring,
    plain_locust,
    stop,
    worker,
    workers_of,
)  # fmt: skip
from tests.end_to_end.places import SERVICE, SWARM, two_places
from tests.end_to_end.service import here, read

SIMULATOR = ("--profile", "small")
NOTICED_S = 0.5  # of a window without one of its workers


def at_most(rows: list[dict], users: int, seconds: float) -> float:
    """Requests that so many users can end in a time, at the fastest answer there was."""
    return users * (seconds / min(row["end_s"] for row in rows if row["worker"] >= 0) + 1)


@pytest.mark.parametrize("seed", instants())
def test_a_killed_worker_loses_at_most_its_last_report(tmp_path: Path, seed: int) -> None:
    """kill -9 of a worker: the step is invalid and names it; the run waits worker_grace, then ends with what it has."""
    with served("simulator", SIMULATOR) as url:
        process, out = begin(tmp_path, url, grace_s=1.0)
        workers = workers_of(process)
        time.sleep(instant(seed, "kill"))
        os.kill(workers[seed % WORKERS], signal.SIGKILL)
        ended(process)
        lost = finished(url) - len(answered(out))

    manifest, summary = read(out / "run.json"), read(out / "summary.json")
    assert process.returncode == 4
    assert f"2 of {WORKERS} workers were there for longer than [limits] worker_grace" in manifest["stopped"]
    assert summary["verdict"]["status"] == "invalid"
    assert changes(out) == ["lost"]
    assert 0 <= lost <= at_most(answered(out), USERS // WORKERS, REPORT_S * 1.2)
    accounted(out)
    assert gone(workers)


@pytest.mark.parametrize("seed", instants())
def test_a_worker_that_is_told_to_go_flushes_first(tmp_path: Path, seed: int) -> None:
    """SIGTERM of a worker: every request that it saw end is in the rows, those in flight are booked as aborted."""
    with served("simulator", SIMULATOR) as url:
        process, out = begin(tmp_path, url, grace_s=1.0)
        workers = workers_of(process)
        time.sleep(instant(seed, "term"))
        os.kill(workers[seed % WORKERS], signal.SIGTERM)
        ended(process)
        lost = finished(url) - len(answered(out))

    assert process.returncode == 4
    assert changes(out) == ["lost"]
    assert 0 <= lost <= USERS  # the server may have finished what the client had just given up
    accounted(out)
    assert gone(workers)


@pytest.mark.parametrize("seed", instants())
def test_a_master_that_is_told_to_go_keeps_everything(tmp_path: Path, seed: int) -> None:
    """SIGTERM of the master: rows of every worker are flushed, the report says that it was interrupted."""
    with served("simulator", SIMULATOR) as url:
        process, out = begin(tmp_path, url)
        workers = workers_of(process)
        time.sleep(instant(seed, "master"))
        os.kill(process.pid, signal.SIGTERM)
        ended(process)
        lost = finished(url) - len(answered(out))

    manifest = read(out / "run.json")
    assert process.returncode == 4
    assert manifest["stopped"] == "interrupted"
    assert manifest["rows"]["sent"] == manifest["rows"]["received"] > 0
    assert 0 <= lost <= USERS
    assert gone(workers)


@pytest.mark.parametrize("seed", instants())
def test_a_killed_master_leaves_a_readable_run_and_no_orphans(tmp_path: Path, seed: int) -> None:
    """kill -9 of the master: its workers go by themselves; rows are there up to the last report of each."""
    with served("simulator", SIMULATOR) as url:
        process, out = begin(tmp_path, url)
        workers = workers_of(process)
        time.sleep(instant(seed, "master9"))
        process.kill()
        process.wait()
        there = len(answered(out))
        assert gone(workers, within_s=15)
        lost = finished(url) - there

    reported = here("report", out)
    assert reported.returncode == 4, reported.stderr
    assert "killed" in read(out / "summary.json")["verdict"]["reasons"][0]
    # What was not yet reported, and what the workers did in the second or two until they noticed.
    assert 0 <= lost <= at_most(answered(out), USERS, REPORT_S * 4)
    accounted(out)


@pytest.mark.parametrize("seed", instants())
def test_a_worker_that_stands_still_comes_back_with_its_rows(tmp_path: Path, seed: int) -> None:
    """SIGSTOP for 10 s: a step whose window it missed is invalid and done again; not one row is lost."""
    with served("simulator", SIMULATOR) as url:
        process, out = begin(tmp_path, url)
        stopped = workers_of(process)[seed % WORKERS]
        time.sleep(instant(seed, "stop"))
        os.kill(stopped, signal.SIGSTOP)
        since = time.time()
        time.sleep(10)
        until = time.time()
        os.kill(stopped, signal.SIGCONT)
        ended(process)
        lost = finished(url) - len(answered(out))

    whole(out, lost)
    assert set(changes(out)) <= {"lost", "joined"}
    for step in Run.open(out).steps:  # a stop between two steps spoils none: the master waits
        missed_s = min(until, step.close_ns / 1e9) - max(since, step.open_ns / 1e9)
        assert not (step.valid and missed_s > NOTICED_S), step


def whole(out: Path, lost: int) -> None:
    """Every block has its valid step, and the rows are all that the server answered."""
    steps = read(out / "summary.json")["steps"]
    assert {step["block"] for step in steps if step["valid"]} == set(range(1, BLOCKS + 1)), steps
    assert lost == 0
    accounted(out)
    manifest = read(out / "run.json")
    assert manifest["rows"]["sent"] == manifest["rows"]["received"]


@pytest.mark.parametrize("seed", instants())
def test_a_worker_that_joins_late_takes_part(tmp_path: Path, seed: int) -> None:
    """A third worker in the middle: the step that it joins is done again, later ones run on three."""
    at = ("127.0.0.1", free_port())
    with served("simulator", SIMULATOR) as url, plain_locust(tmp_path, url, at, expected=2) as (master, out):
        crew = [worker(at), worker(at)]
        try:
            measuring(out)
            time.sleep(instant(seed, "late"))
            crew.append(worker(at))
            ended(master)
            lost = finished(url) - len(answered(out))
            assert gone([process.pid for process in crew])
        finally:
            stop(*crew)

    assert master.returncode == 0
    assert "joined" in changes(out)
    whole(out, lost)
    last = max(read(out / "steps.json")["steps"], key=lambda step: step["ended"])
    assert sorted(part["users"] for part in last["workers"].values()) == [2, 2, 2]


@pytest.mark.parametrize("seed", instants())
def test_a_lost_worker_can_be_replaced(tmp_path: Path, seed: int) -> None:
    """kill -9 of one of two workers and another within worker_grace: the run goes on and ends well."""
    at = ("127.0.0.1", free_port())
    with served("simulator", SIMULATOR) as url, plain_locust(tmp_path, url, at, expected=2) as (master, out):
        crew = [worker(at), worker(at)]
        try:
            measuring(out)
            time.sleep(instant(seed, "replace"))
            crew[0].kill()
            crew.append(worker(at))
            ended(master)
        finally:
            stop(*crew)

    assert master.returncode == 0
    assert sorted(changes(out)) == ["joined", "lost"]
    steps = read(out / "summary.json")["steps"]
    assert {step["block"] for step in steps if step["valid"]} == set(range(1, BLOCKS + 1)), steps
    accounted(out)


@pytest.mark.parametrize("seed", instants())
def test_a_cut_network_between_master_and_worker_loses_nothing(tmp_path: Path, seed: int) -> None:
    """5 s without a link: the service goes on, so does the worker; the step is done again, and every row arrives."""
    at = (SWARM[0], 5557)
    with two_places() as places:
        here, there = places.prefix(places.here), places.prefix(places.there)
        service = served("simulator", (*SIMULATOR, "--host", SERVICE[0]), prefix=here)
        with service as url, plain_locust(tmp_path, url, at, expected=2, prefix=here) as (master, out):
            crew = [worker(at, here), worker(at, there)]
            try:
                measuring(out)
                time.sleep(instant(seed, "cut"))
                places.cut()
                time.sleep(5)
                places.cut("up")
                ended(master)
                lost = finished(url, here) - len(answered(out))
            finally:
                stop(*crew)

    assert master.returncode == 0
    whole(out, lost)
    clocks = [worker["clock"] for worker in read(out / "run.json")["fleet"]["workers"].values()]
    assert all(abs(clock["offset_s"]) <= clock["error_s"] + 0.005 for clock in clocks)  # one machine, one clock
