"""What the swarm's own metrics cost a worker: process time with them and without, in turns.

python -m benchmarks.metrics [--pairs 20] [--turn 3] [--streams 400]    must hold: < 2 % of a worker's core at 40 k
                                                                        chunks/s, by the upper 95 % bound over pairs

One process through the whole of Locust reads streams of 100 tokens, one each 10 ms. With metrics means: counted by
point, kept, and scraped each second. The bound is Student's t on the differences within neighbouring turns.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from scipy.stats import t

from benchmarks.clock import known_answer
from exporters.record import Run
from shapes._launch import ROOM, free_port

LIMIT, SCRAPE_EVERY_S, SPARE_S = 0.02, 1.0, 8.0
CHUNKS_PER_STREAM = 90  # a second, at least: else something was too slow for what is to be measured
SCENARIO = """
name = "metered"
[arms.known]
url = "{url}"
model = "known"
[ladder]
concurrency = [{streams}]
[matrix]
input = {{ short = 32 }}
output = {{ stream = 100 }}
[plan]
cell = "short/stream"
[prompts]
tokenizer = "o200k_base"
[window]
duration = {seconds}
max = {seconds}
turns = 1
retries = 0
"""


def run(folder: Path, url: str, asked: argparse.Namespace) -> Run:
    """One run of one long window, scraped in the turns in which there is something to scrape."""
    seconds = 2 * asked.pairs * asked.turn + SPARE_S
    scenario, port = folder / "scenario.toml", str(free_port())
    scenario.write_text(SCENARIO.format(url=url, streams=asked.streams, seconds=seconds), encoding="utf-8")
    command = [sys.executable, "-m", "locust", "-f", f"{ROOM}/benchmarks/metered.py,{ROOM}/shapes/ladder.py"]
    command += ["--headless", "--only-summary", "--scenario", str(scenario), "--out", str(folder / "run")]
    told = {"METERED_TURN_S": str(asked.turn), "METERED_PORT": port, "METERED_LOG": str(folder / "turns.jsonl")}
    with subprocess.Popen(
        command, env={**os.environ, **told}, cwd=ROOM, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as worker:
        while worker.poll() is None:
            time.sleep(SCRAPE_EVERY_S)
            if int(time.time() // asked.turn) % 2 == 1:
                scrape(f"http://127.0.0.1:{port}/metrics")
    return Run.open(folder / "run")


def scrape(url: str) -> None:
    """One scrape; a worker that is not up yet, or no more, gives nothing."""
    try:
        urllib.request.urlopen(url, timeout=5).read()
    except OSError:
        pass


def differences(turns: list[dict[str, Any]], opened: float, closed: float) -> list[float]:
    """CPU with metrics minus CPU without, as shares of a core, of neighbouring turns inside the window."""
    spans = [
        (one["on"], (two["cpu_s"] - one["cpu_s"]) / (two["at"] - one["at"]))
        for one, two in itertools.pairwise(turns)
        if one["at"] >= opened and two["at"] <= closed
    ]
    pairs = zip(spans[::2], spans[1::2], strict=False)
    return [(one[1] - two[1]) * (1 if one[0] else -1) for one, two in pairs]


def main() -> bool:
    """Print the figures; True if they hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--turn", type=float, default=3.0)
    parser.add_argument("--streams", type=int, default=400)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tokenswarm-") as place, known_answer() as url:
        measured = run(Path(place), url, asked)
        (step,) = measured.steps
        rows = measured.requests()
        turns = [json.loads(line) for line in (Path(place) / "turns.jsonl").read_text().splitlines()]
    chunks = pc.sum(rows.filter(pc.equal(rows["phase"], "window"))["chunks"]).as_py() / step.window_s
    found = np.array(differences(turns, step.open_ns / 1e9, step.close_ns / 1e9))
    error = found.std(ddof=1) / len(found) ** 0.5
    bound = float(found.mean() + t.ppf(0.95, len(found) - 1) * error)
    cpu = step.client.get("cpu") or 0.0
    print(f"{asked.streams} streams, {chunks:,.0f} chunks/s, CPU {cpu:.1%} of a core")
    print(f"{len(found)} pairs of turns of {asked.turn:g} s each, scraped every {SCRAPE_EVERY_S:g} s when on")
    print(f"metrics cost {found.mean():+.3%} of a core (standard error {error:.3%})")
    print(f"{'ok  ' if bound < LIMIT else 'FAIL'} upper 95 % bound {bound:.3%} (limit {LIMIT:.0%})")
    loaded = chunks >= CHUNKS_PER_STREAM * asked.streams
    if not loaded:
        print(f"FAIL fewer than {CHUNKS_PER_STREAM} chunks/s a stream: this machine has other work; try again later")
    return bound < LIMIT and loaded


if __name__ == "__main__":
    sys.exit(not main())
