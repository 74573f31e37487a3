"""`tokenswarm demo`: start what is to be measured on loopback, measure it with the real front door, stop it again."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from simulator import llamacpp
from simulator.process import served

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"
SIMULATED = {  # arm -> how its simulator differs: the candidate decodes 15 % faster and prefills 3 % slower
    "baseline": ("--profile", "small", "--seed", "1"),
    "candidate": ("--profile", "small", "--seed", "2", "--decode-speed", "1.15", "--prefill-speed", "0.97"),
}


def run_demo(real: bool, out: Path | None) -> int:
    """Run the demo; 0 when it was measured to the end, whatever the verdict."""
    if real and not llamacpp.available():
        print(f"tokenswarm: {llamacpp.MISSING}", file=sys.stderr)  # noqa: T201
        return 2
    name = "demo-real" if real else "demo"
    directory = out or Path("runs") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{name}"
    with contextlib.ExitStack() as stack:
        if real:
            urls = {"smollm2": stack.enter_context(served("simulator.llamacpp", ("--slots", "4")))}
        else:
            urls = {arm: stack.enter_context(served("simulator", how)) for arm, how in SIMULATED.items()}
        code = _measure(SCENARIOS / f"{name}.toml", urls, directory)
    return _said(directory, code)


def _measure(scenario: Path, urls: dict[str, str], directory: Path) -> int:
    sets = [part for arm, url in urls.items() for part in ("--set", f"arms.{arm}.url={url}")]
    command = [sys.executable, "-m", "tokenswarm", "run", str(scenario), "--out", str(directory), *sets]
    return subprocess.run(command, check=False).returncode


def _said(directory: Path, code: int) -> int:
    """Name the report; the demo succeeds when the run ended by itself."""
    report = directory / "report.html"
    try:
        manifest = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    except OSError:
        return code or 1
    if manifest["ended"] is None or manifest["stopped"] is not None or not report.exists():
        return code or 4
    Console(stderr=True).print(f"\nOpen the report: {report.resolve()}", soft_wrap=True, highlight=False)
    return 0
