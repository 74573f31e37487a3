"""What the change costs or saves a month, how sure that is, when it pays back, and from how much traffic on.

Judged on fractional replicas. Where both arms' capacities were measured at the same loads, the increase has an interval
over the blocks (Student t on the log ratios); otherwise its ends are made of both capacities' intervals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from reports import figures
from reports.compare import FEWEST_PAIRS
from reports.cost_arm import Priced
from reports.cost_capacity import points_of
from reports.cost_model import Assumed, Capacity, Model, Month, month, one_off
from reports.cost_power import powers
from reports.cost_tokens import api_cost, consumption
from reports.measured import Measured, counting
from reports.stats import bounds

replace = msgspec.structs.replace
Blocks = Mapping[int, Model]


class Increase(msgspec.Struct, frozen=True):
    """Candidate / baseline - 1 of a month's judged cost; ends are None where they are open."""

    mean: float
    ci: tuple[float | None, float | None]
    low: float | None  # one-sided 95 % bounds: what a gate is held against
    high: float | None
    how: str
    pairs: int = 0
    with_powers: tuple[Increase, ...] = ()  # the same with none, and twice as much, of the powers that are assumed


def change(baseline: Priced, other: Priced, steps: Sequence[Measured]) -> tuple[dict[str, Any], Increase | None]:
    """One entry of `cost.changes`, and the increase that the gate reads; empty where a month of either is not whole."""
    ours, theirs = month(other.model), month(baseline.model)
    if not (baseline.whole and other.whole) or ours is None or theirs is None or not theirs.judged_total:
        return {}, None
    found = increase(baseline.model, other.model, steps)
    assumed = [(old, new) for old in powers(baseline) for new in powers(other)]
    if len(assumed) > 1:
        found = replace(found, with_powers=tuple(increase(old, new, steps) for old, new in assumed))
    saved = theirs.judged_total - ours.judged_total
    once = one_off(other.model.prices)
    figure = {
        "arms": [baseline.model.arm, other.model.arm],
        "bill": ours.total - theirs.total,
        "judged": -saved,
        "increase": {"mean": found.mean, "ci": list(found.ci), "how": found.how, "pairs": found.pairs},
        "one_off": once,
        "payback_months": once / saved if saved > 0 else None,
        "break_even_requests": break_even(baseline.model, other.model),
    }
    return {name: value for name, value in figure.items() if value is not None}, found


def increase(baseline: Model, other: Model, steps: Sequence[Measured]) -> Increase:
    """How much dearer the other arm is, with what the blocks or the capacities leave open."""
    mean = _ratio(month(other), month(baseline)) or math.nan
    if not same_loads(baseline, other):
        least = _ratio(month(other, end="high"), month(baseline, end="low"))
        most = _ratio(month(other, end="low"), month(baseline, end="high"))
        open_ends = (None if least is None else least - 1, None if most is None else most - 1)
        return Increase(
            mean - 1, open_ends, *open_ends, "from the intervals of both capacities, which lie at different loads"
        )
    ours, theirs = by_block(other, steps), by_block(baseline, steps)
    logs = [
        math.log(ratio)
        for block in ours
        if block in theirs and (ratio := _ratio(month(ours[block]), month(theirs[block])))
    ]
    if len(logs) < FEWEST_PAIRS:
        return Increase(
            mean - 1, (None, None), None, None, f"{len(logs)} pairs of blocks, {FEWEST_PAIRS} are needed", len(logs)
        )
    ends = [float(math.exp(end) - 1) for end in (*bounds(logs), *bounds(logs, 0.9))]
    return Increase(mean - 1, (ends[0], ends[1]), ends[2], ends[3], f"over {len(logs)} pairs of blocks", len(logs))


def same_loads(baseline: Model, other: Model) -> bool:
    """Whether both capacities were measured at the same loads, so that blocks can be paired."""
    return [(one.place, one.load) for one in baseline.served] == [(one.place, one.load) for one in other.served]


def by_block(model: Model, steps: Sequence[Measured]) -> dict[int, Model]:
    """The same arm as each block alone shows it, at the loads of its capacities; only blocks that hold all of it."""
    mine = [step for step in counting(steps) if step.record.step.arm == model.arm]
    found = {}
    for block in sorted({step.record.step.block for step in mine}):
        here = [step for step in mine if step.record.step.block == block]
        served = [_alone(one, here, model) for one in model.served]
        called = model.called
        if called is not None and model.prices.api is not None:
            consumed = consumption([step for step in here if step.record.step.cell is None])
            api = api_cost(consumed, model.prices.api)
            if not api:
                continue
            called = replace(called, given=api["given"] / consumed["requests"], made=api["made"] / consumed["requests"])
        if None not in served:
            found[block] = replace(model, served=served, called=called)
    return found


def _alone(one: Any, steps: Sequence[Measured], model: Model) -> Any:
    """One place with the capacity that these steps show; None without any."""
    rate = figures.goodput(points_of(steps, one.place).get(one.load, [])).get("requests")
    if not rate:
        return None
    rate /= model.prices.replicas
    return replace(one, capacity=Capacity(rate, rate, rate))


def break_even(baseline: Model, other: Model) -> float | None:
    """Requests per month at which both cost the same; None when one of them is cheaper at any traffic."""
    nothing = [month(model, Assumed(traffic=0.0)) for model in (baseline, other)]
    whole = [month(model) for model in (baseline, other)]
    if None in nothing or None in whole:
        return None
    fixed = [one.judged_total for one in nothing if one]
    grown = [one.judged_total - at_rest for one, at_rest in zip(whole, fixed, strict=True) if one]
    requests = sum(one.requests for one in other.served) or (other.called.requests if other.called else 0.0)
    factor = (fixed[1] - fixed[0]) / (grown[0] - grown[1]) if grown[0] != grown[1] else -1.0
    return factor * requests if factor > 0 and requests else None


def _ratio(one: Month | None, other: Month | None) -> float | None:
    if one is None or other is None or not other.judged_total:
        return None
    return one.judged_total / other.judged_total
