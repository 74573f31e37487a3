"""A disk that fills while a run is written: one line says where and why, exit 4, nothing is lost."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporters.record import Run
from tests.end_to_end.disk import fill
from tests.end_to_end.service import front_door, no_traceback, read, scenario, start

FULL = "No space left on device"


def run_until_full(
    path: Path, out: Path, when: Callable[[], bool], *more: str
) -> tuple[subprocess.Popen[str], str, str, Path]:
    """A run whose disk somebody fills as soon as `when` holds: the process, its stdout and stderr, what fills it."""
    process = start("run", path, "--out", out, *more)
    deadline = time.monotonic() + 60
    while not when():
        assert time.monotonic() < deadline, "it never came that far"
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)
    ballast = fill(out.parent)
    stdout, stderr = process.communicate(timeout=60)
    return process, stdout, stderr, ballast


def said(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("tokenswarm: ")]


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_disk_that_fills_ends_the_run_with_what_was_measured(
    tmp_path: Path, small_disk: Path, simulated: str, processes: str
) -> None:
    """While steps run: one line, exit 4, every row that fitted is readable; with space again the report comes."""
    out, steps = small_disk / "run", small_disk / "run" / "steps.json"
    path = scenario(tmp_path, simulated, blocks=30)
    process, stdout, stderr, ballast = run_until_full(path, out, steps.exists, "--processes", processes)

    assert process.returncode == 4, stderr
    assert len(said(stderr)) == 1, stderr
    assert str(out) in said(stderr)[0]
    assert FULL in said(stderr)[0]
    assert "tokenswarm report" in said(stderr)[0]
    assert no_traceback([stdout, stderr, (out / "locust.log").read_text()])
    kept = Run.open(out)
    rows, finished = kept.requests().num_rows, [record.step.id for record in kept.steps]
    assert rows > 6
    assert finished

    refused = front_door("report", out)
    assert refused.returncode == 2
    assert len(said(refused.stderr)) == 1, refused.stderr
    assert FULL in said(refused.stderr)[0]
    assert no_traceback([refused.stdout, refused.stderr])

    ballast.unlink()
    reported = front_door("report", out)
    assert no_traceback([reported.stderr])
    assert [step["id"] for step in read(out / "summary.json")["steps"]] == finished
    assert (out / "report.html").stat().st_size > 10_000
    assert Run.open(out).requests().num_rows == rows


def test_a_disk_that_fills_before_the_report_keeps_the_whole_run(
    tmp_path: Path, small_disk: Path, simulated: str
) -> None:
    """All rows are there, the report is not, and no half of it: one line, exit 4; with space again it is written."""
    out = small_disk / "run"
    path = scenario(tmp_path, simulated)
    process, stdout, stderr, ballast = run_until_full(path, out, (out / "requests.parquet").exists)

    assert process.returncode == 4, stderr
    assert len(said(stderr)) == 1, stderr
    assert str(out) in said(stderr)[0]
    assert FULL in said(stderr)[0]
    assert no_traceback([stdout, stderr, (out / "locust.log").read_text()])
    assert read(out / "run.json")["ended"]
    assert not {path.name for path in out.iterdir()} & {"summary.json", "report.html", "report.md"}
    assert not list(out.glob("*.part"))

    ballast.unlink()
    assert front_door("report", out).returncode == 0
    assert (out / "report.html").exists()


def test_a_full_disk_is_refused_before_anything_is_measured(tmp_path: Path, small_disk: Path, simulated: str) -> None:
    """No space from the first: one line and exit 2, as for any place that cannot be written."""
    fill(small_disk)
    done = front_door("run", scenario(tmp_path, simulated), "--out", small_disk / "run")

    assert done.returncode == 2, done.stderr
    assert len(said(done.stderr)) == 1, done.stderr
    assert str(small_disk / "run") in said(done.stderr)[0]
    assert FULL in said(done.stderr)[0]
    assert no_traceback([done.stdout, done.stderr])


def test_a_report_that_does_not_fit_leaves_the_old_one_whole(tmp_path: Path, small_disk: Path, simulated: str) -> None:
    """Written again on a full disk, each of its files is the old one, byte by byte."""
    out = small_disk / "run"
    assert front_door("run", scenario(tmp_path, simulated), "--out", out).returncode == 0
    names = ("summary.json", "report.html", "report.md")
    before = {name: (out / name).read_bytes() for name in names}
    fill(small_disk)

    assert front_door("report", out).returncode == 2
    assert {name: (out / name).read_bytes() for name in names} == before
    assert os.statvfs(small_disk).f_bavail == 0
