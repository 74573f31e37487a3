"""Engine and GPU beside the latency: a table of what they told at every point, from the summary alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from reports.latency import load_column, load_shown
from reports.tables import Column, Shown, Table, absent, cell_name, label
from reports.units import count, duration, number, share

Point = dict[str, Any]


class Told(NamedTuple):
    """One column: its title, its definition, whose figure it is, and how it is shown."""

    title: str
    term: str
    source: str
    name: str
    shown: Callable[[float], str]
    highest: str | None = None  # of the same figure, shown below


SLOTS = (
    "KV of a slot engine ({slots} slots): its pool is slots × context, and all of it is allocated, used or not; "
    "“paging implies” is the waste in busy slots alone. If its slots share one pool (--kv-unified), which it does not "
    "tell, the pool is that many times smaller."
)
TOLD = (
    Told("running", "server_running", "server", "running", number, "running_max"),
    Told("waiting", "server_running", "server", "waiting", number, "waiting_max"),
    Told("queue", "engine_phases", "server", "queue_s", duration),
    Told("prefill", "engine_phases", "server", "prefill_s", duration),
    Told("preemptions", "server_running", "server", "preemptions", number),
    Told("prefix hits", "prefix_hits", "server", "prefix_hit_share", share),
    Told("GPU memory reserved", "kv_used", "gpu", "memory_reserved_share", share),
    Told("KV used", "kv_used", "gpu", "kv_used_share", share, "kv_used_share_max"),
    Told("KV live", "kv_fragmentation", "gpu", "kv_live_share", share),
    Told("KV fragmentation", "kv_fragmentation", "gpu", "kv_fragmentation", share),
    Told("paging implies", "kv_fragmentation", "gpu", "kv_paging_bound", share),
    Told("GPU busy", "gpu_busy", "gpu", "busy", share),
    Told("GPU memory, highest", "gpu_busy", "gpu", "memory_used_share", share),
    Told("power, W", "gpu_energy", "gpu", "power_w", number),
    Told("clocks held down", "gpu_busy", "gpu", "throttled_share", share),
    Told("J per output token", "gpu_energy", "gpu", "j_per_output_token", number),
)


def backend_table(points: list[Point]) -> Table | None:
    """What the engines and GPUs told at each point; None when nothing was sampled."""
    known = [point for point in points if point.get("server") or point.get("gpu")]
    told = [column for column in TOLD if any(_value(point, column, column.name) is not None for point in known)]
    if not told:
        return None
    heads = (Column("cell", "cell", False), load_column(known), Column("arm", None, False))
    columns = (*heads, *(Column(column.title, column.term) for column in told))
    rows = tuple(_row(point, told) for point in known)
    return Table("Engine and GPU at every point", columns, rows, heads=3, remark=_remark(known))


def _row(point: Point, told: list[Told]) -> tuple[Shown, ...]:
    heads = (Shown(cell_name(point.get("cell"))), Shown(load_shown(point)), label(point["arm"]))
    return (*heads, *(_shown(point, column) for column in told))


def _shown(point: Point, column: Told) -> Shown:
    value = _value(point, column, column.name)
    if value is None:
        return absent(_why(point, column))
    highest = _value(point, column, column.highest) if column.highest else None
    return Shown(column.shown(value), detail=None if highest is None else f"at most {column.shown(highest)}")


def _why(point: Point, column: Told) -> str:
    if column.term == "kv_fragmentation":
        return f"not measurable: {point.get('gpu', {}).get('kv_not_measurable', 'no samples of the engine')}"
    return "the source does not tell it, or too few samples fell into the window"


def _value(point: Point, column: Told, name: str) -> float | None:
    return point.get(column.source, {}).get(name)  # type: ignore[no-any-return]


def _remark(points: list[Point]) -> str | None:
    """How sure the times of the samples are, which KV pool is one of slots, and where the energy comes from."""
    errors = [point["server"]["error_s"] for point in points if "error_s" in point.get("server", {})]
    sources = {point["gpu"]["energy_from"] for point in points if "energy_from" in point.get("gpu", {})}
    said = [f"Samples belong to windows within {max(errors) * 1000:.1f} ms."] if errors else []
    slots = max((point.get("gpu", {}).get("kv_slots", 0.0) for point in points), default=0.0)
    said += [SLOTS.format(slots=count(slots))] if slots else []
    said += [f"Energy is from the GPU's {' and '.join(sorted(sources))}, without the host."] if sources else []
    return " ".join(said) or None
