"""Figures of a step from what was sampled of its engines and GPUs (`server.parquet`, `gpu.parquet`).

A sample belongs to a window by its time, which is wrong by its error_s at most. Fewer than 5 distinct samples in a
window are no figure: dcgm-exporter renews its own every 30 s by default, however often it is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from exporters.files import StepRecord
from exporters.record import Run
from exporters.server import COUNTERS, GPU, IDLE_BITS, went_back
from reports.memory import COLUMNS, Held, allocated_share, fragmentation, held_by_step, measurable, quiet
from scenarios.scenario import Scenario

Values = npt.NDArray[np.float64]
ENOUGH = 5  # distinct samples in a window
PHASES = {"queue_s": ("queued_s", "queued"), "prefill_s": ("prefilled_s", "prefilled")}  # of requests that ended
OF_MEANS = ("prefix_hits", "prefix_queries", *(name for pair in PHASES.values() for name in pair))
AROUND_NS = 2_000_000_000  # beyond a window's edges, to know what a counter was at them


class Sampled(msgspec.Struct, frozen=True):
    """What the samples say of one step; a part is empty when it was not sampled, or not often enough (`why`)."""

    server: dict[str, Any] = {}
    gpu: dict[str, Any] = {}
    restarted: tuple[str, ...] = ()  # instances, in or around the window
    why: tuple[str, ...] = ()


class Samples:
    """All samples of a run."""

    def __init__(self, run: Run) -> None:
        self._swap = dict(_swaps(run.scenario))
        self.server: pd.DataFrame = run.server().to_pandas()
        self.gpu: pd.DataFrame = run.gpu().to_pandas()

    def __bool__(self) -> bool:
        return bool(len(self.server) or len(self.gpu))

    def place(self, record: StepRecord) -> str:
        """At whose place a step was measured."""
        arm = record.step.arm
        return self._swap.get(arm, arm) if "swapped" in record.marks else arm

    def around(self, kind: str, record: StepRecord, margin_ns: int = 0) -> pd.DataFrame:
        """The samples of a step's place in its window, and some around it."""
        table: pd.DataFrame = getattr(self, kind)
        if record.open_ns is None or record.close_ns is None:
            return table.iloc[:0]
        inside = (table["at_ns"] >= record.open_ns - margin_ns) & (table["at_ns"] <= record.close_ns + margin_ns)
        return table[inside & (table["arm"] == self.place(record))]


def sampled_steps(run: Run, records: Sequence[StepRecord]) -> dict[str, Sampled]:
    """By step, what was sampled of its engines and GPUs; empty when nothing was sampled in the run."""
    samples = Samples(run)
    if not samples:
        return {}
    found = {record.step.id: _sampled(samples, record) for record in records}
    engines = {record.step.id: samples.around("server", record) for record in records}
    return _with_memory(run, found, engines)


def _sampled(samples: Samples, record: StepRecord) -> Sampled:
    server, gpu = samples.around("server", record), samples.around("gpu", record)
    engines = [part for _, part in server.groupby("instance")]
    boards = [part for _, part in gpu.groupby(["instance", "gpu"])]
    return Sampled(
        server=server_figures(engines) if engines and _enough(engines) else {},
        gpu=gpu_figures(boards, samples.around("gpu", record, AROUND_NS), record) if boards and _enough(boards) else {},
        restarted=_restarted(samples.around("server", record, AROUND_NS)),
        why=(*_too_few("server", engines, record), *_too_few("GPU", boards, record)),
    )


def _with_memory(run: Run, found: dict[str, Sampled], engines: Mapping[str, pd.DataFrame]) -> dict[str, Sampled]:
    """The same with the levels of KV memory, where they can be measured; else with the reason why not."""
    held: dict[str, Held] = {}
    for step, samples in engines.items():
        if not found[step].server:
            continue
        parts = [part for _, part in samples.groupby("instance")]
        why = measurable(parts, found[step].server, _untold(run, samples))
        if why is None:
            calm = quiet(samples)
            held[step] = Held.at(calm["at_ns"].to_numpy(dtype=float), float(calm["block_tokens"].iloc[0]))
        else:
            found[step].server["kv_not_measurable"] = why
    if held:
        held_by_step(run.lives(COLUMNS), held)
    for step, ours in held.items():
        found[step].server.update(fragmentation(quiet(engines[step]), ours))
    return found


def _untold(run: Run, samples: pd.DataFrame) -> str:
    """Why a slot engine's pool was not known when the last of these samples was taken; empty when nothing was said."""
    arms, instances, last = set(samples["arm"]), set(samples["instance"]), samples["at_ns"].max()
    said = [
        str(event["why"])
        for event in run.manifest.get("sampler", ())
        if event["what"] == "without pool" and event["arm"] in arms and event["instance"] in instances
        and event["since_ns"] <= last
    ]  # fmt: skip
    return said[-1] if said else ""


def server_figures(engines: Sequence[pd.DataFrame]) -> dict[str, Any]:
    """Requests running and waiting (mean, over all instances), KV use, and what the counters counted in the window."""
    figures: dict[str, Any] = {
        "instances": len(engines),
        "samples": min(len(part) for part in engines),
        "error_s": max(float(part["error_s"].max()) for part in engines),
    }
    for name in ("running", "waiting"):
        means = [part[name].mean() for part in engines if part[name].notna().any()]
        if means:
            figures[name] = float(sum(means))
            figures[f"{name}_max"] = float(max(part[name].max() for part in engines))
    shares = [share for part in engines if (share := allocated_share(part)).notna().any()]
    if shares:
        figures["kv_used_share"] = float(np.mean([share.mean() for share in shares]))
        figures["kv_used_share_max"] = float(max(share.max() for share in shares))
    slots = [part["slots"].max() for part in engines if part["slots"].notna().any()]
    if slots:
        figures["kv_slots"] = float(sum(slots))
    reserved = [part["reserved_share"].mean() for part in engines if part["reserved_share"].notna().any()]
    if reserved:
        figures["memory_reserved_share"] = float(np.mean(reserved))
    counted = {name: _counted(part[name] for part in engines) for name in COUNTERS}
    figures |= {name: value for name, value in counted.items() if value is not None and name not in OF_MEANS}
    if counted["prefix_queries"]:
        figures["prefix_hit_share"] = (counted["prefix_hits"] or 0.0) / counted["prefix_queries"]
    for name, (seconds, of) in PHASES.items():
        if counted[of] and counted[seconds] is not None:
            figures[name] = (counted[seconds] or 0.0) / (counted[of] or 1.0)
    return figures


def gpu_figures(boards: Sequence[pd.DataFrame], wider: pd.DataFrame, record: StepRecord) -> dict[str, Any]:
    """Busy share (mean), memory (high water), power and energy (of all GPUs), and how often clocks were held down."""
    figures: dict[str, Any] = {"gpus": len(boards), "samples": min(distinct(part) for part in boards)}
    for name, column in (("busy", "busy"), ("temperature_c", "temperature_c"), ("sm_clock_hz", "sm_clock_hz")):
        means = [part[column].mean() for part in boards if part[column].notna().any()]
        figures |= {name: float(np.mean(means))} if means else {}
    figures |= _memory(boards)
    powers = [part["power_w"].mean() for part in boards if part["power_w"].notna().any()]
    figures |= {"power_w": float(sum(powers))} if powers else {}
    limits = [part["power_limit_w"].mean() for part in boards if part["power_limit_w"].notna().any()]
    figures |= {"power_limit_w": float(sum(limits))} if len(limits) == len(boards) else {}
    held = [_throttled(part["throttled"]) for part in boards if part["throttled"].notna().any()]
    figures |= {"throttled_share": float(np.mean(held))} if held else {}
    return figures | _energy([part for _, part in wider.groupby(["instance", "gpu"])], record)


def distinct(samples: pd.DataFrame) -> int:
    """Samples of one GPU that are not a repetition of the one before: the source had been renewed in between."""
    values = samples[list(GPU)].to_numpy(dtype=float)
    changed = ~np.all((values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1])), axis=1)
    return int(changed.sum()) + 1 if len(values) else 0


def at(times_ns: Values, values: Values, when_ns: float) -> float | None:
    """A quantity at a time between two samples, on the line through them; None outside of all samples."""
    known = ~np.isnan(values)
    times, values = times_ns[known], values[known]
    if not len(times) or not times[0] <= when_ns <= times[-1]:
        return None
    return float(np.interp(when_ns, times, values))


def _memory(boards: Iterable[pd.DataFrame]) -> dict[str, float]:
    shares = []
    for part in boards:
        used = part["memory_used_bytes"]
        whole = used + part["memory_free_bytes"] + part["memory_reserved_bytes"].fillna(0.0)
        shares.append((used / whole).max())
    known = [share for share in shares if not np.isnan(share)]
    return {"memory_used_share": float(max(known))} if known else {}


def _throttled(bits: pd.Series) -> float:
    known = bits.dropna().astype("int64")
    return float(((known & ~IDLE_BITS) != 0).mean())


def _energy(boards: Sequence[pd.DataFrame], record: StepRecord) -> dict[str, Any]:
    """Joules of the window over all GPUs: from their counters, else as the integral of their power; and which it is."""
    assert record.open_ns is not None, "a window without its times has no samples"
    assert record.close_ns is not None, "a window without its times has no samples"
    for source, of_board in (("counter", _from_counter), ("power", _from_power)):
        parts = [of_board(part, record.open_ns, record.close_ns) for part in boards]
        known = [part for part in parts if part is not None]
        if known and len(known) == len(parts):
            return {"energy_j": sum(known), "energy_from": source}
    return {}


def _from_counter(board: pd.DataFrame, opened: int, closed: int) -> float | None:
    times, joules = board["at_ns"].to_numpy(dtype=float), board["energy_j"].to_numpy(dtype=float)
    before, after = at(times, joules, opened), at(times, joules, closed)
    return None if before is None or after is None or after < before else after - before


def _from_power(board: pd.DataFrame, opened: int, closed: int) -> float | None:
    times, watts = board["at_ns"].to_numpy(dtype=float), board["power_w"].to_numpy(dtype=float)
    edges = [at(times, watts, opened), at(times, watts, closed)]
    if edges[0] is None or edges[1] is None:
        return None
    inside = (times > opened) & (times < closed) & ~np.isnan(watts)
    when = np.array([opened, *times[inside], closed]) / 1e9
    return float(np.trapezoid(np.array([edges[0], *watts[inside], edges[1]], dtype=float), when))


def _counted(columns: Iterable[pd.Series]) -> float | None:
    """What a counter counted between the first and the last sample of a window, over all instances."""
    found = []
    for column in columns:
        known = column.dropna()
        if len(known) > 1:
            found.append(float(known.iloc[-1] - known.iloc[0]))
    return sum(found) if found else None


def _enough(parts: Sequence[pd.DataFrame]) -> bool:
    return all(_count(part) >= ENOUGH for part in parts)


def _count(part: pd.DataFrame) -> int:
    return distinct(part) if "gpu" in part else len(part)


def _too_few(kind: str, parts: Sequence[pd.DataFrame], record: StepRecord) -> list[str]:
    """Why there is no figure, when there are samples."""
    if not parts or _enough(parts):
        return []
    count, seconds = min(_count(part) for part in parts), record.window_s or 0.0
    return [f"only {count} distinct samples of a {kind} in a window of {seconds:.1f} s, where {ENOUGH} are needed"]


def _restarted(samples: pd.DataFrame) -> tuple[str, ...]:
    found = []
    for name, part in samples.groupby("instance"):
        rows: list[Mapping[str, float]] = [
            {key: value for key, value in row.items() if isinstance(value, float) and not np.isnan(value)}
            for row in part[[*COUNTERS, "started_s"]].to_dict("records")
        ]
        if any(went_back(before, now) for before, now in pairwise(rows)):
            found.append(str(name))
    return tuple(found)


def _swaps(scenario: Scenario) -> list[tuple[str, str]]:
    one, other = scenario.compare.baseline, scenario.compare.candidate
    return [(one, other), (other, one)]
