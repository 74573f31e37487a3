"""Nights in a row against the simulator: what is told, compared and kept, whatever becomes of the run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from simulator.process import served
from tests.end_to_end.service import ROOT, front_door, no_traceback, scenario, start, wait_for
from tests.webhook import Hook, listening


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    with listening() as server:
        yield server


@pytest.fixture(scope="module")
def slow() -> Iterator[str]:
    """So slow that even a busy machine measures it well enough: an invalid night would have nothing to compare."""
    with served("simulator", ("--scripted", "--ttft-ms", "1000", "--gap-ms", "600", "--tokens", "3")) as url:
        yield url


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, hook: Hook, tmp_path: Path) -> Path:
    """The step summary; it and the webhook are in the environment of what a test starts."""
    hook.got.clear()
    monkeypatch.setenv("TOKENSWARM_WEBHOOK", hook.url)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    return tmp_path / "step.md"


def measured_by() -> str:
    """The command with which the workflow of GitHub measures."""
    (job,) = yaml.safe_load((ROOT / ".github" / "workflows" / "nightly.yml").read_text())["jobs"].values()
    (command,) = [step["run"] for step in job["steps"] if step.get("name") == "measure"]
    return str(command)


def runs_of(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/run.json"))


@pytest.mark.timeout(300)
def test_two_nights(tmp_path: Path, slow: str, hook: Hook, told: Path) -> None:
    """The second is set beside the first (by GitHub's workflow), told to both readers and added to the trend."""
    asked, runs = scenario(tmp_path, slow), tmp_path / "runs"
    brief = asked.read_text().replace("turns = 2\nmin_requests = 6", "turns = 1\nmin_requests = 2")
    asked.write_text(brief.replace("[1, 2]", "[2]").replace("short = 24", "short = 3"))
    known = {"SCENARIO": str(asked), "URL": slow, "RUNS": str(runs), "KEEP": "1"}
    command = measured_by().replace(".venv/bin/tokenswarm", f"{sys.executable} -m tokenswarm")
    first = subprocess.run(command, shell=True, cwd=ROOT, env={**os.environ, **known}, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    (before,) = runs_of(runs)
    second = front_door("nightly", asked, "--runs", runs, "--keep", "1")
    assert second.returncode == 0, second.stderr
    (after,) = runs_of(runs)

    texts = [body["text"] for _, _, body in hook.got]
    assert before != after
    assert f"removed {before}" in second.stderr
    assert re.fullmatch(r"\d{8}T\d{6}Z-nightly", after.name)
    assert "No earlier run passed" in texts[0]
    assert f"Nightly run: exit code 0, `{after.name}`" in texts[1]
    assert f"## Beside the last good run, `{before.name}`" in texts[1]
    assert "Different time: not proof." in texts[1]
    assert "| short/short | 2 | TPOT |" in texts[1]
    assert (after / "report.md").read_text() in texts[1]
    assert told.read_text() == "".join(texts)
    assert "<svg" in (runs / "history.html").read_text()


def test_a_night_that_is_ended_early_is_told(tmp_path: Path, simulated: str, hook: Hook, told: Path) -> None:
    """SIGTERM to the first process alone, as Kubernetes sends it: exit code 4, and what was measured is told."""
    runs = tmp_path / "runs"
    process = start("nightly", scenario(tmp_path, simulated, blocks=6, duration="2s"), "--runs", runs)
    while not list(runs.glob("*/steps.json")):
        wait_for(runs)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 4, stderr
    assert no_traceback([stderr])
    assert [body["text"].splitlines()[0] for _, _, body in hook.got] == [
        f"Nightly run: exit code 4, `{runs_of(runs)[0].name}`"
    ]
    assert "interrupted" in told.read_text()


def test_a_night_that_does_not_begin_is_told(tmp_path: Path, simulated: str, hook: Hook, told: Path) -> None:
    """A scenario that cannot be read: exit code 2, one line, and news that there is no report; what was kept stays."""
    (tmp_path / "wrong.toml").write_text("name = 3\n")
    (tmp_path / "runs").mkdir()
    done = front_door("nightly", tmp_path / "wrong.toml", "--runs", tmp_path / "runs")

    assert done.returncode == 2
    assert no_traceback([done.stderr])
    assert "It has no report: its log says why." in told.read_text()
    assert len(hook.got) == 1
