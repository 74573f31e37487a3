"""Median TTFT on the simulator when users start at once or staggered, with our seeded stagger and without it."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.compute as pc

from exporters.record import Run
from simulator.process import served

SCENARIO = """
name = "stagger"
[arms.simulated]
url = "{url}"
model = "simulated-small"
[ladder]
concurrency = [16]
[matrix]
input = {{ long = 512 }}
output = {{ long = 96 }}
[plan]
cell = "long/long"
[window]
duration = 5
turns = 3
"""


def median_ttft(url: str, spread: str) -> float:
    """Of one window at 16 users; `spread` "off" starts all of them at once."""
    with tempfile.TemporaryDirectory() as folder:
        scenario, out = Path(folder) / "stagger.toml", Path(folder) / "run"
        scenario.write_text(SCENARIO.format(url=url))
        command = [
            sys.executable,
            "-m",
            "tokenswarm",
            "run",
            str(scenario),
            "--out",
            str(out),
            "--set",
            f"seed={spread}",
        ]
        subprocess.run(command, check=False, capture_output=True)
        rows = Run.open(out).requests()
    window = rows.filter(pc.equal(rows["phase"], "window"))
    return statistics.median(window["ttft_s"].drop_null().to_pylist())


def main() -> None:
    """Print medians for three seeds: equal, whatever the offsets drawn."""
    with served("simulator", ("--profile", "small")) as url:
        for seed in ("1", "2", "3"):
            print(f"seed {seed}: median TTFT {median_ttft(url, seed) * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
