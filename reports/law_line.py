"""Gunther's law of a ladder as a line through its throughput in tokens: for the eye, it judges nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from reports.growth import law
from reports.latency import load_of
from reports.tables import in_order

STEPS = 40  # of a line
MOST_ARMS = 2  # lines beside more arms would hide what was measured
Law = dict[str, float]  # lambda, sigma, kappa
Point = dict[str, Any]


def law_lines(points: list[Point], laws: dict[str, Law]) -> dict[str, list[tuple[float, float]]]:
    """By arm of one cell the line of its law; none where more than two arms are drawn."""
    arms = in_order(point["arm"] for point in points)
    if len(arms) > MOST_ARMS:
        return {}
    lines = {arm: law_line([one for one in points if one["arm"] == arm], laws[arm]) for arm in arms if arm in laws}
    return {arm: line for arm, line in lines.items() if line}


def law_line(points: list[Point], known: Law) -> list[tuple[float, float]]:
    """Loads of one arm's ladder and the output tokens per second of its law; empty where no request was ok.

    The law is of ok requests per second: they become tokens by what all the ladder's requests had.
    """
    requests = sum(point["throughput"]["requests"] for point in points)
    if not requests:
        return []
    each = sum(point["throughput"]["output_tokens"] for point in points) / requests
    loads = [load_of(point) for point in points]
    users = np.geomspace(min(loads), max(loads), STEPS)
    drawn = each * law(users, known["lambda"], known["sigma"], known["kappa"])
    return list(zip(users.tolist(), drawn.tolist(), strict=True))
