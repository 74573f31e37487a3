"""Hand-made summaries (format 1): a good A/B run and every awkward one that a page must survive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pieces import AT, CELLS, CROSS, RUNGS, cell, effect, effects, manifest, measured, point, step, task, timeline, told

__all__ = ["AT", "CELLS", "RUNGS", "cell", "effect", "manifest", "point"]


def run(points: list[dict[str, Any]], comparisons: list[dict[str, Any]], status: str, **verdict: Any) -> dict[str, Any]:
    """A summary of these points."""
    return {
        "format": 1,
        "run": {"id": "20261123T061500Z-speculative-decoding", "scenario": "llama-3.1-8b: speculative decoding",
                "started": "2026-11-23T06:15:00Z", "ended": "2026-11-23T08:41:12Z", "clock": "kernel", "workers": 2,
                "seed": 7},
        "verdict": {"status": status, "exit_code": {"pass": 0, "fail": 3}.get(status, 4), "reasons": [], **verdict},
        "steps": [step(p, b) for p in points for b in range(1, p["blocks"] + 1)],
        "tasks": [], "points": points, "comparisons": comparisons, "capacity": [], "waste": {}, "anomalies": [],
        "warnings": [],
        **({"timeline": timeline(list(dict.fromkeys(p["arm"] for p in points)))} if points else {}),
    }  # fmt: skip


def ab(status: str = "pass", ratios: dict[str, float] | None = None, **verdict: Any) -> dict[str, Any]:
    """A cross of two arms; without `ratios` the candidate's TTFT is a little better at long inputs."""
    gains = (
        {"long/short": 0.9, "long/medium": 0.91, "long/long": 0.93, "medium/medium": 0.96} if ratios is None else ratios
    )
    points = [point(arm, n, c, gains.get(n, 1.0) if arm == "candidate" else 1.0)
              for n, c in CROSS for arm in ("baseline", "candidate")]  # fmt: skip
    summary = run(points, effects(gains), status, **verdict)
    summary["capacity"] = [
        {"arm": arm, "cell": cell("medium/medium"), "rung": 16, "next": 32} for arm in ("baseline", "candidate")
    ]
    summary["tasks"] = [task("baseline", 3.1), task("candidate", 3.0)]
    return summary | told()


def one_arm(status: str = "pass", **verdict: Any) -> dict[str, Any]:
    """One arm, one block: no comparison, no interval."""
    return run([point("service", n, c, 1.0, blocks=1) for n, c in CROSS], [], status, **verdict)


def one_step() -> dict[str, Any]:
    """The smallest run there is: one rung of one cell, six requests."""
    single = point("service", "short/short", 1, 1.0, blocks=1)
    single |= measured("short/short", 1, 1.0, 6, None)
    return run([single], [], "pass")


def all_failed() -> dict[str, Any]:
    """Every request was refused: there is no latency, and quantiles lie beyond the timeout."""
    summary = one_arm("fail", reasons=["error rate: 100 % of 4,032 requests failed; the limit is 1 %"])
    for part in summary["points"] + summary["steps"]:
        sent = part["requests"]["sent"]
        part["requests"] = {"sent": sent, "ok": 0, "failed": sent, "aborted": 0, "by_outcome": {"connection": sent}}
        for metric in ("ttft_s", "tpot_s", "e2e_s", "gap_s"):
            part[metric] = {"n": sent, "p50": None, "p90": None, "p95": None}
        part.pop("time", None)
        part.pop("ecdf", None)
        part["goodput"] = {"requests": 0.0, "share": 0.0}
        part["throughput"] = {"requests": 0.0, "output_tokens": 0.0, "total_tokens": 0.0}
    summary["warnings"] = ["Connection refused by http://llm-service:8000. Start the service, then run again."]
    return summary


def partial() -> dict[str, Any]:
    """Stopped by a limit in block 3: fewer pairs, an invalid step, a point without any valid block."""
    summary = ab("invalid", reasons=["a gated step stayed invalid: medium/medium at 32 on candidate"])
    lost = summary["points"][11]
    lost["valid_blocks"], lost["marks"] = 0, ["partial"]
    for metric in ("ttft_s", "tpot_s", "e2e_s", "gap_s", "throughput", "goodput", "time", "ecdf"):
        lost.pop(metric)
    for broken in summary["steps"]:
        if broken["arm"] == lost["arm"] and broken["concurrency"] == 32:
            broken["valid"] = False
            broken["why_invalid"] = ["the client was the bottleneck (uncertainty p99 3.1 ms): start more workers"]
    return summary


def huge() -> dict[str, Any]:
    """A full design: 54 points per arm, and more steps than anyone reads."""
    full = [(n, c) for n in CELLS for c in RUNGS]
    points = [point(arm, n, c, 1.02, blocks=4) for n, c in full for arm in ("baseline", "candidate")]
    summary = run(points, effects(dict.fromkeys(CELLS, 1.02)), "pass")
    summary["comparisons"] += [effect("rung", n, "ttft_s", 1.02, 0.03, concurrency=c) for n, c in full]
    summary["warnings"] = [f"Warning number {i}: something is not ideal. Do something about it." for i in range(40)]
    return summary


FORTY = ("baseline", *(f"quantized-{i:02}" for i in range(1, 40)))


def forty_arms() -> dict[str, Any]:
    """A baseline and 39 candidates, from a tenth faster to a tenth slower."""
    factors = {arm: 0.9 + 0.2 * i / 39 for i, arm in enumerate(FORTY[1:])}
    points = [point(arm, n, c, factors.get(arm, 1.0), blocks=2) for n, c in CROSS for arm in FORTY]
    summary = run(points, [], "inconclusive", reasons=["2 pairs were measured; a verdict needs 4"])
    summary["comparisons"] = [
        {**row, "arms": ["baseline", arm]}
        for arm, factor in factors.items()
        for row in effects(dict.fromkeys(CELLS, factor))
    ]
    return summary


INJECTION = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>|`[x](http://evil)` @all {{7*7}} \x1b[31m\u202e"


def poisoned(value: Any, key: str = "") -> Any:
    """A copy with an injection appended to every string, key or value, that someone else could have set."""
    if isinstance(value, dict):
        return {k if k in _KEYS or k.endswith("_s") else k + INJECTION: poisoned(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [poisoned(v, key) for v in value]
    return value + INJECTION if isinstance(value, str) and key not in _CLOSED else value


_CLOSED = {"status", "metric", "level", "verdict", "counted_by", "clock", "started", "ended"}


def _names(schema: Any) -> set[str]:
    """Every key that a schema names: those are ours, whatever else is a key was made up by somebody."""
    if isinstance(schema, list):
        return {name for part in schema for name in _names(part)}
    if not isinstance(schema, dict):
        return set()
    return {*schema.get("properties", {}), *(name for part in schema.values() for name in _names(part))}


_MANIFEST = (
    "scenario_file plan passes versions host server gpu check name text calibration stopped simulated ladder at matrix "
    "cells design slo ttft tpot e2e attain error_rate compare order threshold arms url api model record output_jitter"
)
_SCHEMA = Path(__file__).parents[2] / "reports" / "summary.schema.json"
_KEYS = frozenset(_names(json.loads(_SCHEMA.read_text()))) | frozenset(_MANIFEST.split())
