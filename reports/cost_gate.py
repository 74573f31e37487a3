"""Cost gates: `max_monthly_cost` against the bill, `max_cost_increase` against what the change is judged on.

Breached only where the cheap end of what the run leaves open is above the limit, met only where the dear end is not;
what has no price or no figure is neither, and is said with the way to it. Where an assumed power would decide (without
it, or with twice of it, the answer is another one), nothing is decided.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from reports.cost_arm import Priced
from reports.cost_change import Increase
from reports.cost_model import Model, month
from reports.cost_power import is_assumed, powers
from reports.units import change, money, share
from scenarios.prices import Cost

replace = msgspec.structs.replace


class Gate(msgspec.Struct, frozen=True):
    """One limit of one arm: met, breached, undecided or missing, with the sentence that says why."""

    arm: str
    limit: str
    state: str
    text: str


def gates(arms: Mapping[str, Priced], increases: Mapping[str, Increase | None], cost: Cost | None) -> list[Gate]:
    """Every gate of the arms that could be adopted; `arms` are those."""
    found = []
    for arm, priced in arms.items():
        if cost is not None and cost.max_monthly_cost is not None:
            found.append(_monthly(priced, cost.max_monthly_cost, cost.currency))
        if cost is not None and cost.max_cost_increase is not None and arm in increases:
            found.append(_increase(priced, increases[arm], cost.max_cost_increase))
    return found


def texts(found: Sequence[Gate], *states: str) -> list[str]:
    """The sentences of the gates in these states."""
    return [gate.text for gate in found if gate.state in states]


def _monthly(priced: Priced, limit: float, currency: str) -> Gate:
    arm, name = priced.model.arm, "max_monthly_cost"
    bill = month(priced.model)
    if not priced.whole or bill is None:
        return Gate(arm, name, "missing", _unpriced(priced, name))
    states = {_state(model, limit) for model in powers(priced)}
    low, high = bill_ends(priced.model)
    between = (
        f"{money(low, currency)} to {money(high, currency)}" if high - low >= 0.005 else money(bill.total, currency)
    )
    assumed = ", with an assumed power" if is_assumed(priced) else ""
    limits = f"max_monthly_cost is {money(limit, currency)}"
    if states == {"breached"}:
        return Gate(arm, name, "breached", f"{arm} costs {between} a month{assumed}: {limits}.")
    if states == {"met"}:
        return Gate(arm, name, "met", f"{arm} costs {between} a month{assumed}; {limits}.")
    if len(states) > 1:
        why = "it depends on a power that is assumed: sample the arm's `gpu`"
    else:
        why = "more rungs between capacity and the next, or more blocks, would narrow it"
    return Gate(arm, name, "undecided", f"{arm} costs {between} a month{assumed}, {limits}: {why}.")


def bill_ends(model: Model) -> tuple[float, float]:
    """The cheap and the dear end of a bill; without a next rung the cheap one has the fewest replicas there may be."""
    capacities = [
        one if one.capacity.high is not None else replace(one, capacity=replace(one.capacity, high=math.inf))
        for one in model.served
    ]
    cheap, dear = month(replace(model, served=capacities), end="high"), month(model, end="low")
    return cheap.total if cheap else 0.0, dear.total if dear else math.inf


def _state(model: Model, limit: float) -> str:
    low, high = bill_ends(model)
    return "breached" if low > limit else "met" if high <= limit else "undecided"


def _increase(priced: Priced, found: Increase | None, limit: float) -> Gate:
    arm, name = priced.model.arm, "max_cost_increase"
    if found is None:
        return Gate(arm, name, "missing", _unpriced(priced, name))
    said = f"{arm} costs {change(found.mean + 1)} a month"
    allowed = f"max_cost_increase is {share(limit)}"
    assumed = "; a power is assumed" if found.with_powers else ""
    if len({_side(one, limit) for one in (found, *found.with_powers)}) > 1:
        why = "it depends on a power that is assumed: sample both arms' `gpu`"
        return Gate(arm, name, "undecided", f"{said}, {allowed}: {why}.")
    side = _side(found, limit)
    if side == "breached" and found.low is not None:
        return Gate(arm, name, side, f"{said} (surely {change(found.low + 1)} or more{assumed}), {allowed}.")
    if side == "met" and found.high is not None:
        return Gate(arm, name, side, f"{said} (surely not above {change(found.high + 1)}{assumed}); {allowed}.")
    ends = [change(end + 1) if end is not None else "unknown" for end in (found.low, found.high)]
    between = f"between {ends[0]} and {ends[1]}, {found.how}{assumed}"
    return Gate(arm, name, "undecided", f"{said}, {allowed}, and which is more is open: {between}.")


def _side(found: Increase, limit: float) -> str:
    if found.low is not None and found.low > limit:
        return "breached"
    return "met" if found.high is not None and found.high <= limit else "undecided"


def _unpriced(priced: Priced, limit: str) -> str:
    """Why a gate has nothing to be held against, and what would give it."""
    lacking = [one for one in priced.missing if one.counts] or priced.missing
    why = "; ".join(f"{one.why} ({one.advice})" for one in lacking) or "its baseline has no month"
    return f"{limit} cannot be judged on {priced.model.arm}: {why}."
