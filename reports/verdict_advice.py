"""What the verdict advises where there are two arms: adopt, adopt with conditions, reject or inconclusive.

Hard rules outrank everything: a breach of a gate (the SLO at `at`, a regression, a limit of cost) is a reject, and what
proved nothing is inconclusive. A pass is adopted as it is, unless one of the conditions below is open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from reports.capacity import RungSlo, is_gated
from reports.cost import Costs
from reports.units import change, money, number, plain, share
from scenarios.prices import Cost
from scenarios.scenario import Scenario

NEAR = 1.25  # a claim that an assumption flips within this factor is a condition
LONG = 12  # months of payback
NAMES = {
    "traffic": "traffic", "output": "the length of replies", "gpu_price": "the price of a GPU",
    "headroom": "the use of a replica", "power": "power",
}  # fmt: skip


class Advised(msgspec.Struct, frozen=True):
    """What the conditions of a pass are read from."""

    scenario: Scenario
    rungs: Sequence[RungSlo]
    cost: Costs | None
    scores: Sequence[Mapping[str, Any]]


def advice(status: str, seen: Advised) -> dict[str, Any]:
    """`recommendation` and, where a pass has any, `conditions`."""
    if status != "pass":
        return {"recommendation": "reject" if status == "fail" else "inconclusive"}
    found = list(conditions(seen))
    return {"recommendation": "adopt with conditions", "conditions": found} if found else {"recommendation": "adopt"}


def conditions(seen: Advised) -> Iterator[str]:
    """What has to hold for a pass to be adopted, the weightiest first."""
    figures = seen.cost.figures if seen.cost else {}
    several = len(seen.scenario.arms) > 2
    for one in figures.get("changes", []):
        yield from _of_money(one, seen, several)
    gated = [rung for rung in seen.rungs if is_gated(rung, seen.scenario)]
    undecided = [rung for rung in gated if rung.state == "undecided"]
    if undecided:
        yield f"the SLO is undecided at {len(undecided)} of {len(gated)} gated points: measure those longer"
    for one in figures.get("sensitivity", []):
        yield from (_nearly(one, name, factor, several) for name, factor in near(one).items())


def _of_money(one: Mapping[str, Any], seen: Advised, several: bool) -> Iterator[str]:
    """Dearer than the baseline, worth less than it costs, slow to pay back."""
    asked, arm = seen.scenario.cost or Cost(), one["arms"][1]
    of = f" of {plain(arm, 40)}" if several else ""
    more = one["increase"]["mean"]
    low = one["increase"]["ci"][0]
    if more > 0:
        sure = "" if low is not None and low > 0 else ", though that is not proven"
        text = f"what it improves{of} is worth {money(one['judged'], asked.currency)} more a month"
        yield f"{text} ({change(1 + more)}{sure})"
    if one.get("payback_months", 0.0) > LONG:
        yield f"adopting it{of} may take {number(one['payback_months'])} months to pay back"
    bill = next(
        (a["month"]["total"] for a in (seen.cost.figures["arms"] if seen.cost else []) if a["arm"] == arm), None
    )
    if asked.value_per_month is not None and bill is not None and bill > asked.value_per_month:
        short = money(bill - asked.value_per_month, asked.currency)
        yield f"its bill{of} may exceed value_per_month by {short} a month"


def near(one: Mapping[str, Any]) -> dict[str, float]:
    """Of a claim that holds, the assumptions that would flip it within a quarter."""
    flips: Mapping[str, float | None] = one["flips"] if one["holds"] else {}
    return {name: f for name, f in flips.items() if f is not None and 1 / NEAR <= f <= NEAR}


def _nearly(one: Mapping[str, Any], name: str, factor: float, several: bool) -> str:
    arm = f"{plain(one['arm'], 40)}: " if several else ""
    way = "above" if factor > 1 else "below"
    claim = "the saving is gone" if one["question"].startswith("cheaper") else f"{one['question']} is broken"
    return f"{arm}{NAMES[name]} stays as assumed: {way} {share(factor, 0)} of it {claim}"


def sensitivity(seen: Advised) -> list[dict[str, Any]]:
    """Which assumption would flip a claim that the verdict rests on, the nearest first, in words."""
    figures = seen.cost.figures if seen.cost else {}
    found = []
    for one in figures.get("sensitivity", []):
        for name, factor in one["flips"].items():
            if factor is not None:
                found.append({**{k: one[k] for k in ("arm", "question", "holds")}, "assumption": name,
                              "factor": factor, "text": _flipped(one, name, factor)})  # fmt: skip
    return sorted(found, key=lambda entry: max(entry["factor"], 1 / entry["factor"]))


def _flipped(one: Mapping[str, Any], name: str, factor: float) -> str:
    if one["question"].startswith("cheaper"):
        claim = "dearer than the baseline" if one["holds"] else "no dearer than the baseline"
    else:
        claim = f"{'beyond' if one['holds'] else 'within'} {one['question']}"
    return f"With {number(factor)} times {NAMES[name]} {plain(one['arm'], 40)} would be {claim}."
