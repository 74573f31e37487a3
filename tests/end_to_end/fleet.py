"""A swarm of real processes, and ways to break it at a seeded instant."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from exporters.record import Run
from exporters.rows import read_stream
from tests.end_to_end.service import ROOT, read, scenario, start, wait_for

WORKERS, USERS = 3, 6
REPORT_S = 1.0  # what a worker may lose: DESIGN 5
LADDER = ("--set", f"ladder.concurrency=[{USERS}]", "--set", f"ladder.at={USERS}")
# The simulator answers in about 0.1 s; a block is a window of 2 s with a second around it.
BLOCKS, DURATION = 3, "2s"


def instants() -> list[int]:
    """Seeds of the instants at which a fault strikes: two in `make test`, more in `make soak`."""
    return list(range(int(os.environ.get("TOKENSWARM_SOAK", "2"))))


def instant(seed: int, fault: str) -> float:
    """Seconds after the first report of the run: anywhere in the first two blocks, mostly in a window."""
    return random.Random(f"{fault}/{seed}").uniform(1.0, 6.0)


def asked(folder: Path, url: str, grace_s: float = 30.0, blocks: int = BLOCKS) -> Path:
    limits = f"[limits]\nworker_grace = {grace_s}\nmax_errors = 1.0\n"
    path = scenario(folder, url, blocks=blocks, duration=DURATION, more=limits)
    path.write_text(path.read_text().replace("retries = 2", "retries = 3"))
    return path


def begin(folder: Path, url: str, grace_s: float = 30.0) -> tuple[subprocess.Popen[str], Path]:
    """`tokenswarm run` with three worker processes; returns once it measures."""
    out = folder / "run"
    process = start("run", asked(folder, url, grace_s), "--out", out, "--processes", str(WORKERS), *LADDER)
    measuring(out)
    return process, out


def measuring(out: Path) -> None:
    """Wait until rows of a worker come in; the first ones are of the master's own check."""
    wait_for(out / "requests.arrows")
    deadline = time.monotonic() + 60
    while not any(max(batch["worker"].to_pylist()) >= 0 for batch in read_stream(out / "requests.arrows")):
        assert time.monotonic() < deadline, "no rows came"
        time.sleep(0.05)


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Process ids of a run's worker processes."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def ended(process: subprocess.Popen[str], timeout: float = 90) -> str:
    """Wait for the end; what it said."""
    stdout, stderr = process.communicate(timeout=timeout)
    assert "Traceback" not in stdout + stderr, stderr
    return stderr


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids: Sequence[int], within_s: float = 10.0) -> bool:
    """Whether these processes end in time."""
    deadline = time.monotonic() + within_s
    while any(map(alive, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def finished(url: str, prefix: Sequence[str] = ()) -> int:
    """Requests that the simulator answered to the end, by its own counter; asked where the simulator is."""
    ask = f"import urllib.request as r; print(r.urlopen({url + '/metrics'!r}, timeout=5).read().decode())"
    page = subprocess.run([*prefix, sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    lines = page.stdout.splitlines()
    counted = [line for line in lines if line.startswith("vllm:request_success_total{")]
    whole = [line for line in counted if 'reason="stop"' in line or 'reason="length"' in line]
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in whole))


def answered(out: Path) -> list[dict[str, Any]]:
    """Rows of requests that came to a good end, in a window or not."""
    return [row for row in Run.open(out).requests().to_pylist() if row["outcome"] == "ok"]


def accounted(out: Path) -> None:
    """Each step states for each worker that was there: sent = ok + failed + aborted, rows received = rows sent."""
    for record in Run.open(out).steps:
        for part in record.workers.values():
            assert part.whole, (record.step.id, part)


def changes(out: Path) -> list[str]:
    """What happened to workers, by the run's own account."""
    return [change["what"] for change in read(out / "run.json")["fleet"]["changes"]]


@contextlib.contextmanager
def plain_locust(
    folder: Path, url: str, at: tuple[str, int], expected: int, prefix: Sequence[str] = ()
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A master of plain Locust at an address and a port that waits for its workers; stopped at the end."""
    out = folder / "run"
    master = locust(
        "--scenario", str(asked(folder, url)), "--out", str(out), *LADDER, "--headless", "--master",
        "--expect-workers", str(expected), "--master-bind-host", at[0], "--master-bind-port", str(at[1]), prefix=prefix,
    )  # fmt: skip
    try:
        yield master, out
    finally:
        stop(master)


def worker(at: tuple[str, int], prefix: Sequence[str] = ()) -> subprocess.Popen[str]:
    """A worker of its own, as on another machine."""
    return locust("--worker", "--master-host", at[0], "--master-port", str(at[1]), prefix=prefix)


def locust(*arguments: str, prefix: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Plain Locust with our two entry files."""
    command = [*prefix, sys.executable, "-m", "locust", "-f", "locustfiles/chat.py,shapes/ladder.py", *arguments]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes)


def stop(*processes: subprocess.Popen[str]) -> None:
    """End what is still running, by its id."""
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=10)
