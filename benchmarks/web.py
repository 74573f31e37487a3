"""What the live page costs: a master's CPU and its workers' TTFT with five browsers' polling and without, in turns.

Two workers at 400 streams and 100 chunks a second each, 40,000 chunks/s where the machine can. The pollers ask as the
page does: once a second each, for what they lack.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from exporters.record import Run
from simulator.llamacpp import free_port
from simulator.process import served

ROOT = Path(__file__).resolve().parent.parent
BROWSERS, TURN_S, TURNS = 5, 6.0, 8
STREAMS, GAP_MS = 400, 10.0
SCENARIO = f"""
name = "web"
[arms.baseline]
url = "{{url}}"
model = "scripted"
[ladder]
concurrency = {{streams}}
[matrix]
input = {{{{ short = 32 }}}}
output = {{{{ short = 100 }}}}
[plan]
cell = "short/short"
blocks = 1
[prompts]
tokenizer = "o200k_base"
[window]
duration = {TURN_S * TURNS + 6}
retries = 0
"""


def main(streams: int = STREAMS) -> None:
    """Measure and print."""
    script = ("--scripted", "--ttft-ms", "50", "--gap-ms", str(GAP_MS), "--tokens", "100")
    with tempfile.TemporaryDirectory() as made, served("simulator", script) as service:
        folder = Path(made)
        (folder / "web.toml").write_text(SCENARIO.format(url=service, streams=streams))
        with master(folder) as (process, url):
            urllib.request.urlopen(urllib.request.Request(f"{url}/swarm", b""), timeout=20)
            until(lambda: (state(url)["step"] or {}).get("phase") == "window")
            turns = [turn(psutil.Process(process.pid), url, polled=bool(number % 2)) for number in range(TURNS)]
            until(lambda: state(url)["state"] == "ended")
        (run,) = (folder / "runs").iterdir()
        tell(turns, Run.open(run), streams)


@contextmanager
def master(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A master with a page and two workers."""
    port, bound = free_port(), str(free_port())
    command = [
        sys.executable, "-m", "locust", "-f", f"{ROOT}/locustfiles/chat.py,{ROOT}/shapes/ladder.py",
        "--scenario", "web.toml", "--web-host", "127.0.0.1", "--web-port", str(port), "--processes", "2",
        "--master-bind-host", "127.0.0.1", "--master-bind-port", bound, "--master-port", bound,
    ]  # fmt: skip
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        until(lambda: state(f"http://127.0.0.1:{port}")["workers"]["present"] == 2)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def state(url: str, seen: str = "") -> Any:
    """The page's state; nothing known while nobody answers."""
    try:
        with urllib.request.urlopen(f"{url}/llm/state{seen}", timeout=20) as answer:
            return json.load(answer)
    except OSError:
        return {"state": "", "step": None, "workers": {"present": 0}}


def until(done: Any, timeout_s: float = 180) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.2)


def turn(process: psutil.Process, url: str, polled: bool) -> tuple[bool, float, float, float]:
    """Whether it was polled, when it began and ended (wall clock), CPU of the master as a share of a core."""
    over = threading.Event()
    pollers = [threading.Thread(target=poll, args=(url, over)) for _ in range(BROWSERS if polled else 0)]
    for poller in pollers:
        poller.start()
    began, used = time.time(), sum(process.cpu_times()[:2])
    time.sleep(TURN_S)
    ended, share = time.time(), (sum(process.cpu_times()[:2]) - used) / TURN_S
    over.set()
    for poller in pollers:
        poller.join()
    return polled, began, ended, share


def poll(url: str, over: threading.Event) -> None:
    """What a browser does: ask once a second for what it lacks."""
    run, steps, after = "", 0, -1.0
    while not over.wait(1.0):
        told = state(url, f"?run={run}&steps={steps}&after={after}")
        if told.get("run"):
            run, steps = told["run"]["id"], told["steps_before"] + len(told["steps"])
            after = (told["series"].get("t") or [after])[-1]


def tell(turns: list[tuple[bool, float, float, float]], run: Run, streams: int) -> None:
    """The figures."""
    rows = run.requests().to_pandas()
    rows = rows[(rows.outcome == "ok") & (rows.phase == "window")]
    found: dict[bool, list[float]] = {}
    for polled in (False, True):
        spans = [(began * 1e9, ended * 1e9) for on, began, ended, _ in turns if on == polled]
        inside = np.logical_or.reduce([(rows.sent_ns >= a) & (rows.sent_ns < b) for a, b in spans])
        ttft = rows[inside].ttft_s * 1000
        rate = rows[inside].chunks.sum() / (TURN_S * len(spans))
        cpu = [share for on, _, _, share in turns if on == polled]
        found[polled] = cpu
        print(
            f"{f'with {BROWSERS} browsers' if polled else 'without'}: {streams} streams, {rate:,.0f} chunks/s, "
            f"TTFT p50 {ttft.quantile(0.5):.2f} ms, p99 {ttft.quantile(0.99):.2f} ms, "
            f"master {np.mean(cpu):.1%} of a core"
        )
    print(f"the page costs {np.mean(found[True]) - np.mean(found[False]):+.1%} of a core")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
