"""What a verdict's paragraph says of money: the month, the score, the waste; nothing where no price is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.units import change, change_interval, count, money, number, plain, share

Figures = Mapping[str, Any]
ALIKE = 0.01  # the bill and what is judged, before replicas are rounded up, say the same
WORTH_SAYING = 0.05  # of the tokens: less waste than that is no news


def money_words(summary: dict[str, Any]) -> list[str]:
    """The sentences, in the order in which a lead asks for them."""
    cost = summary.get("cost") or {}
    changes = cost.get("changes", [])
    months = [_changed(one, cost) for one in changes] if len(changes) < 3 else [_several(cost)]
    if not changes:
        months = [_month(arm, cost) for arm in cost.get("arms", []) if len(cost["arms"]) == 1]
    return [*months, *_scores(summary["verdict"].get("scores", [])), *_waste(summary)]


def _changed(one: Figures, cost: Figures) -> str:
    """What the change does to the bill, and to the money that it is judged on."""
    ours, theirs = (_arm(cost, name) for name in reversed(one["arms"]))
    name = f"a month of {plain(one['arms'][1], 40)}" if len(cost["changes"]) > 1 else "a month"
    bill = f"{money(ours['month']['total'], cost['currency'])} instead of {money(theirs['month']['total'])}"
    low, high = one["increase"]["ci"]
    sure = f", 95 % interval {change_interval(1 + low, 1 + high)}" if low is not None and high is not None else ""
    judged, billed = one["increase"]["mean"], ours["month"]["total"] / theirs["month"]["total"] - 1
    if abs(judged - billed) < ALIKE:
        return f"{name} costs {bill} ({change(1 + judged)}{sure}){_payback(one)}"
    rounded = f"rounded up to whole replicas its bill is {bill}"
    return f"{name} takes {_more(judged)} money{sure}; {rounded}{_payback(one)}"


def _more(by: float) -> str:
    return f"{share(abs(by))} {'more' if by > 0 else 'less'}"


def _payback(one: Figures) -> str:
    if not one.get("one_off") or "payback_months" not in one:
        return ""
    return f", and pays back what adopting costs in {number(one['payback_months'])} months"


def _several(cost: Figures) -> str:
    """Of many candidates the cheapest and the dearest."""
    ranked = sorted(cost["changes"], key=lambda one: float(one["increase"]["mean"]))
    ends = [f"{plain(one['arms'][1], 40)} {change(1 + one['increase']['mean'])}" for one in (ranked[0], ranked[-1])]
    return f"of {count(len(ranked))} candidates the cheapest is {ends[0]} a month and the dearest {ends[1]}"


def _month(arm: Figures, cost: Figures) -> str:
    """The bill of a single arm, or why there is none; nothing without prices."""
    if not cost.get("prices"):
        return ""
    lacking = [one for one in arm.get("missing", []) if one["counts"]]
    if "month" not in arm:
        return f"what a month costs is not known: {lacking[0]['why']} ({lacking[0]['advice']})" if lacking else ""
    known = money(arm["month"]["total"], cost["currency"])
    if not lacking:
        return f"a month costs {known}"
    what = {"gpu": "GPUs", "api": "the API"}.get(lacking[0]["what"], lacking[0]["what"])
    why = f"{lacking[0]['why']} ({lacking[0]['advice']})"
    return f"a month costs {known} and what {what} cost, which is not known: {why}"


def _scores(scores: list[dict[str, Any]]) -> list[str]:
    known = [one for one in scores if "score" in one]
    if len(known) != 1:
        return []
    (one,) = known
    low, high = one.get("interval", (None, None))
    sure = f", 95 % interval {low:.0f} to {high:.0f}" if low is not None and high is not None else ""
    parts = [part["name"] for part in one["left_out"]]
    without = f"; {_and(parts)} {'was' if len(parts) == 1 else 'were'} not measured" if parts else ""
    return [f"for cost it scores {one['score']:.0f} of 100 (50 is unchanged, 100 a fifth cheaper{sure}{without})"]


def _waste(summary: dict[str, Any]) -> list[str]:
    """How much of the last arm's tokens is useless, and most of what; nothing below a twentieth."""
    arms = (summary.get("waste") or {}).get("arms", [])
    if not arms or len(arms) > 2 or arms[-1]["total"].get("share", 0.0) < WORTH_SAYING:
        return []
    most = max(arms[-1]["categories"], key=lambda one: float(one["tokens_per_request"]))
    of = f" of {plain(arms[-1]['arm'], 40)}" if len(arms) > 1 else ""
    return [
        f"{share(arms[-1]['total']['share'], 0)} of the tokens of a task{of} are useless, most of them {most['title']}"
    ]


def _arm(cost: Figures, name: str) -> Figures:
    found: Figures = next(arm for arm in cost["arms"] if arm["arm"] == name)
    return found


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
