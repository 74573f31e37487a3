"""Which arms a chart draws with a look of their own: six can be told apart, forty cannot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from reports.tables import in_order

MOST = 6  # as many looks as there are
MOST_POINTS = 240  # of more, tables have those of the prominent arms only

Point = dict[str, Any]


def prominent(points: Sequence[Point], arms: Sequence[str]) -> list[str]:
    """All arms, or of many the first, the two fastest and the three slowest by E2E over all points; in their order."""
    if len(arms) <= MOST:
        return list(arms)
    pace = {arm: pace for arm in arms[1:] if (pace := _pace(points, arm)) is not None}
    ranked = sorted(pace, key=lambda arm: pace[arm])
    chosen = {arms[0], *ranked[:2], *ranked[-3:]}
    return [arm for arm in arms if arm in chosen]


def told(points: Sequence[Point], arms: Sequence[str]) -> list[Point]:
    """The points that tables have: all, or of very many those of the prominent arms."""
    if len(points) <= MOST_POINTS:
        return list(points)
    shown = set(prominent(points, arms))
    return [point for point in points if point["arm"] in shown]


def _pace(points: Sequence[Point], arm: str) -> float | None:
    """The geometric mean of an arm's E2E, seconds; every arm has the same points, but for those that failed."""
    logs = [math.log(mean) for point in points if point["arm"] == arm and (mean := point.get("e2e_s", {}).get("mean"))]
    return sum(logs) / len(logs) if logs else None


def all_arms(summary: dict[str, Any]) -> list[str]:
    """The arms in the order in which they were summarized."""
    return in_order(point["arm"] for point in [*summary["points"], *summary.get("tasks", [])])
