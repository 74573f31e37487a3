"""Useless tokens as a table: each category of each arm per request, its share, its money, its rule and examples."""

from __future__ import annotations

from typing import Any

from reports.tables import Column, Shown, Table, absent, label
from reports.units import count, held, money, number, plain, share

Wasted = dict[str, Any]


def waste_table(summary: dict[str, Any]) -> Table | None:
    """Every category that was found, the largest first, then the sum; None where no arm has any figure."""
    arms, currency = summary["waste"].get("arms", []), str((summary.get("cost") or {}).get("currency", ""))
    if not arms:
        return None
    columns = (
        Column("arm", "arm", False), Column("category", "waste", False), Column("in", "waste", False),
        Column("requests"), Column("tokens per request", "waste"), Column("share", "waste_share"),
        Column("money per 1,000 requests", "waste", detail=plain(currency, 12) or None),
        Column("per month", "month", detail=plain(currency, 12) or None),
    )  # fmt: skip
    rows = tuple(row for arm in arms for row in _rows(arm))
    untold = sum(one.get("untold", 0) for arm in arms for one in arm["categories"])
    remark = f"{count(untold)} requests told no tokens; their waste is not in it." if untold else None
    return Table("Useless tokens of the tasks", columns, rows, heads=2, remark=remark)


def _rows(arm: Wasted) -> list[tuple[Shown, ...]]:
    found = sorted((one for one in arm["categories"] if one["requests"]), key=lambda one: -one["tokens_per_request"])
    name = label(arm["arm"])
    whole = (name, Shown("all together"), Shown(""), Shown(count(arm["requests"])), *_figures(arm["total"]))
    return [
        *(
            (name, label(one["title"]), label(one["level"]), Shown(f"{count(one['requests'])} of {count(one['of'])}"),
             *_figures(one))
            for one in found
        ),
        whole,
    ]  # fmt: skip


def _figures(of: Wasted) -> tuple[Shown, ...]:
    """Tokens with their interval, their share, money of 1,000 requests and of a month."""
    unpriced = absent("no API price: add [cost.api]")
    each, month = of.get("money_per_request"), of.get("money_per_month")
    return (
        Shown(number(of["tokens_per_request"]), detail=_interval(of.get("tokens_ci"))),
        Shown(share(of["share"])) if of.get("share") is not None else absent("no tokens were told"),
        unpriced if each is None else Shown(money(1000 * each)),
        absent("no price, or no traffic in [cost]") if month is None else Shown(money(month)),
    )


def _interval(ends: list[float] | None) -> str | None:
    return held(f"{number(ends[0])} to {number(ends[1])}") if ends else None


def examples(summary: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Per category that was found its title, its rule and up to three examples of any arm."""
    kinds = [one for arm in summary["waste"].get("arms", []) for one in arm["categories"] if one["requests"]]
    return [
        (
            plain(first["title"], 60),
            plain(first["rule"], 400),
            [plain(text, 300) for one in kinds if one["name"] == name for text in one["examples"]][:3],
        )
        for name, first in {one["name"]: one for one in kinds}.items()
    ]


def missing(summary: dict[str, Any]) -> list[str]:
    """What is not measured, and the way to it."""
    return [plain(f"{one['why']}: {one['advice']}", 300) for one in summary["waste"].get("missing", [])]


def scores_table(scores: list[dict[str, Any]]) -> Table | None:
    """The conclusive score of each change with its parts; None where nothing is scored."""
    if not scores:
        return None
    columns = (
        Column("change", "arm", False), Column("part", "score", False), Column("weight"),
        Column("compared", None, False), Column("baseline"), Column("candidate"), Column("score", "score"),
    )  # fmt: skip
    return Table("Score of the change, 0 to 100", columns, tuple(row for one in scores for row in _score(one)), heads=2)


def _score(one: dict[str, Any]) -> list[tuple[Shown, ...]]:
    name, nothing = label(one["arms"][1]), Shown("")
    if "score" in one:
        interval = one.get("interval")
        shown = Shown(f"{one['score']:.0f}", detail=f"{interval[0]:.0f} to {interval[1]:.0f}" if interval else None)
    else:
        shown = absent(f"only {share(one['measured_weight'], 0)} of the weight was measured; a score needs 60 %")
    return [
        (name, Shown("all together"), Shown(share(one["measured_weight"], 0)), nothing, nothing, nothing, shown),
        *(
            (name, label(part["name"]), Shown(number(part["weight"])), label(part["of"], 80),
             Shown(number(part["baseline"])), Shown(number(part["candidate"])), Shown(f"{part['score']:.0f}"))
            for part in one["parts"]
        ),
        *(
            (name, label(part["name"]), Shown(number(part["weight"])),
             Shown(plain(f"not measured: {part['why']}; {part['advice']}", 200), tone="quiet"),
             *([absent("left out of the score")] * 3))
            for part in one["left_out"]
        ),
    ]  # fmt: skip
