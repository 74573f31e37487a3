"""`make bench`: every benchmark, one after the other; figures to read, not tests."""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = (
    "clock",
    "arrivals",
    "search",
    "tls",
    "streams",
    "workers",
    "fleet",
    "gpu",
    "metrics",
    "away",
    "web",
    "prompts",
    "stagger",
    "engine",
    "simulator",
    "summary",
    "gates",
    "isolation",
)


def main() -> None:
    """Each in a process of its own."""
    for name in BENCHMARKS:
        print(f"\n== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False)


if __name__ == "__main__":
    main()
