"""What a run holds where it is judged: its operating point, its cells, whether anything could have failed."""

from __future__ import annotations

from typing import Any

from reports.latency import load_of
from reports.tables import cell_name

Summary = dict[str, Any]
TTFT_STATS, TPOT_STATS = ("p95", "p50", "mean"), ("mean", "p50")  # the first that was measured


def first_stat(point: dict[str, Any], metric: str, stats: tuple[str, ...]) -> str:
    """The first statistic of these that was measured."""
    return next((stat for stat in stats if stat in point.get(metric, {})), stats[0])


def totals(steps: list[dict[str, Any]]) -> tuple[int, int]:
    """Requests sent and ok."""
    return sum(s["requests"].get("sent", 0) for s in steps), sum(s["requests"].get("ok", 0) for s in steps)


def gated(summary: Summary, manifest: dict[str, Any]) -> bool:
    """Whether anything could have failed: a gated comparison, or a limit in the scenario."""
    limits: dict[str, Any] = (manifest.get("scenario") or {}).get("slo") or {}
    by_cell = any(_has_limit(of) for of in (limits.get("cells") or {}).values())
    priced = bool((summary.get("cost") or {}).get("gates"))
    return any(c.get("gated") for c in summary["comparisons"]) or _has_limit(limits) or by_cell or priced


def _has_limit(limits: dict[str, Any]) -> bool:
    return any(limits.get(k) is not None for k in ("ttft", "tpot", "e2e", "error_rate"))


def operating_point(summary: Summary, manifest: dict[str, Any]) -> dict[str, Any] | None:
    """The first arm's point of the plan's cell at the operating point, else the nearest thing to it."""
    scenario = manifest.get("scenario") or {}
    cell, at = (scenario.get("plan") or {}).get("cell"), operating_load(manifest)
    ranked = sorted(
        summary["points"], key=lambda p: (p.get("cell") is None or cell_name(p["cell"]) != cell, load_of(p) != at)
    )
    return ranked[0] if ranked else None


def operating_load(manifest: dict[str, Any]) -> float | None:
    """The rung `at` of the scenario; a search has none."""
    scenario = manifest.get("scenario") or {}
    at = None if scenario.get("search") else (scenario.get("ladder") or {}).get("at")
    return None if at is None else float(at)


def judged(summary: Summary) -> list[dict[str, Any]]:
    """The comparisons of whole cells and of the tasks that no other one stands for."""
    return [c for c in summary["comparisons"] if c["level"] in {"cell", "tasks"} and "judged_by" not in c]
