"""What a step's requests add up to, mergeable over workers and reports: counts, sums and sketches."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from exporters.sample import Sample, Timeline
from exporters.sketch import Sketch

SKETCHES = ("ttft", "tpot", "e2e", "gap", "lag", "uncertainty", "censored")
SUMS = (
    "all_sent", "sent", "good", "in_flight_s", "finished", "input_tokens", "output_tokens", "chunks", "buffered",
    "streamed", "kernel_reads", "user_reads", "clock_steps", "backoff_s", "think_s",
)  # fmt: skip
# METRICS: TTFT > 90 % of E2E at >= 8 chunks. That alone is also true of a short reply after a long queue, so the chunks
# must have come in a burst too: no model decodes a stream in less than 1 ms a step.
BUFFERED_CHUNKS, BUFFERED_SHARE, BURST_GAP_S = 8, 0.9, 0.001

Seconds = npt.NDArray[np.float64]


class StepTally:
    """One step's requests: a commutative monoid under `merge`.

    Of requests sent in the window: `sent`, `good` (ok and within every limit; whoever books knows them), `by_outcome`,
    `chunks`, `backoff_s`, `think_s`, gaps, censored gaps, lags and the TTFT's uncertainty; of the ok ones among them
    `ttft`, `tpot`, `e2e`, and `streamed` (>= 8 chunks, so that a buffer would show) with `buffered`. Of any request,
    whenever it was sent: `all_sent`, reads and clock steps, and what of it fell into the window: `in_flight_s`, tokens
    by their time of arrival, `finished` (ok requests by the share of their life; a refusal within a millisecond is no
    throughput).
    """

    def __init__(self) -> None:
        self.all_sent = self.sent = self.good = self.chunks = self.buffered = self.streamed = 0
        self.kernel_reads = self.user_reads = self.clock_steps = 0
        self.in_flight_s = self.finished = self.input_tokens = self.output_tokens = 0.0
        self.backoff_s = self.think_s = 0.0
        self.by_outcome: dict[str, int] = {}
        self.ttft, self.tpot, self.e2e, self.gap = Sketch(), Sketch(), Sketch(), Sketch()
        self.lag, self.uncertainty, self.censored = Sketch(), Sketch(), Sketch()

    def add(self, sample: Sample, gaps: Seconds, censored: Seconds, timeline: Timeline) -> None:
        """Book one request of this step."""
        self.all_sent += 1
        self.kernel_reads += timeline.kernel_reads
        self.user_reads += timeline.user_reads
        self.clock_steps += timeline.clock_steps
        self._add_share(sample)
        if sample.phase == "window":
            self._add_sent(sample, gaps, censored, timeline)

    def _add_share(self, sample: Sample) -> None:
        if sample.window_s is None:
            return
        self.in_flight_s += sample.window_s
        if sample.end_s and sample.outcome == "ok":
            self.finished += sample.window_s / sample.end_s
        self.input_tokens += sample.window_input_tokens or 0.0
        self.output_tokens += sample.window_output_tokens or 0.0

    def _add_sent(self, sample: Sample, gaps: Seconds, censored: Seconds, timeline: Timeline) -> None:
        self.sent += 1
        self.by_outcome[sample.outcome] = self.by_outcome.get(sample.outcome, 0) + 1
        self.chunks += sample.chunks
        self.backoff_s += sample.backoff_s or 0.0
        self.think_s += sample.think_s or 0.0
        self.lag.add(np.frombuffer(timeline.lags, dtype=np.int64) / 1e9)
        self.gap.add(gaps)
        self.censored.add(censored)
        if sample.ttft_uncertainty_s is not None:
            self.uncertainty.add_one(sample.ttft_uncertainty_s)
        if sample.outcome == "ok":
            self._add_latencies(sample)

    def _add_latencies(self, sample: Sample) -> None:
        for sketch, value in ((self.ttft, sample.ttft_s), (self.tpot, sample.tpot_s), (self.e2e, sample.e2e_s)):
            if value is not None:
                sketch.add_one(value)
        if sample.ttft_s is not None and sample.e2e_s is not None and sample.chunks >= BUFFERED_CHUNKS:
            self.streamed += 1
            burst = sample.e2e_s - sample.ttft_s < BURST_GAP_S * (sample.chunks - 1)
            self.buffered += burst and sample.ttft_s > BUFFERED_SHARE * sample.e2e_s

    def merge(self, other: StepTally) -> None:
        """Add another part of the same step."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self._add_outcomes(other.by_outcome)
        for name in SKETCHES:
            getattr(self, name).merge(getattr(other, name))

    def pack(self) -> dict[str, Any]:
        """For a message: sums by name, sketches as they pack themselves."""
        sums = {name: getattr(self, name) for name in SUMS}
        sketches = {name: getattr(self, name).pack() for name in SKETCHES}
        return {**sums, "by_outcome": dict(self.by_outcome), **sketches}

    def merge_packed(self, packed: dict[str, Any]) -> None:
        """Add a packed part of the same step."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + packed[name])
        self._add_outcomes(packed["by_outcome"])
        for name in SKETCHES:
            getattr(self, name).merge_packed(packed[name])

    def _add_outcomes(self, by_outcome: dict[str, int]) -> None:
        for outcome, count in by_outcome.items():
            self.by_outcome[outcome] = self.by_outcome.get(outcome, 0) + count

    def to_wire(self) -> dict[str, Any]:
        """Plain values for a file."""
        sums = {name: getattr(self, name) for name in SUMS}
        sketches = {name: getattr(self, name).to_wire() for name in SKETCHES}
        return {**sums, "by_outcome": dict(self.by_outcome), **sketches}

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> StepTally:
        """The tally that `to_wire` wrote."""
        tally = cls()
        for name in SUMS:
            setattr(tally, name, wire.get(name, 0))  # runs of before `good` was counted have none
        tally.by_outcome = dict(wire["by_outcome"])
        for name in SKETCHES:
            setattr(tally, name, Sketch.from_wire(wire[name]))
        return tally


class Tally:
    """Step id -> its tally."""

    def __init__(self) -> None:
        self._steps: dict[str, StepTally] = {}

    def step(self, step_id: str) -> StepTally:
        """A step's tally, empty at first."""
        if step_id not in self._steps:
            self._steps[step_id] = StepTally()
        return self._steps[step_id]

    def keep(self, step_ids: Collection[str]) -> None:
        """Forget all other steps."""
        self._steps = {step_id: tally for step_id, tally in self._steps.items() if step_id in step_ids}

    def take(self) -> dict[str, Any]:
        """Everything so far, packed for a message; afterwards this tally is empty."""
        steps, self._steps = self._steps, {}
        return {step_id: tally.pack() for step_id, tally in steps.items()}

    def merge_packed(self, packed: dict[str, Any]) -> None:
        """Add what another's `take` gave away."""
        for step_id, part in packed.items():
            self.step(step_id).merge_packed(part)
