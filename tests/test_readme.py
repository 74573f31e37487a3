"""The README's commands, run as they stand (with another port and another directory)."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from simulator.process import served
from tokenswarm import app

ROOT = Path(__file__).resolve().parent.parent
# Run by CI itself, or tested elsewhere at their own length: `make test` would run this very test.
SHORTER = ("window.duration=0.3", "window.min_requests=4", "window.turns=1", "ladder.concurrency=[1,2]", "ladder.at=2")
PIPES: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
ELSEWHERE = ("make demo", "make test", "make .venv/engine", "tokenswarm demo --real", "tokenswarm simulate --port 8000")


def commands() -> list[str]:
    """Every `$ ...` line of the README's console blocks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder for runs, and a simulated service in the place of the README's 127.0.0.1:8000."""
    folder = tmp_path_factory.mktemp("readme")
    with served("simulator", ("--profile", "small")) as url:
        yield folder, url


def test_every_command_is_known() -> None:
    """The README has commands, and those that are not run here are still in it."""
    assert len(commands()) > len(ELSEWHERE)
    assert set(ELSEWHERE) <= set(commands())


@pytest.mark.timeout(900)  # a dozen whole runs
def test_the_commands_work_in_their_order(place: tuple[Path, str]) -> None:
    """Each command exits 0; `--resume` of a finished run has nothing left to do."""
    folder, url = place
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(folder),
    }
    started: list[tuple[str, subprocess.Popen[str]]] = []
    for command in (command for command in commands() if command not in ELSEWHERE):
        here = command.replace("http://127.0.0.1:8000", url).replace("runs/", f"{folder}/")
        here = here.replace("/mnt/results", f"{folder}/copies")
        words = shlex.split(here)
        if (
            words[1] in ("run", "nightly", "master", "worker", "-f") and "--resume" not in words
        ):  # the same command, with shorter windows
            words += [word for key in SHORTER for word in ("--set", key)]
        started.append((command, subprocess.Popen(words, cwd=ROOT, env=environment, **PIPES)))
        if words[1] != "master":  # which waits for the workers of the next command
            ended(started)


def ended(started: list[tuple[str, subprocess.Popen[str]]]) -> None:
    """Wait until all of them have ended well."""
    while started:
        command, process = started.pop()
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, f"{command}\n{stdout[-800:]}\n{stderr[-800:]}"


@pytest.mark.parametrize("verb", [command.name or command.callback.__name__ for command in app.registered_commands])
def test_every_verb_explains_itself(verb: str) -> None:
    """`tokenswarm VERB --help` exits 0 with more than a name; `simulate` hands it on to a process of its own."""
    if verb == "simulate":
        words = [sys.executable, "-m", "tokenswarm", verb, "--help"]
        told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    else:
        done = CliRunner().invoke(app, [verb, "--help"])
        assert done.exit_code == 0
        told = done.output

    assert len(told) > 200
