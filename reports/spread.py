"""How requests were spread over replicas, where a header says who served (`replica_header`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from scipy import stats

from exporters.record import Run
from reports.measured import Measured
from reports.units import plain
from scenarios.scenario import Scenario

MOST_NAMES = 64  # more of them are no replicas
UNEVEN, BY_CHANCE = 1.2, 0.001  # max / mean, and how rarely an even balancer does that
LEFT_OUT = "others"


def spreads(run: Run, steps: Sequence[Measured], scenario: Scenario) -> list[dict[str, Any]]:
    """Per step the requests that each replica served, most first, and max / mean; empty where nobody names one.

    The mean is over the arm's `replicas` when fewer than these were seen: one that served nothing counts too.
    """
    asked = {name for name, arm in scenario.arms.items() if arm.replica_header is not None}
    if not asked:
        return []
    counts = _counts(run)
    mine = [step for step in steps if step.record.step.arm in asked and step.sent]
    return [_spread(step, counts.get(step.record.step.id, Counter()), scenario) for step in mine]


def _counts(run: Run) -> dict[str, Counter[str | None]]:
    found: dict[str, Counter[str | None]] = {}
    for table in run.windows(["step", "replica"]):
        for row in table.group_by(["step", "replica"]).aggregate([([], "count_all")]).to_pylist():
            found.setdefault(row["step"], Counter())[row["replica"]] += row["count_all"]
    return found


def _spread(step: Measured, counts: Counter[str | None], scenario: Scenario) -> dict[str, Any]:
    place = step.record.step
    arm = scenario.arms[place.arm]
    unnamed = counts.pop(None, 0)
    known = [(str(name), count) for name, count in counts.most_common()]
    shown = dict(known[:MOST_NAMES])
    if len(known) > MOST_NAMES:
        shown[LEFT_OUT] = sum(count for _, count in known[MOST_NAMES:])
    figure: dict[str, Any] = {
        "step": place.id,
        "arm": place.arm,
        "cell": msgspec.to_builtins(place.cell),
        "load": place.load,
        "connection": arm.connection,
        "replicas": arm.replicas,
        "seen": len(known),
        "requests": shown,
        "unnamed": unnamed,
    }
    if known:
        served, replicas = sum(counts.values()), max(len(known), arm.replicas)
        figure["imbalance"] = known[0][1] * replicas / served
        even = [count for _, count in known] + [0] * (replicas - len(known))
        figure["p_even"] = float(stats.chisquare(even).pvalue) if replicas > 1 else 1.0
    return figure


def spread_warnings(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What to know and to do when users sit unevenly, or a header is no replica's name."""
    rules = (_no_names, _too_many_names, _missing, _uneven)
    return [warning for rule in rules for warning in rule(found)]


def _no_names(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    bare = [one for one in found if one["unnamed"]]
    if not bare:
        return []
    unnamed = sum(one["unnamed"] for one in bare)
    text = f"{unnamed} of {unnamed + sum(map(_served, bare))} replies do not say who served them."
    advice = "Failed ones may have no header; else look which path leaves it out, or what replica_header is called."
    return [_warning("replica unnamed", text, advice, bare)]


def _too_many_names(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    many = [one for one in found if one["seen"] > MOST_NAMES]
    if not many:
        return []
    text = f"{max(one['seen'] for one in many)} different names served: that header names requests, not replicas."
    return [_warning("replica names", text, "Set replica_header to one that holds a pod's or a host's name.", many)]


def _missing(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    few = [one for one in found if 0 < one["seen"] < one["replicas"] <= min(one["load"], _served(one))]
    if not few:
        return []
    first = few[0]
    text = f"{first['seen']} of {first['replicas']} replicas of {plain(first['arm'], 40)} served at {first['load']:g}."
    return [_warning("replicas idle", text, _advice(first), few)]


def _uneven(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    uneven = [one for one in found if _is_uneven(one)]
    if not uneven:
        return []
    worst = max(uneven, key=lambda one: float(one["imbalance"]))
    text = (
        f"Requests are spread unevenly: at {worst['load']:g} on {plain(worst['arm'], 40)} the busiest replica served "
        f"{worst['imbalance']:.2f} times the mean."
    )
    return [_warning("replicas uneven", text, _advice(worst), uneven)]


def _is_uneven(one: dict[str, Any]) -> bool:
    """Beyond what chance does to an even balancer; replicas that served nothing are told by another warning."""
    whole = one["replicas"] <= one["seen"] <= MOST_NAMES
    return whole and bool(one.get("imbalance", 1.0) > UNEVEN and one["p_even"] < BY_CHANCE)


def _advice(one: dict[str, Any]) -> str:
    if one["connection"] == "keep":
        return (
            'Each user keeps its connection, and with it its replica: connection = "fresh" dials for each request (its '
            "time is no part of TTFT), or let a balancer spread requests; more users even it out too."
        )
    return "Connections are fresh for each request, so the balancer does it: look at its algorithm and its weights."


def _served(one: dict[str, Any]) -> int:
    return int(sum(one["requests"].values()))


def _warning(code: str, text: str, advice: str, of: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"code": code, "text": text, "advice": advice, "steps": [one["step"] for one in of]}
