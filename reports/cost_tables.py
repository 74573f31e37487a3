"""Cost as tables: a month by kind, requests, replicas, and the change; from the summary alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.tables import Column, Shown, Table, absent, label
from reports.units import change, change_interval, count, money, number, plain, share

Cost = Mapping[str, Any]
KINDS = {"api": "API", "gpu": "GPUs", "electricity": "electricity", "people": "people", "other": "other"}
SOURCES = {
    "counter": "the GPUs' counters", "power": "integrated power", "busy": "assumed: limit x busy",
    "stated": "assumed: the scenario's gpu_watts", "sampled in part": "assumed: of the GPUs that were sampled",
}  # fmt: skip
NO_GOOD = "no request was good, so there is nothing to divide by"


def cost_tables(summary: dict[str, Any]) -> list[Table]:
    """Everything but the points, in the order of the five steps; a part that is missing says how to get it."""
    cost = summary.get("cost") or {}
    arms = cost.get("arms", [])
    if not arms:
        return []
    tables = [month_table(cost), request_table(cost), replicas_table(cost), change_table(cost)]
    return [table for table in tables if table is not None]


def missing_texts(summary: dict[str, Any]) -> list[str]:
    """What has no figure and how to get it, once for all the arms that lack it."""
    found: dict[tuple[str, str, str], list[str]] = {}
    arms = (summary.get("cost") or {}).get("arms", [])
    for arm in arms:
        for one in arm.get("missing", []):
            found.setdefault((one["what"], one["why"], one["advice"]), []).append(arm["arm"])
    return [
        f"{KINDS.get(what, what)}{_of(names, len(arms))}: {plain(why)}; {plain(advice)}."
        for (what, why, advice), names in found.items()
    ]


def _of(names: list[str], all_arms: int) -> str:
    """Whose part is missing, where it is not every arm's."""
    return "" if len(names) == all_arms else f" of {plain(', '.join(names), 80)}"


def month_table(cost: Cost) -> Table | None:
    """The bill of a month by kind and arm, its ends, what the change is judged on, and what adopting costs once."""
    arms = [arm for arm in cost["arms"] if "month" in arm or arm.get("missing")]
    kinds = [kind for kind in KINDS if any(kind in arm.get("month", {}).get("bill", {}) for arm in arms)]
    if not kinds:
        return None
    rows = [(Shown(KINDS[kind]), *(_kind(arm, kind) for arm in arms)) for kind in kinds]
    rows.append((Shown("bill of a month", term="month"), *(_total(arm) for arm in arms)))
    judged = Shown("judged, on fractional replicas", term="replicas")
    rows.append((judged, *(_money(arm, "judged_total") for arm in arms)))
    if any("one_off" in arm for arm in arms):
        rows.append((Shown("to adopt it, once"), *(_once(arm) for arm in arms)))
    if cost.get("value_per_month") is not None:
        value = cost["value_per_month"]
        rows.append((Shown("value of a month less the bill"), *(_value(arm, value) for arm in arms)))
    columns = (Column("", None, False), *(Column(label(arm["arm"]).text, "arm") for arm in arms))
    traffic = ", ".join(f"{count(n)} of {plain(place, 40)}" for place, n in cost.get("traffic", {}).items())
    peak = f"a peak of {number(cost['peak_factor'])} times the mean"
    remark = f"A month is 730 h, with {traffic} and {peak}." if traffic else "A month is 730 h; no traffic is given."
    return Table(f"A month, in {plain(cost['currency'], 12)}", columns, tuple(rows), remark=remark)


def _kind(arm: Cost, kind: str) -> Shown:
    bill = arm.get("month", {}).get("bill", {})
    if kind not in bill:
        return absent(_why(arm, kind))
    assumed = kind == "electricity" and arm.get("power", {}).get("assumed")
    return Shown(money(bill[kind]), note=SOURCES[arm["power"]["from"]] if assumed else None)


def _why(arm: Cost, kind: str) -> str:
    lacking = next((one for one in arm.get("missing", []) if one["what"] == kind), None)
    return f"{lacking['why']}: {lacking['advice']}" if lacking else "it has no such price"


def _total(arm: Cost) -> Shown:
    if "month" not in arm:
        return absent("nothing of it has a figure")
    low, high = arm["month"]["interval"]
    lacks = [KINDS[one["what"]] for one in arm.get("missing", []) if one["counts"]]
    ends = f"{money(low) if low is not None else 'unknown'} to {money(high)}"
    return Shown(
        money(arm["month"]["total"]),
        note=f"without {' and '.join(lacks)}, which {'has' if len(lacks) == 1 else 'have'} no figure"
        if lacks
        else None,
        detail=ends if low is None or high - low >= 0.005 else None,
    )


def _money(arm: Cost, name: str) -> Shown:
    return Shown(money(arm["month"][name])) if "month" in arm else absent("nothing of it has a figure")


def _once(arm: Cost) -> Shown:
    return Shown(money(arm["one_off"])) if "one_off" in arm else absent("it is in place")


def _value(arm: Cost, value: float) -> Shown:
    if "month" not in arm or any(one["counts"] for one in arm.get("missing", [])):
        return absent("the bill is not whole")
    left = value - arm["month"]["total"]
    return Shown(money(left), tone="bad" if left < 0 else "")


def request_table(cost: Cost) -> Table | None:
    """Step 1: tokens that a request of the tasks consumes, and its API money."""
    arms = [arm for arm in cost["arms"] if arm.get("tokens", {}).get("per_request")]
    if not arms:
        return None
    told = {name for arm in arms for name in arm["tokens"]["per_request"]}
    names = [name for name in ("input", "cached_input", "output", "reasoning") if name in told]
    tokens = (Column(f"{name.replace('_', ' ')} tokens", "tokens") for name in names)
    heads = (Column("arm", None, False), Column("requests"), *tokens)
    prices = ("per_1k_requests", "per_good_request", "per_1m_tokens")
    titles = ("1,000 requests", "1,000 good ones", "1M tokens")
    columns = (*heads, *(Column(f"{plain(cost['currency'], 12)} per {title}", "api_cost") for title in titles))
    rows = [
        (
            label(arm["arm"]),
            Shown(count(arm["tokens"]["requests"])),
            *(_tokens(arm["tokens"]["per_request"].get(name)) for name in names),
            *(_each(arm, name) for name in prices),
        )
        for arm in arms
    ]
    remark = "Of tasks alone: the matrix has lengths that were forced. The sums are those of the rows of their windows."
    return Table("Tokens of a request", columns, tuple(rows), remark=remark)


def _tokens(found: Cost | None) -> Shown:
    if found is None:
        return absent("the service does not tell it")
    detail = f"p95 {count(found['p95'])}" if "p95" in found else None
    return Shown(number(found["mean"]), detail=detail)


def _each(arm: Cost, name: str) -> Shown:
    api = arm.get("api", {})
    if name in api:
        return Shown(money(api[name] * (1000 if name == "per_good_request" else 1)))
    return absent(NO_GOOD if api else _why(arm, "api"))


def replicas_table(cost: Cost) -> Table | None:
    """Step 3 and 4: what one replica carries, how many the peak takes, how much of what is paid for works."""
    arms = [arm for arm in cost["arms"] if arm.get("capacity")]
    if not arms:
        return None
    columns = (
        Column("arm", None, False), Column("requests of", "cell", False),
        Column("capacity, good/s", "replica_capacity"), Column("at load"),
        Column("replicas for the peak", "replicas"), Column("paid for", "replicas"),
        Column("used share", "used_share"), Column(f"idle, {plain(cost['currency'], 12)}/h", "used_share"),
    )  # fmt: skip
    rows = [_replica_row(arm, one) for arm in arms for one in arm["capacity"]]
    return Table("Replicas for the peak", columns, tuple(rows), heads=2)


def _replica_row(arm: Cost, one: Cost) -> tuple[Shown, ...]:
    low, high = one["interval"]
    needed, used = arm.get("replicas"), arm.get("used")
    why = absent("the capacity of another place is not known")
    return (
        label(arm["arm"]),
        label(one["place"]),
        Shown(number(one["good_per_s"]), detail=f"{number(low)} to {number(high) if high else 'unknown'}"),
        Shown(number(one["load"])),
        Shown(f"{needed['fractional']:.2f}", detail=_between(*needed["interval"])) if needed else why,
        Shown(count(needed["billed"])) if needed else why,
        Shown(share(used["share"])) if used else absent("the operating point has no good requests"),
        Shown(money(used["idle"])) if used else absent("the operating point has no good requests"),
    )  # fmt: skip


def _between(fewest: float | None, most: float) -> str:
    return f"{'unknown' if fewest is None else f'{fewest:.2f}'} to {most:.2f}"


def change_table(cost: Cost) -> Table | None:
    """Step 4: what the change costs or saves, how sure that is, when it pays back."""
    changes = cost.get("changes", [])
    if not changes:
        return None
    unit = plain(cost["currency"], 12)
    columns = (
        Column("arm", None, False), Column(f"bill, {unit} a month", "month"),
        Column(f"judged, {unit} a month", "replicas"), Column("in all", "cost_increase"),
        Column("pays back, months", "payback"), Column("cheaper than the baseline", "break_even", False),
    )  # fmt: skip
    return Table("What the change costs or saves", columns, tuple(_change_row(one) for one in changes))


def _change_row(one: Cost) -> tuple[Shown, ...]:
    low, high = one["increase"]["ci"]
    sure = change_interval(1 + low, 1 + high) if low is not None and high is not None else None
    note = None if sure and one["increase"]["pairs"] else one["increase"]["how"]
    even = one.get("break_even_requests")
    return (
        label(one["arms"][1]),
        Shown(_signed(one["bill"])),
        Shown(_signed(one["judged"])),
        Shown(change(1 + one["increase"]["mean"]), note=note, detail=sure),
        Shown(number(one["payback_months"])) if "payback_months" in one else absent("it saves nothing"),
        Shown(_cheaper(even, one["judged"] < 0)),
    )  # fmt: skip


def _cheaper(even: float | None, saves: bool) -> str:
    """From where on it is cheaper; `even`: where both cost the same."""
    if even is None:
        return "at any traffic" if saves else "at no traffic"
    return f"{'above' if saves else 'below'} {count(round(even))} requests a month"


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{money(value)}"
