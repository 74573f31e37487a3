"""What engines and GPUs told during steps: `server` and `gpu` of the summary, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reports.measured import Measured

ADDED = ("preemptions", "input_tokens", "output_tokens", "requests", "energy_j")  # over blocks; others are averaged
KV = (
    "memory_reserved_share", "kv_slots", "kv_used_share", "kv_used_share_max", "kv_live_share", "kv_fragmentation",
    "kv_paging_bound", "kv_not_measurable",
)  # fmt: skip


def engine_figures(steps: Sequence[Measured]) -> dict[str, Any]:
    """`server` and `gpu` (format 1) of one step, or of a point's steps together; empty where nothing was sampled."""
    server = _together([step.sampled.server for step in steps if step.sampled.server])
    gpu = _together([step.sampled.gpu for step in steps if step.sampled.gpu])
    gpu |= {name: server.pop(name) for name in KV if name in server}
    tokens = sum(step.tally.output_tokens for step in steps if step.sampled.gpu)
    if "energy_j" in gpu and tokens:
        gpu["j_per_output_token"] = gpu["energy_j"] / tokens
    return {name: figures for name, figures in (("server", server), ("gpu", gpu)) if figures}


def sampling_warnings(steps: Sequence[Measured]) -> list[dict[str, Any]]:
    """Engines that restarted, said first; and sources that were not renewed often enough to be figures."""
    restarted = [step for step in steps if step.sampled.restarted]
    scarce = [step for step in steps if step.sampled.why]
    found = []
    if restarted:
        names = sorted({name for step in restarted for name in step.sampled.restarted})
        text = f"An engine restarted while it was measured ({', '.join(names)}): {_counted(restarted)} does not count."
        advice = "Look at its log: running out of memory at a high rung is the usual reason."
        found.append(_warning("engine restarted", text, advice, restarted))
    if scarce:
        why = scarce[0].sampled.why[0]
        text = f"Engine or GPU figures are absent: {why} ({_counted(scarce)})."
        advice = "Raise [sampling] hz or the window; dcgm-exporter renews its own every 30 s (its -c)."
        found.append(_warning("scarce samples", text, advice, scarce))
    return found


def _together(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        values = [part[name] for part in parts if name in part]
        if isinstance(values[0], str):
            figures[name] = values[0]
        elif name.endswith("_max") or name in ("error_s", "memory_used_share"):
            figures[name] = max(values)
        elif name in ("samples", "instances", "gpus"):
            figures[name] = min(values)
        else:
            figures[name] = float(np.sum(values) if name in ADDED else np.mean(values))
    if any("kv_fragmentation" in part for part in parts):
        figures.pop("kv_not_measurable", None)
    return figures


def _warning(code: str, text: str, advice: str, steps: Sequence[Measured]) -> dict[str, Any]:
    return {"code": code, "text": text, "advice": advice, "steps": [step.record.step.id for step in steps]}


def _counted(steps: Sequence[Measured]) -> str:
    return steps[0].record.step.id if len(steps) == 1 else f"{len(steps)} steps, first {steps[0].record.step.id}"
