"""Open loop on one core: whether requests are sent when they are due.

python -m benchmarks.arrivals [SECONDS] must hold: 500 non-streamed 1 KiB replies/s, and 100 streams/s of 100 chunks
                                        (1 s each): achieved rate within 0.1 %, schedule lag p99 < 5 ms

One process is master and worker; the server of known answers is another. The KS test is on `due`, against the
exponential: the service cannot change what was due.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.clock import known_answer
from exporters.record import Run

CASES = {"500 replies/s of 1 KiB": (500, 0, "false"), "100 streams/s of 100 chunks": (100, 100, "true")}
RATE_LIMIT, LAG_LIMIT_S, KS_LIMIT = 0.001, 0.005, 0.01
SCENARIO = """
name = "arrivals"
[arms.known]
url = "{url}"
model = "known"
[ladder]
rate = {rate}
[matrix]
input = {{ short = 32 }}
output = {{ reply = 100 }}
[plan]
cell = "short/reply"
[prompts]
tokenizer = "o200k_base"
[request]
stream = {stream}
[window]
duration = {seconds}
retries = 0
"""


def measured(rate: int, tokens: int, stream: str, seconds: float) -> dict[str, Any]:
    """One step on the loopback: figures of the requests that were due in its window."""
    with tempfile.TemporaryDirectory(prefix="tokenswarm-") as folder, known_answer(tokens=tokens) as url:
        path, out = Path(folder) / "scenario.toml", Path(folder) / "run"
        path.write_text(SCENARIO.format(url=url, rate=rate, stream=stream, seconds=seconds), encoding="utf-8")
        command = [sys.executable, "-m", "tokenswarm", "run", str(path), "--out", str(out)]
        subprocess.run(command, check=False, capture_output=True)
        run = Run.open(out)
        record, rows = run.steps[0], run.requests()
        window = [row for row in rows.to_pylist() if row["phase"] == "window" and row["step"] == record.step.id]
        return figures(window, rate, record)


def figures(window: list[dict[str, Any]], rate: int, record: Any) -> dict[str, Any]:
    """Due times, what was sent, and how late."""
    lags, due = ([row[name] for row in window] for name in ("schedule_lag_s", "due_s"))
    return {
        "due": len(window),
        "achieved": sum(part.facts["achieved"] for part in record.workers.values()),
        "ok": sum(row["outcome"] == "ok" for row in window),
        "lag": [float(np.quantile(lags, q)) for q in (0.5, 0.99, 1.0)],
        "ks": float(stats.kstest(np.diff(np.sort(due)), "expon", args=(0, 1 / rate)).pvalue),
        "senders": record.step.concurrency,
        "cpu": record.client["cpu"],
        "why": record.why_invalid,
    }


def main(seconds: float = 30.0) -> bool:
    """Print the figures; True if they hold."""
    held = True
    for name, (rate, tokens, stream) in CASES.items():
        found = measured(rate, tokens, stream, seconds)
        off = abs(found["achieved"] / found["due"] - 1)
        held = held and off <= RATE_LIMIT and found["lag"][1] < LAG_LIMIT_S and found["ks"] > KS_LIMIT
        p50, p99, most = (lag * 1e3 for lag in found["lag"])
        print(
            f"{name}: {found['due']} due in {seconds:g} s (Poisson), {found['ok']} ok, achieved rate off by {off:.3%}, "
            f"schedule lag p50 {p50:.2f} p99 {p99:.2f} max {most:.2f} ms, KS on due p = {found['ks']:.2f}, "
            f"{found['senders']} senders, CPU {found['cpu']:.0%}, {'; '.join(found['why']) or 'valid'}"
        )
    return held


if __name__ == "__main__":
    sys.exit(not main(*map(float, sys.argv[1:])))
