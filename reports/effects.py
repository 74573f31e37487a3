"""What changed between arms: tables of the comparisons, the matrix of where it helps and hurts, and capacity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from reports.definitions import name_of
from reports.heat import MOST_GRIDS, by_size, grid
from reports.tables import Column, Shown, Table, Tone, absent, cell_key, cell_name, in_order, label
from reports.units import change, change_interval, count, held, in_unit, number, plain

Comparison = dict[str, Any]
MOST_ROWS = 240  # more are no longer read; all of them are in summary.json
TONES: dict[str, Tone] = {"better": "good", "worse": "bad", "same": "quiet", "inconclusive": "warn"}


def verdict_shown(comparison: Comparison) -> Shown:
    """The verdict's word with its tone."""
    word = str(comparison["verdict"])
    return Shown(word, tone=TONES.get(word, ""))


def change_shown(comparison: Comparison) -> Shown:
    """The change with its interval as the second line."""
    if comparison.get("ratio") is None:
        return absent(label(comparison.get("reason") or "not comparable", 200).text)
    interval = interval_of(comparison)
    note = comparison.get("reason") if "judged_by" in comparison else comparison.get("warning")
    detail = held(change_interval(*interval)) if interval else None
    return Shown(change(comparison["ratio"], interval), plain(note, 400) if note else None, detail)


def interval_of(comparison: Comparison) -> tuple[float, float] | None:
    """The 95 % interval of the ratio; None with fewer than two pairs."""
    low, high = comparison.get("ci") or (None, None)
    return None if low is None or high is None else (float(low), float(high))


def candidate(comparison: Comparison) -> str:
    """The arm that is compared; a summary of two runs does not name it."""
    arms = comparison.get("arms")
    return str(arms[1]) if arms else "candidate"


def candidates(comparisons: list[Comparison]) -> list[str]:
    """The arms that are compared with the baseline, in their order."""
    return in_order(map(candidate, comparisons))


def comparisons_table(comparisons: list[Comparison], caption: str = "Every comparison") -> Table | None:
    """Comparisons: both values, the change with its interval, pairs, p, what was detectable, the verdict.

    Of very many those that say most: what is proven first, then what is undecided.
    """
    if not comparisons:
        return None
    several = len(candidates(comparisons)) > 1
    kept = comparisons if len(comparisons) <= MOST_ROWS else sorted(comparisons, key=_weight)[:MOST_ROWS]
    columns = (
        *([Column("arm", "arm", False)] if several else []),
        Column("level", "level", False), Column("cell", "cell", False), Column("users", "rung", True, False),
        Column("metric", None, False), Column("baseline", None, True, False), Column("candidate", None, True, False),
        Column("change", "ratio"), Column("pairs", "blocks", True, False), Column("p", "p_adjusted", True, False),
        Column("detectable", "mde", True, False), Column("gated", None, False, False),
        Column("verdict", "verdict", False),
    )  # fmt: skip
    rows = tuple((*([label(candidate(c))] if several else []), *_comparison_row(c)) for c in kept)
    left = len(comparisons) - len(kept)
    remark = f"{count(left)} more, less proven or smaller, are in summary.json." if left else None
    return Table(f"{caption}, with 95 % intervals", columns, rows, heads=5 if several else 4, remark=remark)


def _weight(comparison: Comparison) -> tuple[int, float]:
    order = ("worse", "better", "inconclusive", "same")
    word = comparison["verdict"]
    return order.index(word) if word in order else len(order), -abs(math.log(badness(comparison)))


def _comparison_row(comparison: Comparison) -> tuple[Shown, ...]:
    users, p, mde = (comparison.get(k) for k in ("concurrency", "p_adjusted", "mde"))
    return (
        label(comparison["level"]), Shown(cell_name(comparison.get("cell"))),
        Shown("all") if users is None else Shown(f"{users:g}"), Shown(name_of(comparison["metric"])),
        _value(comparison, "baseline"), _value(comparison, "candidate"), change_shown(comparison),
        Shown(count(comparison.get("n_pairs"))),
        absent("not gated, so not tested") if p is None else Shown("< 0.001" if p < 0.001 else number(p, digits=2)),
        absent("needs at least 2 pairs") if mde is None else Shown(change(1 + mde), detail=_settled_by(comparison)),
        Shown("yes" if comparison.get("gated") else "no"), verdict_shown(comparison),
    )  # fmt: skip


def _settled_by(comparison: Comparison) -> str | None:
    """How many pairs of this spread would show the threshold, where these did not settle it."""
    if comparison["verdict"] != "inconclusive" or "pairs_needed" not in comparison:
        return None
    pairs = comparison["pairs_needed"]
    return "more than 200 pairs needed" if pairs is None else f"{count(pairs)} pairs needed"


def _value(comparison: Comparison, side: str) -> Shown:
    value = comparison.get(side)
    if value is None:
        return absent("not measured on this arm")
    return Shown(in_unit(comparison["metric"], value))


def effect_maps(comparisons: list[Comparison]) -> list[Table]:
    """Per metric the change in each cell as a grid: where the candidate helps, where it hurts.

    A few candidates have a grid each; of many each is a row, and the cells are columns.
    """
    cells = [c for c in comparisons if c["level"] == "cell" and c.get("cell")]
    arms = candidates(cells)
    if len({cell_key(c["cell"]) for c in cells}) < 2 and len(arms) < 2:
        return []
    by_metric = [[c for c in cells if c["metric"] == metric] for metric in in_order(c["metric"] for c in cells)]
    if len(arms) > MOST_GRIDS:
        return [_by_arm(name_of(one[0]["metric"]), one) for one in by_metric]
    grids = [(arm, [c for c in one if candidate(c) == arm]) for one in by_metric for arm in arms]
    return [_grid(arm if len(arms) > 1 else None, one) for arm, one in grids if one]


def _grid(arm: str | None, comparisons: list[Comparison]) -> Table:
    entries = {cell_key(c["cell"]): _effect(c) for c in comparisons}
    caption = name_of(comparisons[0]["metric"]) + (f", {plain(arm, 40)}" if arm else "")
    return grid(caption, [c["cell"] for c in comparisons], entries)


def _by_arm(caption: str, comparisons: list[Comparison]) -> Table:
    """Arms down, cells across."""
    names = {cell_key(cell): cell_name(cell) for cell in by_size([c["cell"] for c in comparisons])}
    entries = {(candidate(c), cell_key(c["cell"])): _effect(c, brief=True) for c in comparisons}
    missing = absent("not compared there")
    rows = tuple(
        (label(arm), *(entries.get((arm, cell), missing) for cell in names)) for arm in candidates(comparisons)
    )
    return Table(caption, (Column("arm", "arm", False), *(Column(name, "cell") for name in names.values())), rows)


def _effect(comparison: Comparison, brief: bool = False) -> Shown:
    shown, word = change_shown(comparison), str(comparison["verdict"])
    detail = f"{shown.detail}\n{word}" if shown.detail and not brief else word
    return Shown(shown.text, shown.note, detail, TONES.get(word, ""))


def capacity_table(summary: dict[str, Any], arms: Sequence[str] = ()) -> Table | None:
    """Per arm and cell the rung up to which the SLO is met, as the interval to the next rung; a search says more."""
    capacity = [] if summary.get("search") else summary["capacity"]
    if not capacity:
        return None
    unit = "requests/s" if any("rate" in point for point in summary["points"]) else "users"
    rows = tuple(
        (Shown(cell_name(c.get("cell"))), label(c.get("arm") or (arms[0] if arms else "")), Shown(capacity_text(c)))
        for c in capacity
    )
    columns = (
        Column("cell", "cell", False), Column("arm", None, False), Column(f"{unit} within the SLO", "capacity"),
    )  # fmt: skip
    return Table("Capacity under the SLO", columns, rows, heads=2)


def capacity_text(capacity: dict[str, Any]) -> str:
    """Capacity as an interval of loads: "16 to 32", "below 1", "32 or more", or "undecided"."""
    met, following = capacity.get("rung"), capacity.get("next")
    if met is None and following in capacity.get("undecided", ()):
        return "undecided"
    if met is None:
        return f"below {count(following)}" if following is not None else "none"
    return f"{count(met)} or more" if following is None else f"{count(met)} to {count(following)}"


def badness(comparison: Comparison) -> float:
    """How much worse the candidate is, as a ratio: above 1 is a loss, also for good requests/s."""
    ratio = float(comparison.get("ratio") or 1.0)
    return 1 / ratio if comparison["metric"] == "good_per_s" else ratio
