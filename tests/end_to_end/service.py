"""Real processes for the end-to-end tests: services on loopback, and the front door run against them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from tokenswarm import main

ROOT = Path(__file__).resolve().parent.parent.parent

# A request takes 0.12 s: a millisecond between two requests stays below the 2 % that a step may miss its users by.
STEADY = ("--profile", "small", "--decode-speed", "0.6")
SCENARIO = """
name = "end to end"
seed = 3
[arms.baseline]
url = "{url}"
model = "simulated-small"
[ladder]
concurrency = [1, 2]
at = 2
[matrix]
input = {{ short = 32 }}
output = {{ short = 24 }}
[plan]
cell = "short/short"
blocks = {blocks}
[prompts]
tokenizer = "o200k_base"
[window]
duration = "{duration}"
turns = 2
min_requests = 6
max = "10s"
retries = 2
[request]
timeout = "10s"
first_token_timeout = "5s"
{more}
"""


def scenario(folder: Path, url: str, *, blocks: int = 1, duration: str = "0.5s", more: str = "") -> Path:
    path = folder / "scenario.toml"
    path.write_text(SCENARIO.format(url=url, blocks=blocks, duration=duration, more=more), encoding="utf-8")
    return path


def front_door(
    *arguments: str | Path, timeout: float = 90, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `tokenswarm ...` to its end."""
    command = [sys.executable, "-m", "tokenswarm", *map(str, arguments)]
    environment = {**os.environ, **(env or {})}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, cwd=ROOT, env=environment, check=False
    )


def here(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`tokenswarm report` or `compare` in this process: without seconds of imports. Locust patches: keep it out."""
    words = ["tokenswarm", *map(str, arguments)]
    out, err, code = io.StringIO(), io.StringIO(), 0
    told = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with told[0], told[1], mock.patch.object(sys, "argv", words):
        try:
            main()
        except SystemExit as left:
            code = int(left.code or 0)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start `tokenswarm ...` in a session of its own."""
    command = [sys.executable, "-m", "tokenswarm", *map(str, arguments)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes)


def interrupt(process: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[str, str]:
    """What Ctrl-C does in a terminal: the signal goes to every process of the group."""
    os.killpg(process.pid, number)
    return process.communicate(timeout=60)


def wait_for(path: Path, timeout: float = 40) -> None:
    deadline = time.monotonic() + timeout
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def settled(summary: Any) -> dict[int, bool]:
    """Rung -> whether one of its tries is valid (a busy machine may need a second)."""
    rungs = sorted({step["concurrency"] for step in summary["steps"]})
    return {rung: any(step["valid"] for step in summary["steps"] if step["concurrency"] == rung) for rung in rungs}


def no_traceback(texts: Sequence[str]) -> bool:
    return not any("Traceback" in text for text in texts)
