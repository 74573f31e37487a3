"""Median TTFT on the simulated engine: users that start at once, evenly staggered, and staggered by our seeded offsets.

Equal lengths keep users in lockstep for ever; the offsets of a rung's first requests break it. In virtual time, without
noise, so the figures are exact; then the same rung through the whole of Locust against the simulator on a socket.
"""

from __future__ import annotations

import heapq
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow.compute as pc

from exporters.fleet import Order
from exporters.record import Run
from locustfiles._pace import offset
from scenarios.scenario import Cell
from simulator.engine import Engine, Job
from simulator.process import served
from simulator.profiles import PROFILES

USERS, GIVEN, MADE, ROUNDS = 32, 128, 256, 12
PROFILE, E2E_S = "llama-3.1-70b-h100x4", 3.8
CELL = Cell(input="medium", output="medium", input_tokens=GIVEN, output_tokens=MADE)
SCENARIO = """
name = "stagger"
[arms.simulated]
url = "{url}"
[ladder]
concurrency = [32]
at = 32
[matrix]
input = {{ medium = 128 }}
output = {{ medium = 256 }}
[window]
duration = 10
turns = 2
"""


def median_ttft(starts_s: Sequence[float]) -> float:
    """Of closed-loop users that begin at these times, in virtual time; the first two rounds do not count."""
    engine = Engine(msgspec.structs.replace(PROFILES[PROFILE], noise=0.0))
    asks = [(start, user, 0) for user, start in enumerate(starts_s)]
    heapq.heapify(asks)
    rounds: dict[int, int] = {}
    ttft: list[float] = []
    jobs = 0
    while asks or engine.due_s is not None:
        if asks and (engine.due_s is None or asks[0][0] <= engine.due_s):
            now, user, turn = heapq.heappop(asks)
            jobs += 1
            rounds[jobs] = user * 1000 + turn
            engine.submit(Job(id=jobs, prompt_tokens=GIVEN, max_tokens=MADE), now)
            continue
        for emission in engine.advance(engine.due_s or 0.0):
            user, turn = divmod(rounds[emission.job.id], 1000)
            if emission.job.generated == 1 and turn >= 2:
                ttft.append(emission.at_s - emission.job.arrived_s)
            if emission.last and turn + 1 < ROUNDS:
                heapq.heappush(asks, (emission.at_s, user, turn + 1))
    return statistics.median(ttft)


def seeded(seed: int, spread_s: float) -> list[float]:
    """The offsets that our users draw."""
    order = Order(seq=0, phase="settle", block=1, cell=CELL, users=USERS)
    return [spread_s * offset(seed, order, user) for user in range(USERS)]


def through_locust(seed: int) -> float:
    """The same rung measured by the swarm against the simulator on a socket."""
    with served("simulator", ("--profile", PROFILE)) as url, tempfile.TemporaryDirectory() as folder:
        scenario, out = Path(folder) / "stagger.toml", Path(folder) / "run"
        scenario.write_text(SCENARIO.format(url=url), encoding="utf-8")
        command = [sys.executable, "-m", "tokenswarm", "run", str(scenario), "--out", str(out), "--set", f"seed={seed}"]
        subprocess.run(command, check=False, capture_output=True)
        rows = Run.open(out).requests()
    window = rows.filter(pc.equal(rows["phase"], "window"))
    return statistics.median(window["ttft_s"].drop_null().to_pylist())


def main() -> None:
    """Print the medians, and their ratio to the evenly staggered one."""
    even = median_ttft([E2E_S * user / USERS for user in range(USERS)])
    show("evenly staggered", even, even)
    show("all at once, no stagger", median_ttft([0.0] * USERS), even)
    for seed in (1, 2, 3):
        show(f"our offsets, seed {seed}", median_ttft(seeded(seed, E2E_S)), even)
    for seed in (1, 2):
        show(f"swarm, seed {seed}, on a socket", through_locust(seed), even)


def show(what: str, ttft_s: float, even_s: float) -> None:
    """One line."""
    print(f"{what:28} median TTFT {ttft_s * 1e3:7.2f} ms  ({ttft_s / even_s:.2f} x evenly staggered)")


if __name__ == "__main__":
    main()
