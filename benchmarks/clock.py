"""Our error against a server of known answers, in one worker process through the whole of Locust.

The C server gives each event the time at which it was really sent, so the error is taken per event, never as a
difference of quantiles: TTFT 50 ms, gap 10 ms, 100 tokens.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shapes._calibrate import measure

HERE = Path(__file__).resolve().parent


def build() -> Path:
    """The server's binary, made from its one C file when that is newer."""
    source, binary = HERE / "known_answer.c", HERE / "build" / "known_answer"
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        binary.parent.mkdir(exist_ok=True)
        subprocess.run(["gcc", "-O2", "-Wall", "-o", str(binary), str(source)], check=True)
    return binary


@contextlib.contextmanager
def known_answer(ttft_us: int = 50_000, gap_us: int = 10_000, tokens: int = 100) -> Iterator[str]:
    """The server on a free loopback port: yields its URL."""
    command = [str(build()), "0", str(ttft_us), str(gap_us), str(tokens)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(timeout=5)


def errors(streams: list[int], seconds: float = 6.0) -> dict[str, Any]:
    """Figures by streams."""
    with known_answer() as url:
        return measure(url, streams, seconds)


def saturation(streams: int = 1600, seconds: float = 6.0, gap_us: int = 5_000) -> dict[str, Any]:
    """More than one core can read: chunks/s that were read, and the CPU that it took."""
    with known_answer(gap_us=gap_us) as url:
        return measure(url, [streams], seconds)


def describe(streams: str, figures: dict[str, Any], due: float) -> str:
    """One rung in a line: errors in ms, and the share of the chunks due."""
    ttft, gap, e2e = (figures[name] for name in ("ttft_error_s", "gap_error_s", "e2e_error_s"))
    return (
        f"{streams:>5} streams  TTFT error p50 {ttft['p50'] * 1e3:.3f} p99 {ttft['p99'] * 1e3:.3f} ms  "
        f"gap p99 {gap['p99'] * 1e3:.3f} ms  E2E p99 {e2e['p99'] * 1e3:.3f} max {e2e['max'] * 1e3:.3f} ms  "
        f"{figures['chunks_per_s']:,.0f} chunks/s ({figures['chunks_per_s'] / due:.1%} of due)  "
        f"CPU {figures.get('cpu') or 0:.0%}  {'valid' if not figures.get('why_invalid') else figures['why_invalid']}"
    )


def main() -> None:
    """Print the figures at 100, 400 and 800 streams, then at saturation."""
    cycle_s = 0.050 + 99 * 0.010
    for streams, figures in errors([100, 400, 800]).items():
        print(describe(streams, figures, int(streams) * 100 / cycle_s))
    for streams, figures in saturation().items():
        due = int(streams) * 100 / (0.050 + 99 * 0.005)
        print("saturation:", describe(streams, figures, due))
        print(f"            {figures['chunks_per_s'] / max(figures.get('cpu') or 1, 1e-9):,.0f} chunks/s per core")


if __name__ == "__main__":
    main()
