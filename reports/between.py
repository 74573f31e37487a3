"""Two runs beside each other: what differs between them, and each point of both by Welch's interval. Never a proof.

Two runs are at different times on a machine, a network and a service that drift. So nothing here gates, and manifests
that differ are refused unless the difference is the one under test.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from scipy import stats

from exporters.record import Run
from reports.figures import clock
from reports.measured import Measured, counting, measured_steps
from reports.pairs import METRICS
from reports.tokenizers import PER_CHARACTER

FEWEST_BLOCKS = 2
LEFT_OUT = (  # of a scenario: what says which points, how often and how they are judged, not what is asked at a point
    "name", "arms", "seed", "compare", "cost", "slo", "limits", "sampling", "plan", "record", "window.retries",
    "matrix.cells", "ladder.concurrency", "ladder.rate", "ladder.at", "search",
)  # fmt: skip
OF_ARM = ("api", "model", "extra_body", "path", "json", "connection", "replicas")


class Differing(msgspec.Struct, frozen=True):
    """A part of two manifests that is not the same."""

    kind: str  # scenario, server, gpu, clock, generator
    key: str
    base: Any
    candidate: Any


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """One point of both runs: means of block means; `ci` of their ratio where each has two blocks or more."""

    cell: str
    load: float
    metric: str
    base: float
    candidate: float
    blocks: tuple[int, int]
    ratio: float
    ci: tuple[float, float] | None


class Side(msgspec.Struct, frozen=True):
    """One arm of one run, with the run's steps."""

    run: Run
    arm: str
    steps: Sequence[Measured]


def sides_of(base: Run, candidate: Run, arm: str | None) -> tuple[Side, Side]:
    """Both sides of a comparison; LookupError when it is not clear which arm is meant."""
    before, after = common_arms(base, candidate, arm)
    return Side(base, before, measured_steps(base)), Side(candidate, after, measured_steps(candidate))


def differences(base: Side, candidate: Side) -> list[Differing]:
    """Everything in the manifests that may make the figures differ."""
    sides = [_facts(base), _facts(candidate)]
    keys = sorted(sides[0].keys() | sides[1].keys())
    return [
        Differing(key.partition(".")[0], key, sides[0].get(key), sides[1].get(key))
        for key in keys
        if sides[0].get(key) != sides[1].get(key)
    ]


def _facts(side: Side) -> dict[str, Any]:
    """The facts of a run that must be alike, flat; what it does not know is absent."""
    manifest, arm = side.run.manifest, side.arm
    scenario, server = manifest["scenario"], manifest.get("server", {}).get(arm, {})
    asked = {key: value for key, value in scenario.items() if key not in LEFT_OUT}
    asked["arm"] = {key: scenario["arms"][arm].get(key) for key in OF_ARM}
    parts = {
        "scenario": asked,
        "server": {key: value for key, value in server.items() if key not in ("url", "model")},
        "gpu": manifest.get("gpu", {}),
        "clock": clock(side.steps),
        "generator": {"host": manifest["host"], "workers": manifest["workers"], "versions": manifest["versions"]},
    }
    flat = dict(_flat(parts, ""))
    return {key: value for key, value in flat.items() if key.removeprefix("scenario.") not in LEFT_OUT}


def _flat(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _flat(one, f"{at}.{key}" if at else str(key))
    else:
        yield at, value


def common_arms(base: Run, candidate: Run, asked: str | None) -> tuple[str, str]:
    """Which arm of each run is meant: the one that is asked for, the only ones, or the one that both have first."""
    names = list(base.scenario.arms), list(candidate.scenario.arms)
    if asked is not None:
        for run, known in zip((base, candidate), names, strict=True):
            if asked not in known:
                raise LookupError(f"{run.directory} has no arm {asked}; it has {', '.join(known)}")
        return asked, asked
    if len(names[0]) == len(names[1]) == 1:
        return names[0][0], names[1][0]
    both = [name for name in names[0] if name in names[1]]
    if not both:
        raise LookupError(f"no arm is in both runs ({', '.join(names[0])} and {', '.join(names[1])})")
    if len(both) > 1:
        raise LookupError(f"both runs have the arms {', '.join(both)}: say which by --arm")
    return both[0], both[0]


def beside(base: Side, candidate: Side) -> list[Beside]:
    """Every point that both sides have, in the first one's order; metrics as in a comparison of arms."""
    sides = [_points(base), _points(candidate)]
    metrics = [metric for metric in METRICS if metric != PER_CHARACTER]
    found = (
        _beside(place, metric, sides[0][place], sides[1][place])
        for place in sides[0]
        if place in sides[1]
        for metric in metrics
    )
    return [one for one in found if one is not None]


Place = tuple[str, float, bool]  # cell, load, whether that is a rate


def _points(side: Side) -> dict[Place, list[Measured]]:
    points: dict[Place, list[Measured]] = {}
    for step in counting(side.steps):
        arm, cell, load = step.point
        if arm == side.arm and step.record.step.part is None:
            place = (cell.name if cell else "tasks", load, step.record.step.rate is not None)
            points.setdefault(place, []).append(step)
    return points


def _beside(place: Place, metric: str, before: Sequence[Measured], after: Sequence[Measured]) -> Beside | None:
    values = [[value for step in side if (value := METRICS[metric](step))] for side in (before, after)]
    if not all(values):
        return None
    logs = [np.log(side) for side in values]
    middle = float(logs[1].mean() - logs[0].mean())
    return Beside(
        cell=place[0],
        load=place[1],
        metric=metric,
        base=float(np.mean(values[0])),
        candidate=float(np.mean(values[1])),
        blocks=(len(values[0]), len(values[1])),
        ratio=math.exp(middle),
        ci=_welch(logs[1], logs[0]),
    )


def _welch(after: Any, before: Any) -> tuple[float, float] | None:
    """95 % interval of the ratio, unequal variances (Welch 1947); None with a single block on either side."""
    if min(len(after), len(before)) < FEWEST_BLOCKS:
        return None
    found = stats.ttest_ind(after, before, equal_var=False).confidence_interval(0.95)
    if not math.isfinite(found.low):  # no spread at all
        ratio = math.exp(float(after.mean() - before.mean()))
        return ratio, ratio
    return math.exp(found.low), math.exp(found.high)
