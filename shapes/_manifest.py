"""The manifest of a run: what was asked, of whom, with what, on which machine."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from scenarios.load import ScenarioError, scenario_to_wire
from scenarios.scenario import Scenario
from shapes._checked import Checked
from shapes._plan import Plan

PACKAGES = ("tokenswarm", "locust", "gevent", "httptools", "msgspec", "tiktoken", "numpy", "pyarrow")


def manifest(run: str, scenario: Scenario, plan: Plan, checked: Checked, workers: int) -> dict[str, Any]:
    """What run.json holds from the first moment on."""
    return {
        "format": 1,
        "id": run,
        "scenario": scenario_to_wire(scenario),
        "plan": {"passes": len(plan.passes), "steps": len(plan.steps)},
        "seed": scenario.seed,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "host": host(),
        "server": checked.servers,
        "gpu": {},
        "check": [msgspec.to_builtins(finding) for finding in checked.findings],
        "calibration": calibration(),
        "started": utc(),
        "ended": None,
        "stopped": None,
        "workers": workers,
        "aa": aa_comparisons(scenario),
        "simulated": any("simulator" in server.get("server", "") for server in checked.servers.values()),
    }


def host() -> dict[str, Any]:
    """The load generator's machine."""
    return {"name": platform.node(), "system": platform.platform(), "cpus": os.cpu_count()}


def aa_comparisons(scenario: Scenario) -> list[dict[str, Any]] | None:
    """What an A/A run that the scenario gives has shown; kept in this run, which must be readable without the other."""
    if isinstance(scenario.compare.aa, bool):
        return None
    try:
        summary = json.loads(Path(scenario.compare.aa).read_text(encoding="utf-8"))
        return [dict(comparison) for comparison in summary["comparisons"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ScenarioError(f"compare.aa: {scenario.compare.aa} is not the summary of a run ({error})") from None


def calibration_file() -> Path:
    """Where `tokenswarm calibrate` leaves this machine's figures."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache) / "tokenswarm" / "calibration.json"


def calibration() -> dict[str, Any] | None:
    """The client's measured error on this machine, when `tokenswarm calibrate` was run here."""
    try:
        figures: dict[str, Any] = json.loads(calibration_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return figures if figures.get("host") == platform.node() else None


def utc() -> str:
    """Now, RFC 3339."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
