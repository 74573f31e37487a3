"""Life-cycle stages of a service: warm-up, cool-down and clean-up. Absent where a run cannot tell.

Warm-up: the first request of a pass (after a change of arm, so after idle), against those that follow it at 1 user.
Cool-down: from the end of a pass's last request until a sample of the engine shows nothing running and nothing waiting.
Clean-up: the KV memory that is in use at rest, at the end of the run against before its first request (or after its
first pass, where no sample was in time).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

import msgspec
import pandas as pd

from exporters.record import Run
from exporters.sample import Step
from reports.isolated import replies_of
from reports.isolation import estimate
from reports.measured import Measured
from scenarios.isolate import looks_inside
from scenarios.scenario import Scenario

FIRST_COLUMNS = ("arm", "block", "cell_input", "cell_output", "sent_ns", "end_s", "outcome")
LEAK_SHARE = 0.01  # of the pool, in use at rest: beyond what a sample's rounding explains

Place = tuple[str, int, tuple[str, str] | None]  # arm, block, cell


class Pass(msgspec.Struct, frozen=True):
    """One visit of an arm: its first request, and when its last one had ended (wall clock)."""

    place: Place
    ended_ns: int
    first_ns: int | None = None
    first_s: float | None = None  # only where it was alone


def life_cycle(run: Run, steps: Sequence[Measured], scenario: Scenario) -> dict[str, Any]:
    """`warm_up` and `rest` by arm, of scenarios that ask for stages or isolation; empty where nothing can be told."""
    if not looks_inside(scenario):
        return {}
    passes, following = passes_of(run, steps), followers(run, steps)
    warm = [found for arm in scenario.arms if (found := warm_up(arm, passes, following))]
    samples = run.server().to_pandas()
    rest = [found for arm in scenario.arms if (found := at_rest(arm, samples[samples["arm"] == arm], passes))]
    return {name: found for name, found in (("warm_up", warm), ("rest", rest)) if found}


def place_of(step: Step) -> Place:
    """Which visit a step belongs to."""
    return step.arm, step.block, (step.cell.input, step.cell.output) if step.cell else None


def passes_of(run: Run, steps: Sequence[Measured]) -> list[Pass]:
    """Every visit in the order of time."""
    ends: dict[Place, int] = {}
    for step in steps:
        record = step.record
        if record.close_ns is not None:
            end = record.close_ns + round(record.phases.get("tail", 0.0) * 1e9)
            ends[place_of(record.step)] = max(ends.get(place_of(record.step), 0), end)
    firsts: dict[Place, list[Mapping[str, Any]]] = {}
    for row in _warm_ups(run):
        cell = (row["cell_input"], row["cell_output"]) if row["cell_input"] is not None else None
        firsts.setdefault((row["arm"], row["block"], cell), []).append(row)
    found = [_pass(place, end, firsts.get(place, [])) for place, end in ends.items()]
    return sorted(found, key=lambda one: one.ended_ns)


def _pass(place: Place, end: int, rows: Sequence[Mapping[str, Any]]) -> Pass:
    if not rows:
        return Pass(place, end)
    alone = len(rows) == 1 and rows[0]["outcome"] == "ok"
    return Pass(place, end, min(row["sent_ns"] for row in rows), rows[0]["end_s"] if alone else None)


def _warm_ups(run: Run) -> Iterator[dict[str, Any]]:
    for table in run.warm_ups(FIRST_COLUMNS):
        yield from table.to_pylist()


def followers(run: Run, steps: Sequence[Measured]) -> dict[Place, float]:
    """The median time, from sent to end, of the requests at 1 user of each visit."""
    times: dict[Place, list[float]] = {}
    for (arm, cell), replies in replies_of(run, steps).items():
        for (block, _), reply in replies.items():
            times.setdefault((arm, block, (cell.input, cell.output) if cell else None), []).append(reply.end_s)
    return {place: median(known) for place, known in times.items()}


def warm_up(arm: str, passes: Sequence[Pass], following: Mapping[Place, float]) -> dict[str, Any]:
    """How much longer the first request of a visit takes than those that follow; empty where none was alone."""
    ours = [(one, one.first_s) for one in passes if one.place[0] == arm and one.place in following]
    known = [(one, first) for one, first in ours if first is not None]
    if not known:
        return {}
    extra = {number: first - following[one.place] for number, (one, first) in enumerate(known)}
    idle = [gap for one, _ in known if (gap := _idle_s(one, passes)) is not None]
    return {
        "arm": arm,
        "passes": len(known),
        "first_s": sum(first for _, first in known) / len(known),
        "following_s": sum(following[one.place] for one, _ in known) / len(known),
        "extra_s": estimate(extra),
        **({"idle_s": float(median(idle))} if idle else {}),
    }


def _idle_s(one: Pass, passes: Sequence[Pass]) -> float | None:
    """How long the arm had had nothing to do before a visit; None for its first."""
    before = [other.ended_ns for other in passes if other.place[0] == one.place[0] and other.ended_ns < one.ended_ns]
    return (one.first_ns - max(before)) / 1e9 if before and one.first_ns is not None else None


def at_rest(arm: str, samples: pd.DataFrame, passes: Sequence[Pass]) -> dict[str, Any]:
    """How long an arm's engine takes until it has nothing to do, and the KV memory that stays in use then."""
    known = samples.dropna(subset=["running"])
    known = known.assign(busy=known["running"] + known["waiting"].fillna(0))
    together = known.groupby("at_ns", as_index=False).agg({"busy": "sum", "kv_used_share": "mean"})
    if not len(together) or not passes:
        return {}
    times, busy = together["at_ns"].to_numpy(), together["busy"].to_numpy()
    starts = [one.first_ns for one in passes[1:]] + [None]
    took, rests = [], []
    for one, start in zip(passes, starts, strict=True):
        gap = (times > one.ended_ns) & ((times < start) if start is not None else True) & (busy == 0)
        if gap.any():
            took.append((int(times[gap][0]) - one.ended_ns) / 1e9)
            rests.append(float(together["kv_used_share"].to_numpy()[gap][-1]))
    if not took:
        return {}
    figures = {"arm": arm, "gaps": len(took), "cool_down_s": float(median(took)), "resolution_s": _spacing(times)}
    before = together[(times < (passes[0].first_ns or 0)) & (busy == 0)]["kv_used_share"].dropna()
    if len(before):
        rests.insert(0, float(before.median()))
    if len(rests) > 1 and not math.isnan(rests[0] + rests[-1]):
        figures |= {"kv_before": rests[0], "kv_after": rests[-1]}
    return figures


def _spacing(times: Sequence[int]) -> float:
    return float(median([(after - before) / 1e9 for before, after in pairwise(times)])) if len(times) > 1 else 0.0


def life_warnings(life: Mapping[str, Any]) -> list[dict[str, Any]]:
    """KV memory that does not come back."""
    found = []
    for rest in life.get("rest", []):
        kept = rest.get("kv_after", 0.0) - rest.get("kv_before", 0.0)
        if kept > LEAK_SHARE:
            text = f"{rest['arm']}: at rest {kept:.1%} more of the KV memory is in use than before the first request."
            advice = "Blocks that requests do not give back, or a cache that counts as used: look at the engine's log."
            found.append({"code": f"clean-up: {rest['arm']}", "text": text, "advice": advice, "steps": []})
    return found
