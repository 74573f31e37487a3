"""What was measured: tables of the points, the tasks and the failures."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from reports.definitions import name_of
from reports.tables import Column, Shown, Table, absent, cell_key, cell_name, label, reading, why_absent
from reports.units import Scale, count, duration, duration_scale, number, share

_LATENCIES = (
    ("ttft_s", "mean", True), ("ttft_s", "p50", False), ("ttft_s", "p95", True), ("tpot_s", "mean", True),
    ("e2e_s", "mean", True), ("e2e_s", "p95", False), ("gap_s", "p99", False),
)  # fmt: skip

Point = dict[str, Any]


def points_table(points: list[Point]) -> Table:
    """Every point: valid blocks, latencies in one unit per metric, throughput, good share."""
    scales = {metric: scale_of(points, metric) for metric in ("ttft_s", "tpot_s", "e2e_s", "gap_s")}
    columns = [Column("cell", "cell", False), load_column(points), Column("arm", None, False)]
    columns += [Column("valid blocks", "blocks", essential=False)]
    columns += [Column(f"{name_of(m)} {s}, {scales[m].unit}", m, essential=essential) for m, s, essential in _LATENCIES]
    columns += [Column("output tok/s", "output_tokens"), Column("good", "good", essential=False)]
    rows = tuple(_point_row(p, scales) for p in points)
    return Table("Every point", tuple(columns), rows, heads=3)


def load_column(points: list[Point]) -> Column:
    """The head of the column that says how hard the service was pressed: users at once, or requests per second."""
    return Column("requests/s", None) if any("rate" in p for p in points) else Column("users", "rung")


def load_of(point: Point) -> float:
    """Users at once, or the rate of an open loop."""
    return float(point["rate"] if point.get("rate") is not None else point["concurrency"])


def load_shown(point: Point) -> str:
    """The load as a number."""
    return f"{load_of(point):g}" if point.get("rate") is not None else count(load_of(point))


def load_words(point: Point) -> str:
    """The load in words: "8 at once", "8 requests/s"."""
    return f"{load_shown(point)} {'at once' if point.get('rate') is None else 'requests/s'}"


def _point_row(point: Point, scales: dict[str, Scale]) -> tuple[Shown, ...]:
    blocks = Shown(f"{count(point['valid_blocks'])} of {count(point['blocks'])}", tone=_blocks_tone(point))
    heads = (Shown(cell_name(point.get("cell"))), Shown(load_shown(point)), label(point["arm"]), blocks)
    values = tuple(latency_of(point, m, s, scales[m]) for m, s, _ in _LATENCIES)
    return (*heads, *values, tokens_per_s(point), good_share(point))


def _blocks_tone(point: Point) -> Any:
    if point["valid_blocks"] == 0:
        return "bad"
    return "warn" if point["valid_blocks"] < point["blocks"] else ""


def latency_of(point: Point, metric: str, stat: str, scale: Scale) -> Shown:
    """A latency in the column's unit; a mean with an interval carries ± half of it, and the digits it allows."""
    interval = point.get(metric, {}).get("mean_ci") if stat == "mean" else None
    if not interval or interval[0] is None or interval[1] is None:
        return reading(point, metric, stat, scale.bare)
    half = (interval[1] - interval[0]) / 2
    shown = reading(point, metric, stat, lambda v: scale.bare(v, half))
    return Shown(shown.text, shown.note, f"± {scale.bare(half, half)}" if half else None, shown.tone)


def tokens_per_s(point: Point) -> Shown:
    """Output tokens that arrived per second."""
    value = point.get("throughput", {}).get("output_tokens")
    return absent(why_absent(point)) if value is None else Shown(number(value))


def good_share(point: Point) -> Shown:
    """The share of sent requests that were ok and in time."""
    value = point.get("goodput", {}).get("share")
    return absent("no SLO, or no valid block") if value is None else Shown(share(value))


def scale_of(points: Iterable[Point], metric: str) -> Scale:
    """The unit of a metric's column."""
    return duration_scale(p.get(metric, {}).get("mean") or p.get(metric, {}).get("p50") for p in points)


# ---- tasks and failures ---------------------------------------------------------------------------------------


def tasks_table(tasks: list[Point]) -> Table | None:
    """Per arm and block of the tasks: requests, tokens each way, finish reasons, latency."""
    if not tasks:
        return None
    columns = (
        Column("arm", None, False), Column("block", "blocks"), Column("users", "rung"), Column("requests"),
        Column("input tokens", "tokens"), Column("of them cached", "tokens"), Column("output tokens", "tokens"),
        Column("reasoning", "tokens"), Column("finished by", None, False), Column("TTFT mean", "ttft_s"),
        Column("TPOT mean", "tpot_s"), Column("E2E mean", "e2e_s"), Column("E2E p95", "e2e_s"), Column("good", "good"),
    )  # fmt: skip
    return Table("Tasks: your own prompts, natural stop", columns, tuple(_task_row(t) for t in tasks))


def _task_row(task: Point) -> tuple[Shown, ...]:
    tokens = task.get("tokens", {})
    finish = ", ".join(f"{label(k, 20).text} {count(v)}" for k, v in task.get("finish", {}).items())
    used = [
        Shown(count(tokens[k])) if tokens.get(k) is not None else absent("the server reported no such count")
        for k in ("input", "cached_input", "output", "reasoning")
    ]
    times = [
        reading(task, m, s, duration)
        for m, s in (("ttft_s", "mean"), ("tpot_s", "mean"), ("e2e_s", "mean"), ("e2e_s", "p95"))
    ]
    heads = (label(task["arm"]), Shown(count(task.get("block"))), Shown(count(load_of(task))))
    ended = Shown(finish) if finish else absent("finish reasons were not summarized")
    return (*heads, Shown(count(task["requests"]["sent"])), *used, ended, *times, good_share(task))


def outcomes_table(parts: list[Point]) -> Table | None:
    """Requests that were not ok, by arm, cell and load; None when every request was."""
    rows = []
    for (where, load, arm), group in groupby(sorted(parts, key=_place), key=_place):
        totals: dict[str, int] = {}
        for part in group:
            for outcome, n in part["requests"].get("by_outcome", {}).items():
                totals[outcome] = totals.get(outcome, 0) + n
        sent = sum(totals.values())
        rows += [
            (
                Shown(cell_name(_cell(where))),
                Shown(f"{load:g}"),
                label(arm),
                label(outcome),
                Shown(count(n)),
                Shown(share(n / sent)),
            )
            for outcome, n in totals.items()
            if outcome != "ok" and n
        ]
    columns = (
        Column("cell", "cell", False), Column("users", "rung"), Column("arm", None, False),
        Column("outcome", None, False), Column("requests"), Column("share of sent"),
    )  # fmt: skip
    return Table("Requests that were not ok", columns, tuple(rows), heads=3) if rows else None


def _place(part: Point) -> tuple[tuple[str, str], float, str]:
    return cell_key(part.get("cell")), load_of(part), part["arm"]


def _cell(key: tuple[str, str]) -> dict[str, str] | None:
    return {"input": key[0], "output": key[1]} if any(key) else None
