"""Bad input: one clear line, the right exit code, nothing lost, no traceback."""

from __future__ import annotations

import math
import socket
from pathlib import Path

import pytest

from exporters.record import Run
from simulator.llamacpp import free_port
from simulator.process import served
from tests.end_to_end.service import front_door, here, no_traceback, read, scenario


def refused(done: object, *words: str) -> None:
    """Exit 2 with one line that has all these words, and no traceback."""
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("tokenswarm: ")]
    assert len(lines) == 1, done.stderr
    assert all(word in lines[0] for word in words), lines[0]
    assert no_traceback([done.stdout, done.stderr])


def test_an_unreachable_host_is_said_before_anything_runs(tmp_path: Path) -> None:
    """Nothing listens: exit 2, the URL and the reason in one line, and no run directory of results."""
    url = f"http://127.0.0.1:{free_port()}"
    done = front_door("run", scenario(tmp_path, url), "--out", tmp_path / "run")

    refused(done, url, "connection")
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_wrong_path_and_a_wrong_model_are_told_apart(tmp_path: Path) -> None:
    """404 for either: the line carries the status and what the server said."""
    with served("simulator", ("--profile", "small", "--model", "right")) as url:
        wrong_model = front_door("check", scenario(tmp_path, url), "--set", "arms.baseline.model=wrong")
        wrong_path = front_door("check", scenario(tmp_path, url), "--set", "arms.baseline.path=/v9/nothing")

    assert wrong_model.returncode == wrong_path.returncode == 2
    assert "404" in wrong_model.stdout
    assert "wrong" in wrong_model.stdout
    assert "404" in wrong_path.stdout


def test_an_expired_key_is_named_without_being_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """401: exit 2; the key itself appears nowhere."""
    monkeypatch.setenv("SERVER_KEY", "right-secret")
    with served("simulator", ("--profile", "small", "--api-key-env", "SERVER_KEY")) as url:
        path = scenario(tmp_path, url)
        done = front_door(
            "run", path, "--out", tmp_path / "run", "--set", "arms.baseline.api_key_env=CLIENT_KEY",
            env={"CLIENT_KEY": "wrong-secret"},
        )  # fmt: skip

    refused(done, "401")
    written = [file.read_text(errors="replace") for file in (tmp_path / "run").rglob("*") if file.is_file()]
    assert not any("wrong-secret" in text for text in [done.stdout, done.stderr, *written])


def test_a_typo_names_key_value_and_what_is_accepted(tmp_path: Path) -> None:
    """A misspelt key is refused before any request, with a suggestion."""
    path = scenario(tmp_path, "http://127.0.0.1:1", more="[limts]\nmax_errors = 0.1\n")

    refused(front_door("run", path), "limts", "limits")


def test_a_run_directory_is_never_overwritten(tmp_path: Path, simulated: str, measured: tuple[Path, str]) -> None:
    """--out with a run in it is refused, and the run stays as it was."""
    out, _ = measured
    before = (out / "run.json").read_bytes()

    refused(front_door("run", scenario(tmp_path, simulated), "--out", out), str(out))
    assert (out / "run.json").read_bytes() == before


def test_neither_or_both_of_scenario_and_resume(tmp_path: Path) -> None:
    """`run` takes a scenario or --resume."""
    refused(front_door("run"), "--resume")
    refused(front_door("run", tmp_path / "a.toml", "--resume", tmp_path), "--resume")


def test_resume_of_nothing_is_one_line(tmp_path: Path) -> None:
    """A directory without a run cannot be resumed or reported."""
    refused(front_door("run", "--resume", tmp_path), str(tmp_path))
    refused(here("report", tmp_path), str(tmp_path))


def test_a_service_that_refuses_everything_is_not_hammered(tmp_path: Path) -> None:
    """After the check every answer is 500: users back off, the error limit ends the run with a report, exit 4."""
    with served("simulator", ("--profile", "small", "--fail-500", "1.0", "--faults-after", "3")) as url:
        path = scenario(tmp_path, url, duration="9s")
        done = front_door(
            "run", path, "--out", tmp_path / "run", "--set", "ladder.concurrency=[8]", "--set", "ladder.at=8"
        )
    manifest = read(tmp_path / "run" / "run.json")

    assert done.returncode == 4, done.stderr
    assert "max_errors" in manifest["stopped"]
    assert no_traceback([done.stdout, done.stderr])
    assert read(tmp_path / "run" / "summary.json")["verdict"]["status"] == "invalid"
    sent = [
        row["sent_ns"] for row in Run.open(tmp_path / "run").requests().to_pylist() if row["outcome"] == "http_error"
    ]
    # A user that fails at once sends at 0, 0.5, 1.5, 3.5, ... s: 1 + log2(1 + t / 0.5) requests within t.
    within = 8 * (1 + math.log2(1 + (max(sent) - min(sent)) / 1e9 / 0.5))
    assert len(sent) <= within + 8


def test_simulate_on_a_port_in_use_is_one_line() -> None:
    """The port is named, exit 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = front_door("simulate", "--port", str(taken.getsockname()[1]))

    refused(done, "in use")


def test_workers_that_do_not_come_are_a_line(tmp_path: Path) -> None:
    """Locust only logs that it gave up; here it is a line on stderr, and exit code 4: nothing was measured."""
    path = scenario(tmp_path, "http://127.0.0.1:1")
    at = ("--workers", "2", "--patience", "1", "--port", str(free_port()))
    done = front_door("master", path, *at, "--out", tmp_path / "run")

    assert done.returncode == 4, done.stderr
    assert "tokenswarm: not all workers came in time: see the workers' logs" in done.stderr
    assert no_traceback([done.stdout, done.stderr])
