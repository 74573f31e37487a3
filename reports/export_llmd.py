"""A run as Benchmark Reports v0.2 of llm-d-benchmark: one document for each point, and for each step of the tasks.

The schema: llmd-benchmark-report 0.2.1 (PyPI; github.com/llm-d/llm-d-benchmark), which reads the whole 0.2 line.
What it asks for and nobody told is "unknown", never invented: so the service is a component of kind `generic` (an
`inference_engine` would have to state its parallelism). Its quantiles are ours, of all requests sent: one that lies
beyond the timeout is left out. A gap between chunks is its `inter_token_latency` only where chunks are tokens.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from reports.latency import load_of
from reports.tables import cell_name
from reports.units import plain

VERSION = "0.2"
UNKNOWN = "unknown"
STATISTICS = ("mean", "p50", "p90", "p95", "p99", "max")
ONE_TOKEN = 1.01  # tokens per chunk: more than that, and a gap is not of one token
QUANTILES = "quantiles are over all requests sent; failed and aborted ones count as infinite"

Document = dict[str, Any]


def documents(summary: dict[str, Any], manifest: dict[str, Any]) -> list[Document]:
    """Every point that was measured, then every valid step of the tasks."""
    points = [point for point in summary["points"] if point["valid_blocks"]]
    steps = [step for step in summary["tasks"] if step["valid"]]
    measured = [one for one in [*points, *steps] if one["requests"]["ok"]]
    return [_document(stage, one, summary["run"], manifest) for stage, one in enumerate(measured)]


def place_of(document: Document) -> str:
    """Which point a document is of, in words: the description of its load."""
    return str(document["scenario"]["load"]["metadata"]["description"])


def _document(stage: int, one: dict[str, Any], run: dict[str, Any], manifest: dict[str, Any]) -> Document:
    where = {key: one.get(key) for key in ("id", "arm", "cell", "concurrency", "rate")}
    observed = {key: one[key] for key in ("goodput", "client", "gpu", "server") if key in one}
    return {
        "version": VERSION,
        "run": {"uid": _id([run["id"], where]), "eid": _id([run["id"]]), "time": _time(run)},
        "scenario": {"stack": [_service(one["arm"], manifest)], "load": _load(stage, one, manifest)},
        "results": {
            "request_performance": {
                "aggregate": {
                    "requests": _requests(one), "latency": _latency(one), "throughput": _throughput(one["throughput"])
                }
            },
            "observability": {"tokenswarm": {"note": QUANTILES, **observed}},
        },
    }  # fmt: skip


def _id(of: list[Any]) -> str:
    """The same for the same things, as the schema's own hashes."""
    return hashlib.md5(json.dumps(of, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def _time(run: dict[str, Any]) -> dict[str, str]:
    if run["ended"] is None:
        return {"start": run["started"]}
    took = datetime.fromisoformat(run["ended"]) - datetime.fromisoformat(run["started"])
    return {"start": run["started"], "end": run["ended"], "duration": f"PT{took.total_seconds()}S"}


def _service(arm: str, manifest: dict[str, Any]) -> Document:
    """The service of an arm, as far as the run knows it."""
    asked, told = manifest["scenario"]["arms"][arm], manifest.get("server", {}).get(arm, {})
    native = {"model": asked.get("model"), "replicas": asked.get("replicas"), "gpu": manifest.get("gpu") or None}
    return {
        "metadata": {"label": plain(arm, 80), "cfg_id": _id([asked])},
        "standardized": {
            "kind": "generic",
            "tool": plain(told.get("server") or told.get("engine") or UNKNOWN, 80),
            "tool_version": plain(told.get("version") or UNKNOWN, 80),
            **{key: value for key, value in native.items() if value is not None},
        },
        "native": {},
    }


def _load(stage: int, one: dict[str, Any], manifest: dict[str, Any]) -> Document:
    scenario, cell = manifest["scenario"], one.get("cell")
    load = {"rate_qps": load_of(one)} if "rate" in one else {"concurrency": one["concurrency"]}
    words = f"{one['arm']} {cell_name(cell)} at {load_of(one):g}" if cell else one["id"]
    lengths = {"input_seq_len": _length(one, "input", cell), "output_seq_len": _length(one, "output", cell)}
    return {
        "metadata": {"cfg_id": _id([scenario]), "description": plain(words, 200)},
        "standardized": {
            "tool": "tokenswarm", "tool_version": manifest["versions"].get("tokenswarm", UNKNOWN), "source": "sampled",
            "stage": stage, **{key: length for key, length in lengths.items() if length is not None}, **load,
        },
        "native": {"config": scenario},
    }  # fmt: skip


def _length(one: dict[str, Any], side: str, cell: dict[str, Any] | None) -> Document | None:
    """What was asked: a cell's size; of requests that differ, and of tasks, their mean. None: nobody knows."""
    varied = one.get("lengths", {}).get(side)
    if varied is not None:
        return {"distribution": "other", "value": max(varied["mean"], 1.0), "max": max(round(varied["max"]), 1)}
    if cell is not None:
        return {"distribution": "fixed", "value": max(cell[f"{side}_tokens"], 1)}
    mean = _mean_tokens(one, side)
    return {"distribution": "other", "value": max(mean or 1.0, 1.0)} if mean or side == "input" else None


def _mean_tokens(one: dict[str, Any], side: str) -> float | None:
    total = one.get("tokens", {}).get(side)
    return None if total is None else total / one["requests"]["ok"]


def _requests(one: dict[str, Any]) -> Document:
    counts = one["requests"]
    found = {"total": counts["sent"], "failures": counts["failed"], "incomplete": counts["aborted"]}
    for side in ("input", "output"):
        mean = _mean_tokens(one, side)
        values = one.get("lengths", {}).get(side) or ({} if mean is None else {"mean": mean})
        found |= _named(f"{side}_length", values, "count")
    return found


def _latency(one: dict[str, Any]) -> Document:
    chunks_are_tokens = one.get("tokens", {}).get("tokens_per_chunk", 2.0) <= ONE_TOKEN
    return {
        **_named("time_to_first_token", one.get("ttft_s", {}), "s"),
        **_named("time_per_output_token", one.get("tpot_s", {}), "s/token"),
        **_named("inter_token_latency", one.get("gap_s", {}) if chunks_are_tokens else {}, "s/token"),
        **_named("request_latency", one.get("e2e_s", {}), "s"),
    }


def _throughput(rates: dict[str, float]) -> Document:
    made, total = rates.get("output_tokens"), rates.get("total_tokens")
    given = None if made is None or total is None else total - made
    known = {"input_token_rate": given, "output_token_rate": made, "total_token_rate": total}
    tokens = {name: {"units": "tokens/s", "mean": rate} for name, rate in known.items() if rate is not None}
    return {**tokens, "request_rate": {"units": "queries/s", "mean": rates["requests"]}}


def _named(name: str, values: dict[str, Any], units: str) -> Document:
    """Statistics under their name; none without a mean, which the schema requires."""
    known = {key: values[key] for key in STATISTICS if values.get(key) is not None}
    return {name: {"units": units, **known}} if "mean" in known else {}
