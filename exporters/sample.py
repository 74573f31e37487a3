"""The vocabulary of a measurement: Step, Timeline, Sample. Each derived duration is defined once, on Timeline.

Stamps are nanoseconds on the monotonic clock of one process; durations that leave this file are seconds; what was not
measured is None, never 0.
"""

from __future__ import annotations

from array import array
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from scenarios.scenario import Cell
from scenarios.soak import Stretch

Outcome = Literal[
    "ok", "http_error", "rate_limited", "server_oom", "context_overflow", "timeout", "connection",
    "stream_broken", "error_in_stream", "empty", "truncated", "aborted",
]  # fmt: skip
Phase = Literal["check", "warmup", "settle", "window", "tail", "drain"]
Workload = Literal["matrix", "task"]

CENSORED_FROM_NS = 1_000_000  # gaps less certain than 1 ms are interval-censored: counted, never invented (DESIGN 3.4)
SHORTEST_DECODE_NS = 1_000_000  # last - first below 1 ms: the stream came in one piece, no TPOT (METRICS)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One point of the plan in one block: an arm and a cell at a concurrency (or the tasks, without a cell)."""

    id: str
    workload: Workload
    arm: str
    block: int
    cell: Cell | None
    concurrency: int  # users at once; in open loop, how many requests may be in flight
    rate: float | None = None  # open loop: requests per second
    try_: int = msgspec.field(default=1, name="try")
    requests: int | None = None  # tasks: the window closes when this many were sent
    probe: int | None = None  # search: the number of this probe; a load may be probed more than once
    stretch: Stretch | None = None  # soak: the part of it that this is
    visit: int = 1  # by hand: how often this rung has been come to, or the number of a level

    @property
    def load(self) -> float:
        """The rung: requests per second in open loop, else users at once."""
        return self.concurrency if self.rate is None else self.rate

    @property
    def part(self) -> float | None:
        """What tells steps of one point and block apart: the number of a probe, the beginning of a soak's stretch."""
        return self.probe if self.stretch is None else self.stretch.begin

    @property
    def attempt(self) -> str:
        """What tells measurements of one point, block and arm apart: no prefix cache may know the texts of another."""
        return f"{self.try_}.{self.part or 0:g}.{self.visit}"


class Timeline(msgspec.Struct, kw_only=True):
    """When things happened to one request: the stamps of METRICS, filled in by the wire, read afterwards.

    `chunks` holds the arrival of every content chunk. `merged` lists (first chunk, chunks, uncertainty_ns) for reads
    that brought several: all but the read's last chunk are uncertain by that much.
    """

    sent_wall_ns: int = 0
    sent: int = 0
    written: int | None = None
    headers: int | None = None
    first_visible: int | None = None
    end: int | None = None
    chunks: array[int] = msgspec.field(default_factory=lambda: array("q"))
    merged: list[tuple[int, int, int]] = msgspec.field(default_factory=list)
    lags: array[int] = msgspec.field(default_factory=lambda: array("q"))  # ns a read came after its kernel stamp
    kernel_reads: int = 0
    user_reads: int = 0
    clock_steps: int = 0
    attempts: int = 1
    dns_s: float | None = None  # connection set-up, never part of TTFT; None on a reused connection
    connect_s: float | None = None
    tls_s: float | None = None

    @property
    def first(self) -> int | None:
        """Arrival of the first chunk with content, reasoning or a tool-call delta."""
        return self.chunks[0] if self.chunks else None

    @property
    def last(self) -> int | None:
        """Arrival of the last such chunk."""
        return self.chunks[-1] if self.chunks else None

    @property
    def content_reads(self) -> int:
        """Reads that brought at least one content chunk."""
        return len(self.chunks) - sum(count - 1 for _, count, _ in self.merged)

    @property
    def ttft_s(self) -> float | None:
        """Time to first token: first - sent."""
        return _seconds(self.sent, self.first)

    @property
    def ttft_uncertainty_s(self) -> float | None:
        """How much earlier the first token may have arrived than its stamp says."""
        if not self.chunks:
            return None
        if self.merged and self.merged[0][0] == 0:
            return self.merged[0][2] / 1e9
        return 0.0

    @property
    def ttfvt_s(self) -> float | None:
        """Time to first visible (non-reasoning) token."""
        return _seconds(self.sent, self.first_visible)

    @property
    def e2e_s(self) -> float | None:
        """Last content chunk - sent; usage and [DONE] end no latency."""
        return _seconds(self.sent, self.last)

    @property
    def end_s(self) -> float | None:
        """Message complete - sent."""
        return _seconds(self.sent, self.end)

    @property
    def headers_s(self) -> float | None:
        """Response headers - sent."""
        return _seconds(self.sent, self.headers)

    @property
    def written_s(self) -> float | None:
        """Last byte of the request accepted by the kernel - sent."""
        return _seconds(self.sent, self.written)

    @property
    def lag_max_s(self) -> float | None:
        """The longest that a segment waited in the kernel before we read it."""
        return max(self.lags) / 1e9 if self.lags else None

    def tpot_s(self, tokens: int | None, first_tokens: int = 1) -> float | None:
        """Time per output token: (last - first) / (tokens - first_tokens); absent when the stream came in one piece."""
        if tokens is None or tokens <= first_tokens or self.content_reads < 2:
            return None
        span = self.chunks[-1] - self.chunks[0]
        return None if span < SHORTEST_DECODE_NS else span / (tokens - first_tokens) / 1e9

    def gaps_s(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Gaps between consecutive chunks in seconds, and the uncertainties of those left out as interval-censored."""
        gaps: npt.NDArray[np.float64] = np.diff(np.frombuffer(self.chunks, dtype=np.int64)).astype(np.float64) / 1e9
        censored: list[float] = []
        keep: npt.NDArray[np.bool_] | None = None
        for start, count, uncertainty in self.merged:
            if uncertainty < CENSORED_FROM_NS:
                continue
            keep = np.ones(len(gaps), dtype=bool) if keep is None else keep
            # Gap i lies between chunks i and i + 1. The one before the read is as uncertain as those inside it; the
            # one after it is exact, since the read's last chunk bears the stamp.
            inside = slice(max(start - 1, 0), start + count - 1)
            keep[inside] = False
            censored.extend([uncertainty / 1e9] * (inside.stop - inside.start))
        return (gaps if keep is None else gaps[keep]), np.array(censored)


def _seconds(start: int, stop: int | None) -> float | None:
    return None if stop is None else (stop - start) / 1e9


class Sample(msgspec.Struct, kw_only=True):
    """One request as one row of `requests.parquet`; the field order is the column order."""

    request_id: str
    workload: Workload
    step: str | None
    arm: str
    block: int | None
    cell_input: str | None
    cell_output: str | None
    concurrency: int | None
    worker: int
    replica: str | None = None
    attempt: int = 1
    sent_ns: int
    phase: Phase
    outcome: Outcome
    status: int | None = None
    model: str | None = None
    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    client_output_tokens: int | None = None
    chunks: int = 0
    first_chunk_tokens: int | None = None
    due_s: float | None = None  # open loop: seconds from the start of the step's schedule
    schedule_lag_s: float | None = None
    backoff_s: float | None = None
    dns_s: float | None = None
    connect_s: float | None = None
    tls_s: float | None = None
    written_s: float | None = None
    headers_s: float | None = None
    ttft_s: float | None = None
    ttft_uncertainty_s: float | None = None
    ttfvt_s: float | None = None
    tpot_s: float | None = None
    e2e_s: float | None = None
    end_s: float | None = None
    gap_max_s: float | None = None
    lag_max_s: float | None = None
    coalesced: int = 0
    prompt_id: str | None = None
    requested_tokens: int | None = None
    finish_reason: str | None = None
    error: str | None = None
    # What of this request fell into its step's window: seconds of its life, tokens by their time of arrival.
    window_s: float | None = None
    window_input_tokens: float | None = None
    window_output_tokens: float | None = None
    output_chars: int | None = None  # of the reply's text, reasoning and tool calls: tokens of two vocabularies differ
    conversation: int | None = None  # which of its user's in the step, from 0
    conversation_turn: int | None = None  # from 0
    uncached: int | None = None  # 1: nothing of this conversation can be in a prefix cache
    think_s: float | None = None  # before it was sent
    turn: int | None = None  # which of its user's requests in the step: with the block and the user it names the text
    stages: str | None = None  # as the service tells: {"name": seconds, ...} as JSON
    stages_unread: int | None = None  # values of stages that came and were no duration, or were too many
    model_calls: int | None = None  # that the service made for this request, as it tells, with their tokens
    model_input_tokens: int | None = None
    model_output_tokens: int | None = None
    unmapped: str | None = (
        None  # keys of the arm's mapping whose paths matched nothing in the reply, with commas between
    )
