"""The client's own error against a server whose events carry the time at which they were sent."""

from __future__ import annotations

from array import array
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from exporters.sample import Sample, Timeline
from locustfiles._booking import Exchange

Seconds = npt.NDArray[np.float64]


class RungErrors:
    """Errors at one concurrency, in seconds: what we measured minus what the server's own send stamps say."""

    def __init__(self) -> None:
        self.ttft, self.e2e, self.gap = array("d"), array("d"), array("d")
        self.lag, self.chunks, self.requests = array("d"), 0, 0

    def add(self, timeline: Timeline, sent_by_server: npt.NDArray[np.int64]) -> None:
        """Book one whole stream; `sent_by_server` is on the wall clock."""
        to_wall = timeline.sent_wall_ns - timeline.sent
        ours = np.frombuffer(timeline.chunks, dtype=np.int64)
        late = (ours + to_wall - sent_by_server) / 1e9
        truth = msgspec.structs.replace(timeline, chunks=array("q", sent_by_server.tobytes()))
        self.ttft.append(float(late[0]))
        self.e2e.append(float(late[-1]))
        self.gap.extend(timeline.gaps_s()[0] - truth.gaps_s()[0])  # the same gaps are censored in both
        self.lag.extend(np.frombuffer(timeline.lags, dtype=np.int64) / 1e9)
        self.requests += 1
        self.chunks += len(ours)

    def figures(self) -> dict[str, Any]:
        """Percentiles of each error, in seconds."""
        return {
            "requests": self.requests,
            "chunks": self.chunks,
            "ttft_error_s": spread(np.array(self.ttft)),
            "gap_error_s": spread(np.array(self.gap)),
            "e2e_error_s": spread(np.array(self.e2e)),
            "lag_s": spread(np.array(self.lag)),
        }


def spread(errors: Seconds) -> dict[str, float]:
    """Median, and the 99th percentile and maximum of the magnitude."""
    if not len(errors):
        return {}
    size = np.abs(errors)
    return {
        "p50": float(np.median(errors)),
        "p99": float(np.quantile(size, 0.99)),
        "max": float(size.max()),
    }


class Errors:
    """An observer of a process's requests: errors by concurrency, of the requests sent in windows."""

    def __init__(self) -> None:
        self.rungs: dict[int, RungErrors] = {}

    def __call__(self, exchange: Exchange, sample: Sample) -> None:
        """Book one request; replies whose text is not send times are no business of ours."""
        if sample.phase != "window" or sample.outcome != "ok" or sample.concurrency is None:
            return
        stamps = np.array([int(text) for text in exchange.reply.text], dtype=np.int64)
        self.rungs.setdefault(sample.concurrency, RungErrors()).add(exchange.timeline, stamps)

    def figures(self) -> dict[str, Any]:
        """Figures by concurrency."""
        return {str(users): rung.figures() for users, rung in sorted(self.rungs.items())}
