"""Figures of one step, or of several pooled: latencies, requests, tokens, throughput, goodput, client."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from exporters.sketch import Sketch
from exporters.validity import censored_share
from reports.measured import LATENCIES, Measured
from reports.stats import mean_interval, needed, quantile

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
TOKENS = {"input": "input_tokens", "cached_input": "cached_tokens", "output": "output_tokens",
          "reasoning": "reasoning_tokens"}  # fmt: skip
Values = npt.NDArray[np.float64]


def latency(steps: Sequence[Measured], metric: str) -> dict[str, Any] | None:
    """A latency over all requests sent: failed ones are infinitely slow (null), ok-only values beside them.

    None when no reply had it. When nothing was ok there is no mean, and every quantile lies beyond the timeout.
    """
    nothing = metric == "e2e_s" or steps[0].streamed
    return latency_of(steps, [step.columns[metric] for step in steps], nothing)


def latency_of(steps: Sequence[Measured], columns: Sequence[Values], nothing: bool = False) -> dict[str, Any] | None:
    """A latency given as a column of each step; `nothing`: it is infinite, not absent, when no request was ok."""
    values = np.concatenate([column[step.ok] for step, column in zip(steps, columns, strict=True)])
    values = np.sort(values[~np.isnan(values)])
    succeeded = sum(int(step.ok.sum()) for step in steps)
    failed = sum(step.sent for step in steps) - succeeded
    if not len(values):
        beyond = nothing and failed and not succeeded
        return {"n": failed, **_quantiles(values, failed), "max": None} if beyond else None
    figures: dict[str, Any] = {"n": len(values) + failed, "mean": float(values.mean())}
    figures |= _quantiles(values, failed)
    figures["max"] = None if failed else float(values[-1])
    if failed:
        figures["ok"] = {"n": len(values), **_quantiles(values, 0), "max": float(values[-1])}
    return figures


def _quantiles(values: Values, failed: int) -> dict[str, float | None]:
    count = len(values) + failed
    known = {name: quantile(values, failed, q) for name, q in QUANTILES.items() if count >= needed(q)}
    return {name: None if value is None or math.isinf(value) else value for name, value in known.items()}


def gaps(steps: Sequence[Measured]) -> dict[str, Any] | None:
    """Gaps between chunks, from the merged sketches; censored ones are not among them."""
    sketch = merged(steps, "gap")
    if not sketch.count:
        return None
    known = {name: sketch.quantile(q) for name, q in QUANTILES.items() if sketch.count >= needed(q)}
    return {"n": sketch.count, "mean": sketch.mean, **known, "max": sketch.max}


def merged(steps: Sequence[Measured], name: str) -> Sketch:
    """One sketch of several steps' tallies."""
    whole = Sketch()
    for step in steps:
        whole.merge(getattr(step.tally, name))
    return whole


def latencies(steps: Sequence[Measured]) -> dict[str, Any]:
    """TTFT, TPOT, E2E and gaps; what was not measured is absent."""
    known = {metric: latency(steps, metric) for metric in LATENCIES}
    known["gap_s"] = gaps(steps)
    return {name: figures for name, figures in known.items() if figures is not None}


def requests(steps: Sequence[Measured]) -> dict[str, Any]:
    """How many were sent in the windows, and what became of them: sent = ok + failed + aborted."""
    by_outcome: dict[str, int] = {}
    for step in steps:
        for outcome, count in step.outcomes.items():
            by_outcome[outcome] = by_outcome.get(outcome, 0) + count
    sent, ok, aborted = sum(by_outcome.values()), by_outcome.get("ok", 0), by_outcome.get("aborted", 0)
    return {"sent": sent, "ok": ok, "failed": sent - ok - aborted, "aborted": aborted, "by_outcome": by_outcome}


def tokens(steps: Sequence[Measured]) -> dict[str, Any]:
    """Consumption: sums over the rows of the windows, as the server counts them (else the client)."""
    columns = {name: np.concatenate([step.columns[column] for step in steps]) for name, column in TOKENS.items()}
    figures: dict[str, Any] = {
        name: int(np.nansum(values)) for name, values in columns.items() if (~np.isnan(values)).any()
    }
    if not figures:
        return {}
    client = np.concatenate([step.columns["client_output_tokens"] for step in steps])
    figures["counted_by"] = "client" if _by_client(columns["input"], columns["output"], client) else "server"
    chunks = np.concatenate([step.columns["chunks"] for step in steps])
    streamed = ~np.isnan(columns["output"]) & (chunks > 0)
    if streamed.any():
        figures["tokens_per_chunk"] = float(columns["output"][streamed].sum() / chunks[streamed].sum())
    return figures


def _by_client(given: Values, made: Values, client: Values) -> bool:
    """Whether most outputs were counted here: no usage came (no input count), and the count is the client's own."""
    counted = ~np.isnan(made)
    ours = counted & np.isnan(given) & (made == client)
    return bool(counted.any()) and 2 * int(ours.sum()) > int(counted.sum())


def throughput(steps: Sequence[Measured]) -> dict[str, float]:
    """Per second of window: requests by the share of their life, tokens by their time of arrival.

    No output tokens where no reply had any to count: vectors and scores are none.
    """
    seconds = sum(step.record.window_s or 0.0 for step in steps)
    if not seconds:
        return {}
    made = sum(step.tally.output_tokens for step in steps)
    given = sum(step.tally.input_tokens for step in steps)
    finished = sum(step.tally.finished for step in steps)
    silent = not made and all(np.isnan(step.columns["output_tokens"]).all() for step in steps if step.ok.any())
    output = {} if silent else {"output_tokens": made / seconds}
    return {"requests": finished / seconds, **output, "total_tokens": (given + made) / seconds}


def goodput(steps: Sequence[Measured]) -> dict[str, float]:
    """Good requests per second (ok ones per second x good / ok), and the share good / sent."""
    sent, ok = sum(step.sent for step in steps), sum(int(step.ok.sum()) for step in steps)
    rate = throughput(steps).get("requests")
    if not sent or rate is None:
        return {}
    good = sum(int(step.good.sum()) for step in steps)
    return {"requests": rate * good / ok if ok else 0.0, "share": good / sent}


def client(steps: Sequence[Measured]) -> dict[str, Any]:
    """How the figures were taken: clock, lag, uncertainty, load held."""
    lag, uncertainty = merged(steps, "lag"), merged(steps, "uncertainty")
    known: dict[str, Any] = {
        "clock": clock(steps),
        "lag_p50_s": lag.quantile(0.5),
        "lag_p99_s": lag.quantile(0.99),
        "uncertainty_p99_s": uncertainty.quantile(0.99),
        "coalesced_share": _mean(
            [censored_share(step.tally) for step in steps if step.tally.gap.count or step.tally.censored.count]
        ),
        "cpu": _mean([step.record.client["cpu"] for step in steps if "cpu" in step.record.client]),
        "in_flight": _mean([in_flight(step) for step in steps]),
        "bunching": _mean([bunching(step) for step in steps]),
    }
    return {name: value for name, value in known.items() if value is not None}


def clock(steps: Sequence[Measured]) -> str | None:
    """Where the stamps come from."""
    kernel, user = sum(step.tally.kernel_reads for step in steps), sum(step.tally.user_reads for step in steps)
    if not kernel and not user:
        return None
    return "kernel" if not user else "mixed" if kernel else "user"


def in_flight(step: Measured) -> float | None:
    """Mean number of requests in flight in the window."""
    return step.tally.in_flight_s / step.record.window_s if step.record.window_s else None


def bunching(step: Measured) -> float | None:
    """Share of requests sent within one (mean) TTFT, before or after, of at least N/4 others: users in lockstep."""
    sent = np.sort(step.columns["sent_ns"]) / 1e9
    ttft = step.mean("ttft_s")
    users = step.record.step.concurrency
    if step.record.step.rate is not None or ttft is None or users < 4 or len(sent) < users:
        return None
    near = np.searchsorted(sent, sent + ttft, side="right") - np.searchsorted(sent, sent - ttft, side="left") - 1
    return float((near >= users / 4).mean())


def point_latencies(steps: Sequence[Measured]) -> dict[str, Any]:
    """Pooled latencies of one point over its valid blocks, with the interval of the mean over block means.

    The point's mean is the mean of its block means, the middle of that interval, and not that of the pooled requests:
    a faster block sends more of them, and a block is one measurement however many requests it holds.
    """
    figures = latencies(steps)
    for metric in LATENCIES:
        means = [mean for step in steps if (mean := step.mean(metric)) is not None]
        if means:
            interval = mean_interval(means)
            figures[metric]["mean"] = interval.mean
            if interval.low is not None:
                figures[metric]["mean_ci"] = [max(interval.low, 0.0), interval.high]
    return figures


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
