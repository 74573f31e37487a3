"""`tokenswarm calibrate`: the client's error on this machine, through the whole of Locust, against known send times."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shapes._launch import ROOM
from shapes._manifest import calibration_file

TOKENS, TTFT_MS = 100, 50.0
TOLERANCE_S = 0.0005  # DESIGN 3.5: above this, and 2 % of the figure, the client is the bottleneck
SCENARIO = """
name = "calibration"
[arms.scripted]
url = "{url}"
model = "scripted"
[ladder]
concurrency = {rungs}
[matrix]
input = {{ short = 32 }}
output = {{ stream = {tokens} }}
[plan]
cell = "short/stream"
[prompts]
tokenizer = "o200k_base"
[window]
duration = {seconds}
turns = 2
retries = 0
[request]
timeout = 30
first_token_timeout = 10
[limits]
max_errors = 1.0
"""


def measure(
    url: str, rungs: list[int], seconds: float, tokens: int = TOKENS, sets: Sequence[str] = ()
) -> dict[str, Any]:
    """Errors by concurrency at each rung, from a whole run against a server whose texts are its send times.

    `sets` are overrides of the scenario, such as a ca_file.
    """
    with tempfile.TemporaryDirectory(prefix="tokenswarm-") as folder:
        scenario, out = Path(folder) / "calibration.toml", Path(folder) / "run"
        scenario.write_text(SCENARIO.format(url=url, rungs=rungs, seconds=seconds, tokens=tokens), encoding="utf-8")
        out.mkdir()
        entries = f"{ROOM / 'locustfiles' / 'calibration.py'},{ROOM / 'shapes' / 'ladder.py'}"
        command = [sys.executable, "-m", "locust", "-f", entries, "--headless", "--only-summary"]
        command += ["--logfile", str(out / "locust.log"), "--json-file", str(out / "locust")]
        command += ["--scenario", str(scenario), "--out", str(out)]
        command += [word for override in sets for word in ("--set", override)]
        subprocess.run(command, check=False, capture_output=True)
        rungs_measured: dict[str, Any] = json.loads((out / "errors.json").read_text(encoding="utf-8"))
        steps = json.loads((out / "steps.json").read_text(encoding="utf-8"))["steps"]
    for step in steps:
        figures = rungs_measured.get(str(step["step"]["concurrency"]))
        if figures is not None:
            figures["cpu"], figures["why_invalid"] = step["client"].get("cpu"), step["why_invalid"]
            figures["chunks_per_s"] = step["tally"]["output_tokens"] / step["window_s"]  # a chunk is a token here
    return rungs_measured


def within_tolerance(figures: dict[str, Any], gap_s: float) -> bool:
    """Whether the 99th percentiles of both errors stay below max(2 % of the figure, 0.5 ms)."""
    ttft, gap = figures["ttft_error_s"].get("p99", 1.0), figures["gap_error_s"].get("p99", 1.0)
    return bool(ttft <= max(0.02 * TTFT_MS / 1000, TOLERANCE_S) and gap <= max(0.02 * gap_s, TOLERANCE_S))


def keep(rungs: dict[str, Any], gap_ms: float) -> dict[str, Any]:
    """The machine's calibration: the figures at the highest rung within tolerance; later runs' reports carry it."""
    good = [int(users) for users, figures in rungs.items() if within_tolerance(figures, gap_ms / 1000)]
    best = rungs[str(max(good))] if good else {}
    calibration = {
        "host": platform.node(),
        "taken": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "streams": max(good, default=0),
        "chunks_per_s": best.get("chunks_per_s"),
        "ttft_error_s": best.get("ttft_error_s"),
        "gap_error_s": best.get("gap_error_s"),
        "e2e_error_s": best.get("e2e_error_s"),
        "lag_s": best.get("lag_s"),
        "rungs": rungs,
    }
    path = calibration_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(calibration, indent=1), encoding="utf-8")
    return calibration


def rungs_up_to(streams: int) -> list[int]:
    """Three doublings that end at `streams`."""
    return sorted({max(1, streams // 4), max(1, streams // 2), streams})
