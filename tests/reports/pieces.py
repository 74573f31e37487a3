"""The pieces that hand-made summaries are put together from: points, steps, comparisons, tasks, a manifest."""

from __future__ import annotations

import math
import random
from statistics import NormalDist
from typing import Any

INPUTS = {"short": 128, "medium": 1024, "long": 4096}
OUTPUTS = {"short": 32, "medium": 256, "long": 1024}
RUNGS = (1, 2, 4, 8, 16, 32)
AT = 8


def cell(name: str) -> dict[str, Any]:
    """The cell object of summary.json."""
    into, out = name.split("/")
    return {"input": into, "output": out, "input_tokens": INPUTS[into], "output_tokens": OUTPUTS[out]}


CELLS = [f"{i}/{o}" for i in INPUTS for o in OUTPUTS]
CROSS = [("medium/medium", c) for c in RUNGS] + [(name, AT) for name in CELLS if name != "medium/medium"]


def latency(value: float, n: int, spread: float = 0.15, half: float | None = None) -> dict[str, Any]:
    """One metric's quantiles around a mean, with those left out that n requests cannot carry."""
    metric: dict[str, Any] = {"n": n, "mean": value, "max": value * (1 + 6 * spread)}
    for name, z, needed in (("p50", -0.1, 10), ("p90", 1.4, 50), ("p95", 1.9, 100), ("p99", 3.1, 500)):
        if n >= needed:
            metric[name] = value * (1 + z * spread)
    if half:
        metric["mean_ci"] = [value * (1 - half), value * (1 + half)]
    return metric


def measured(name: str, users: int, factor: float, n: int, half: float | None) -> dict[str, Any]:
    """The latencies, throughput and goodput of one point of a plausible service; `factor` slows TTFT and decode."""
    where = cell(name)
    ttft = (0.03 + where["input_tokens"] / 9000) * (1 + 0.05 * users) * factor
    tpot = 0.0085 * (1 + 0.03 * users) * (1 + (factor - 1) / 2)
    e2e = ttft + tpot * (where["output_tokens"] - 1)
    tokens = users / e2e * where["output_tokens"]
    good = 0.992 - 0.004 * math.log2(users) if users <= 16 else 0.81
    return {
        "requests": {"sent": n, "ok": n, "failed": 0, "aborted": 0, "by_outcome": {"ok": n}},
        "ttft_s": latency(ttft, n, 0.2, half), "tpot_s": latency(tpot, n, 0.05, half and half / 3),
        "gap_s": latency(tpot, n * where["output_tokens"], 0.3), "e2e_s": latency(e2e, n, 0.06, half and half / 3),
        "throughput": {"requests": users / e2e, "output_tokens": tokens, "total_tokens": tokens * 3},
        "goodput": {"requests": users / e2e * good, "share": good},
    }  # fmt: skip


def timeline(arms: list[str]) -> dict[str, Any]:
    """A run of two hours and a half over time: arms take turns, a worker is lost in between."""
    return {
        "started": "2026-11-23T06:15:00Z", "seconds": 8772.0, "piece_s": 8772.0 / 120,
        "load": [RUNGS[i // 4 % 6] if i % 4 else None for i in range(120)],
        "arm": [arms[i // 24 % len(arms)] if i % 4 else None for i in range(120)],
        "valid": [i // 4 % 9 != 5 if i % 4 else None for i in range(120)],
        "sent_per_s": [3.0 + i // 4 % 6 for i in range(120)],
        "bad_per_s": [1.5 if i in (50, 51) else 0.0 for i in range(120)],
        "in_engine": [float(RUNGS[i // 4 % 6]) for i in range(120)],
        "kv_used_share": [0.05 + i % 24 / 40 for i in range(120)],
        "gpu_busy": [0.98 if i % 4 else 0.2 for i in range(120)],
        "events": [{"at_s": 3650.0, "what": "worker lost", "said": "llm-worker-3"},
                   {"at_s": 3702.0, "what": "worker joined", "said": "llm-worker-4"}],
    }  # fmt: skip


def drawn(of: dict[str, Any]) -> dict[str, Any]:
    """What pictures need of a point with these latencies: the parts of its time, the curves of its requests."""
    ttft, e2e = of["ttft_s"]["mean"], of["e2e_s"]["mean"]
    parts = {"sending_s": 4e-5, "queue_s": 0.1 * ttft, "prefill_s": 0.8 * ttft, "unexplained_s": 0.1 * ttft - 4e-5,
             "decode_s": e2e - ttft, "ending_s": 3e-4}  # fmt: skip
    curves = {
        metric: [of[metric]["mean"] * math.exp(spread * NormalDist().inv_cdf(min(max(i / 40, 0.004), 0.996)))
                 for i in range(41)]
        for metric, spread in (("ttft_s", 0.2), ("tpot_s", 0.05), ("e2e_s", 0.06))
    }  # fmt: skip
    return {"time": {"n": of["e2e_s"]["n"], "whole_s": e2e + 3e-4, "parts": parts}, "ecdf": curves}


def point(arm: str, name: str, users: int, factor: float, blocks: int = 6) -> dict[str, Any]:
    """One point: a cell at a rung on an arm, blocks pooled."""
    half = 0.03 if blocks > 1 else None
    body = measured(name, users, factor, blocks * 24 * max(1, users // 2), half)
    return {
        "arm": arm,
        "cell": cell(name),
        "concurrency": users,
        "blocks": blocks,
        "valid_blocks": blocks,
        "marks": [],
        **body,
        **drawn(body),
    }


def step(of: dict[str, Any], block: int) -> dict[str, Any]:
    """One step of a point's block."""
    body = measured(f"{of['cell']['input']}/{of['cell']['output']}", of["concurrency"], 1.0, 48, None)
    return {
        "id": f"b{block}-{of['cell']['input']}_{of['cell']['output']}-c{of['concurrency']}-{of['arm']}",
        "arm": of["arm"], "block": block, "cell": of["cell"], "concurrency": of["concurrency"], "try": 1, "marks": [],
        "valid": True, "why_invalid": [], "window_s": 30.1, **body,
        "tokens": {"input": 48 * 1024, "cached_input": 0, "output": 48 * 256, "reasoning": 0, "counted_by": "server",
                   "tokens_per_chunk": 1.0},
        "client": {"clock": "kernel", "lag_p50_s": 2.1e-5, "lag_p99_s": 1.8e-4, "uncertainty_p99_s": 3.1e-5,
                   "coalesced_share": 0.0004, "cpu": 0.31, "in_flight": of["concurrency"] * 0.996, "bunching": 0.08},
    }  # fmt: skip


def effect(level: str, where: str | None, metric: str, ratio: float, half: float, **more: Any) -> dict[str, Any]:
    """One comparison with a symmetric interval on the log scale and the verdict that a 5 % threshold implies."""
    low, high = ratio / (1 + half), ratio * (1 + half)
    worse = (1 / ratio if metric == "good_per_s" else ratio) > 1
    verdict = "same" if low > 0.95 and high < 1.05 else "inconclusive"
    if abs(ratio - 1) > 0.05 and not low <= 1 <= high:
        verdict = "worse" if worse else "better"
    base = {"ttft_s": 0.2, "tpot_s": 0.0105, "e2e_s": 2.9, "good_per_s": 2.7}[metric]
    return {
        "level": level, "cell": cell(where) if where else None, "concurrency": AT, "metric": metric, "baseline": base,
        "candidate": base * ratio, "ratio": ratio, "ci": [low, high], "n_pairs": 6, "p_adjusted": 0.0004 if
        verdict in {"worse", "better"} else 0.61, "mde": 0.034, "gated": True, "verdict": verdict, **more,
    }  # fmt: skip


def effects(ratios: dict[str, float]) -> list[dict[str, Any]]:
    """Cell and rung comparisons of every gated metric; `ratios` sets TTFT's by cell, the rest follows."""
    rows, draw = [], random.Random(3)
    for name in CELLS:
        ttft = ratios.get(name, 1.0)
        for metric, pull in (("ttft_s", 1.0), ("tpot_s", 0.3), ("e2e_s", 0.4), ("good_per_s", -0.4)):
            ratio = 1 + (ttft - 1) * pull + draw.gauss(0, 0.004)
            rows.append(effect("cell", name, metric, ratio, 0.02 if metric == "ttft_s" else 0.012))
    rows += [effect("rung", "medium/medium", "ttft_s", 1.01, 0.04, concurrency=c) for c in RUNGS]
    return rows


def scenario(arms: tuple[str, ...]) -> dict[str, Any]:
    """The scenario as it stands in a manifest."""
    return {
        "name": "llama-3.1-8b: speculative decoding", "format": 1, "seed": 7, "record": "requests",
        "arms": {a: {"url": f"http://llm-{a}:8000", "api": "openai-chat", "model": "llama-3.1-8b"} for a in arms},
        "ladder": {"concurrency": list(RUNGS), "at": AT},
        "matrix": {"input": INPUTS, "output": OUTPUTS, "cells": [cell(n) for n in CELLS], "output_jitter": 0.1},
        "plan": {"design": "cross", "cell": "medium/medium", "blocks": 6},
        "slo": {"ttft": 0.5, "tpot": 0.05, "attain": 0.95, "error_rate": 0.01, "cells": {"long/*": {"ttft": 2.0}}},
        "compare": {"baseline": arms[0], "candidate": arms[-1], "order": "abba", "threshold": 0.05} if arms[1:] else {},
    }  # fmt: skip


def manifest(arms: tuple[str, ...] = ("baseline", "candidate"), **changes: Any) -> dict[str, Any]:
    """run.json of a finished run."""
    return {
        "format": 1, "id": "20261123T061500Z-speculative-decoding", "scenario": scenario(arms),
        "scenario_file": "ab.toml",
        "plan": {"passes": 108, "steps": 170}, "seed": 7,
        "versions": {"tokenswarm": "0.1.0", "locust": "2.47.0", "python": "3.11.9"},
        "host": {"system": "Linux 6.8", "cpu": "AMD EPYC 7763", "cores": 8}, "clock": "kernel",
        "server": {a: {"engine": "vllm", "version": "0.11.2", "model": "llama-3.1-8b"} for a in arms},
        "gpu": {"name": "NVIDIA L40S", "driver": "570.86"},
        "check": [
            {"name": "reachable", "arm": arms[0], "status": "ok", "text": "200 in 41 ms"},
            {"name": "streams", "arm": arms[0], "status": "ok", "text": "32 chunks for 32 tokens"},
            {"name": "cache", "arm": arms[0], "status": "warn", "text": "prefix cache is on; nonces avoid it"},
        ],
        "calibration": {"streams": 400, "tokens_per_s": 40000, "ttft_error_p99_s": 0.00009, "gap_error_p99_s": 0.00012},
        "started": "2026-11-23T06:15:00Z", "ended": "2026-11-23T08:41:12Z", "workers": 2, "stopped": None,
        "simulated": False, **changes,
    }  # fmt: skip


def task(arm: str, e2e: float) -> dict[str, Any]:
    """One block of tasks on one arm."""
    return {
        "id": f"b1-tasks-c8-{arm}", "arm": arm, "block": 1, "concurrency": 8, "valid": True, "why_invalid": [],
        "window_s": 96.0, "marks": [],
        "requests": {"sent": 200, "ok": 198, "failed": 2, "aborted": 0, "by_outcome": {"ok": 198, "timeout": 2}},
        "ttft_s": latency(0.12, 198), "tpot_s": latency(0.0101, 198, 0.04), "e2e_s": latency(e2e, 198, 0.5),
        "gap_s": latency(0.0101, 60000), "finish": {"stop": 190, "length": 8},
        "tokens": {"input": 88_400, "cached_input": 4_100, "output": 61_300, "reasoning": 0, "counted_by": "server",
                   "tokens_per_chunk": 1.0},
        "throughput": {"requests": 2.1, "output_tokens": 638.0, "total_tokens": 1560.0},
        "goodput": {"requests": 2.0, "share": 0.965},
    }  # fmt: skip


def told() -> dict[str, Any]:
    """What a run of two arms tells besides: growth, unusual requests, useless tokens."""
    gains = [{"from": a, "to": b, "gain": g, "ci": [g - 0.04, g + 0.04]}
             for a, b, g in zip(RUNGS, RUNGS[1:], (1.95, 1.9, 1.7, 1.4, 1.1), strict=False)]  # fmt: skip
    grown = {
        "cell": cell("medium/medium"),
        "gains": gains,
        "knee": {"rung": 16, "gain": 1.1, "ci": [1.06, 1.14]},
        "law": {"lambda": 0.44, "sigma": 0.028, "kappa": 0.0002},
    }
    wasted = {
        "requests": 200, "total": {"tokens_per_request": 31.0, "tokens_ci": [22.0, 40.0], "share": 0.041},
        "categories": [
            {"name": "over_length", "title": "over-length", "level": "request", "rule": "ran into max_tokens",
             "requests": 8, "of": 200, "tokens": 6200.0, "tokens_per_request": 31.0, "tokens_ci": [22.0, 40.0],
             "share": 0.041, "examples": ["Sure! Here is the whole of it: ", "As an assistant, I", "[[[[[[[["]},
        ],
    }  # fmt: skip
    odd = {"step": "b2-medium_medium-c8-candidate", "arm": "candidate", "metric": "e2e_s", "value": 9.1, "typical": 2.8,
           "z": 7.3, "request_id": "1-4711", "worker": 1, "text": "The quick brown"}  # fmt: skip
    return {
        "growth": [{"arm": "baseline", **grown}, {"arm": "candidate", **grown}],
        "anomalies": [odd], "anomaly_counts": {"looked": 24000, "found": 31, "expected": 11.2},
        "waste": {"arms": [{"arm": "baseline", **wasted}, {"arm": "candidate", **wasted}]},
    }  # fmt: skip
