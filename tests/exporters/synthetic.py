"""Complete run directories without a service: rows, steps, tallies and texts of a closed loop in virtual time.

Use (from any test; the project's root is on the path of `python -m pytest`):

    from tests.exporters.synthetic import synthetic_run
    run = Run.open(synthetic_run(tmp_path / "run", effect=0.10))   # the candidate is 10 % slower, in every cell

What is true of every such run: TTFT = (20 ms + 25 us x input tokens) x (1 + 4 % per further user), TPOT = 4 ms x
(1 + 3 % per further user), both x (1 + effect) in the arm "candidate"; per (block, arm, cell, rung) one lognormal
factor of sd `noise` on TPOT and 4 x `noise` on TTFT; per request another of sd 5 %. Users never wait between requests,
so mean in flight is the rung. `failures` is the share of requests that get HTTP 500 after 5 ms; their users back off
for half a second. One arm is called "service". Nothing is random but by `seed`: the same arguments, the same rows.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from exporters.record import RunWriter, StepRecord, WorkerPart, pack
from exporters.sample import Sample, Step, Timeline
from exporters.tally import StepTally
from exporters.validity import why_invalid
from scenarios.load import scenario_of, scenario_to_wire
from scenarios.scenario import Scenario
from shapes._plan import make_plan

EPOCH_NS = 1_795_414_500_000_000_000  # 2026-11-23T06:15:00Z
SECOND = 1_000_000_000
CELLS = ("short/short", "medium/medium", "long/short")  # the ladder runs in the middle one, the others at `at`
INPUT, OUTPUT = {"short": 128, "medium": 512, "long": 2048}, {"short": 16, "medium": 64, "long": 256}
TURNS, MIN_REQUESTS = 3, 20


def synthetic_run(
    directory: Path,
    arms: int = 2,
    blocks: int = 6,
    rungs: Sequence[int] = (1, 2, 4),
    cells: Sequence[str] = CELLS,
    effect: float = 0.0,
    noise: float = 0.02,
    failures: float = 0.0,
    tasks: bool = True,
    seed: int = 1,
    finished: bool = True,
    more: dict[str, Any] | None = None,
) -> Path:
    """Write a whole run into `directory` (made if need be) and return it.

    `cells` are of short, medium, long (128, 512, 2048 tokens in; 16, 64, 256 out); the ladder's is the second one, or
    the only one. `more` holds further scenario tables ({"slo": {"ttft": "200ms"}}). `finished=False` leaves what a kill
    leaves: no Parquet file, no end.
    """
    scenario = synthetic_scenario(arms, blocks, rungs, cells, tasks, seed, more or {})
    plan = make_plan(scenario)
    manifest = {
        "format": 1,
        "id": directory.name,
        "scenario": scenario_to_wire(scenario),
        "scenario_file": "synthetic.toml",
        "plan": {"passes": len(plan.passes), "steps": len(plan.steps)},
        "seed": seed,
        "versions": {"python": "3.11", "tokenswarm": "0.1.0", "locust": "2.47.0"},
        "host": {"name": "synthetic", "system": "virtual time", "cpus": 2},
        "clock": "kernel",
        "server": {arm: {"url": each.url, "model": "synthetic", "server": ""} for arm, each in scenario.arms.items()},
        "gpu": {},
        "check": [{"name": "reachable", "arm": arm, "status": "ok", "text": "answers"} for arm in scenario.arms],
        "calibration": None,
        "started": utc(EPOCH_NS),
        "ended": None,
        "workers": 1,
        "stopped": None,
        "simulated": True,
    }
    writer = RunWriter.create(directory, manifest)
    service = Service(effect, noise, failures, seed)
    now = EPOCH_NS
    for step in plan.steps:
        writer.rows(pack([service.warm_up(step, now)]))
        life = service.live(step, now + SECOND)
        writer.rows(pack([sample for sample, _ in life.requests]))
        writer.steps([life.record()])
        if step.cell is None:
            for sample, _ in life.requests:
                writer.response(response_of(sample))
        now = life.over + SECOND
    if finished:
        writer.update({"ended": utc(now)})
        writer.finish()
    return directory


def synthetic_scenario(
    arms: int, blocks: int, rungs: Sequence[int], cells: Sequence[str], tasks: bool, seed: int, more: dict[str, Any]
) -> Scenario:
    """The scenario of a synthetic run, complete as if it had been loaded from a file."""
    names = ("service",) if arms == 1 else ("baseline", "candidate", *(f"arm{i}" for i in range(3, arms + 1)))
    asked: dict[str, Any] = {
        "name": "synthetic",
        "seed": seed,
        "arms": {name: {"url": f"http://{name}:8000", "model": "synthetic"} for name in names},
        "ladder": {"concurrency": list(rungs)},
        "matrix": {"input": INPUT, "output": OUTPUT, "cells": list(cells)},
        "plan": {"cell": cells[1] if len(cells) > 1 else cells[0], "blocks": blocks},
        "window": {"duration": 1, "turns": TURNS, "min_requests": MIN_REQUESTS},
        **({"tasks": {"requests": 20 * blocks, "concurrency": max(rungs)}} if tasks else {}),
        **more,
    }
    return scenario_of(asked, Path("synthetic.toml"), (), {})


def response_of(sample: Sample) -> dict[str, Any]:
    """A kept text, as workers send them."""
    return {
        "request_id": sample.request_id, "workload": sample.workload, "step": sample.step, "arm": sample.arm,
        "prompt_id": sample.prompt_id, "outcome": sample.outcome, "finish_reason": sample.finish_reason,
        "reasoning": "", "text": f"The answer to {sample.prompt_id} is forty-two.",
    }  # fmt: skip


def utc(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / SECOND, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Life:
    """One simulated step: its requests (with their timelines) and its phases; times are wall clock ns."""

    step: Step
    begun: int
    opened: int
    closed: int
    over: int = 0
    requests: list[tuple[Sample, Timeline]] = field(default_factory=list)

    @property
    def window_s(self) -> float:
        return (self.closed - self.opened) / SECOND

    def phase(self, sent: int) -> str:
        return "settle" if sent < self.opened else "window" if sent < self.closed else "tail"

    def tally(self) -> StepTally:
        tally = StepTally()
        for sample, timeline in self.requests:
            gaps, censored = timeline.gaps_s()
            tally.add(sample, gaps, censored, timeline)
        return tally

    def record(self) -> StepRecord:
        tally = self.tally()
        why = why_invalid(self.step, tally, self.window_s, ())
        marks = [self.begun, self.begun + SECOND // 10, self.opened, self.closed, self.over]
        names = ("fill", "settle", "window", "tail")
        return StepRecord(
            step=self.step,
            started=utc(self.begun),
            ended=utc(self.over),
            phases={name: (marks[i + 1] - marks[i]) / SECOND for i, name in enumerate(names)},
            window_s=self.window_s,
            open_ns=self.opened,
            close_ns=self.closed,
            valid=not why,
            why_invalid=tuple(why),
            marks=(),
            tally=tally.to_wire(),
            client={"cpu": 0.2, "steal": 0.0},
            workers={"local": self.part(tally)},
        )

    def part(self, tally: StepTally) -> WorkerPart:
        ok, aborted = tally.by_outcome.get("ok", 0), tally.by_outcome.get("aborted", 0)
        return WorkerPart(
            index=0, users=self.step.concurrency, sent=tally.sent, ok=ok, failed=tally.sent - ok - aborted,
            aborted=aborted, rows_sent=len(self.requests), rows_received=len(self.requests), facts={"cpu": 0.2},
        )  # fmt: skip


class Service:
    """A service with known answers, and the users that ask it."""

    def __init__(self, effect: float, noise: float, failures: float, seed: int) -> None:
        self.effect, self.noise, self.failures, self.seed = effect, noise, failures, seed
        self.sent = 0

    def live(self, step: Step, begun: int) -> Life:
        """Lead a step through settle, window and tail."""
        draws = np.random.default_rng((self.seed, zlib.crc32(step.id.encode())))
        factors = np.exp(draws.normal(0.0, (4 * self.noise, self.noise)))
        settle = int(self.ttft_s(step, 1.0) * SECOND + self.tpot_s(step, 1.0) * (self.tokens(step, None)) * SECOND)
        starts = begun + (draws.random(step.concurrency) * settle).astype(int)
        opened = begun + 2 * settle + SECOND // 5
        life = Life(step, begun, opened, opened + self.window_ns(step, settle))
        users = [list(self.user(step, life, int(start), factors, draws)) for start in starts]
        life.requests = sorted((one for user in users for one in user), key=lambda one: one[0].sent_ns)
        held = [timeline.end or 0 for sample, timeline in life.requests if sample.phase == "window"]
        life.over = max([life.closed, *held])
        life.requests = [one for one in life.requests if one[0].sent_ns <= life.over]
        return life

    def window_ns(self, step: Step, turn: int) -> int:
        least = max(TURNS * step.concurrency, MIN_REQUESTS, step.requests or 0)
        return max(SECOND, turn * (least // step.concurrency + 2))

    def user(
        self, step: Step, life: Life, sent: int, factors: np.ndarray, draws: np.random.Generator
    ) -> Iterator[tuple[Sample, Timeline]]:
        """One request after the other, until well after the window."""
        beyond = life.closed + (life.opened - life.begun)
        failed = False
        while sent < beyond:
            backoff_s = 0.5 if failed else None
            timeline, failed = self.answer(step, sent, factors, draws)
            sample = self.sample(step, life, timeline, failed)
            sample.backoff_s = backoff_s
            yield sample, timeline
            sent = timeline.end + (SECOND // 2 if failed else 0)

    def answer(self, step: Step, sent: int, factors: np.ndarray, draws: np.random.Generator) -> tuple[Timeline, bool]:
        """The stamps of one request sent at `sent`, and whether it failed."""
        timeline = Timeline(sent=sent, sent_wall_ns=sent, written=sent + 20_000)
        if draws.random() < self.failures:
            timeline.headers = timeline.end = sent + 5_000_000
            timeline.kernel_reads = 1
            return timeline, True
        ttft, tpot = self.ttft_s(step, factors[0]), self.tpot_s(step, factors[1])
        ttft, tpot = np.array((ttft, tpot)) * np.exp(draws.normal(0.0, 0.05, 2))
        gaps = tpot * np.exp(draws.normal(0.0, 0.2, self.tokens(step, draws) - 1))
        gaps *= tpot * len(gaps) / gaps.sum() if len(gaps) else 1.0
        stamps = sent + (np.cumsum([ttft, *gaps]) * SECOND).astype(np.int64)
        timeline.chunks = array("q", stamps.tobytes())
        timeline.headers, timeline.first_visible = int(stamps[0]) - 1_000_000, int(stamps[0])
        timeline.end = int(stamps[-1])  # nothing between requests: in flight is the rung
        timeline.kernel_reads = len(stamps)
        timeline.lags = array("q", draws.integers(20_000, 80_000, len(stamps)).tobytes())
        return timeline, False

    def sample(self, step: Step, life: Life, timeline: Timeline, failed: bool) -> Sample:
        """The row of one request."""
        self.sent += 1
        gaps, censored = timeline.gaps_s()
        n = len(timeline.chunks)
        prompt = self.input_tokens(step)
        inside = sum(life.opened <= at <= life.closed for at in timeline.chunks)
        prefilled = bool(n) and life.opened <= timeline.chunks[0] <= life.closed
        alive = max(0, min(timeline.end, life.closed) - max(timeline.sent, life.opened)) / SECOND
        return Sample(
            request_id=f"0-{self.sent}", workload=step.workload, step=step.id, arm=step.arm, block=step.block,
            cell_input=step.cell and step.cell.input, cell_output=step.cell and step.cell.output,
            concurrency=step.concurrency, worker=0, sent_ns=timeline.sent_wall_ns, phase=life.phase(timeline.sent),
            outcome="http_error" if failed else "ok", status=500 if failed else 200, model="synthetic",
            input_tokens=None if failed else prompt, cached_tokens=None if failed else 0,
            output_tokens=None if failed else n, client_output_tokens=n, chunks=n, written_s=timeline.written_s,
            headers_s=timeline.headers_s, ttft_s=timeline.ttft_s, ttft_uncertainty_s=timeline.ttft_uncertainty_s,
            ttfvt_s=timeline.ttfvt_s, tpot_s=timeline.tpot_s(n), e2e_s=timeline.e2e_s or timeline.end_s,
            end_s=timeline.end_s, gap_max_s=float(gaps.max()) if len(gaps) else None, lag_max_s=timeline.lag_max_s,
            coalesced=len(censored), prompt_id=f"p{self.sent % 50}",
            requested_tokens=step.cell.output_tokens if step.cell else 2048,
            finish_reason=None if failed else ("length" if step.cell else "stop"),
            error="http_error: 500: injected" if failed else None, window_s=alive,
            window_input_tokens=float(prompt) if prefilled else 0.0 if n else None,
            window_output_tokens=float(inside) if n else None,
        )  # fmt: skip

    def warm_up(self, step: Step, sent: int) -> Sample:
        """A row before the step, which counts nowhere."""
        timeline, _ = self.answer(step, sent, np.ones(2), np.random.default_rng(self.seed))
        sample = self.sample(step, Life(step, sent, sent, sent), timeline, not timeline.chunks)
        sample.step, sample.phase, sample.window_s = None, "warmup", None
        sample.window_input_tokens = sample.window_output_tokens = None
        return sample

    def input_tokens(self, step: Step) -> int:
        return step.cell.input_tokens if step.cell else 300

    def tokens(self, step: Step, draws: np.random.Generator | None) -> int:
        """Output tokens: forced in a cell; tasks stop by themselves, somewhere around 48."""
        if step.cell:
            return step.cell.output_tokens
        return 48 if draws is None else int(draws.integers(16, 80))

    def ttft_s(self, step: Step, factor: float) -> float:
        alone = 0.020 + 25e-6 * self.input_tokens(step)
        return alone * (1 + 0.04 * (step.concurrency - 1)) * factor * self.slower(step)

    def tpot_s(self, step: Step, factor: float) -> float:
        return 0.004 * (1 + 0.03 * (step.concurrency - 1)) * factor * self.slower(step)

    def slower(self, step: Step) -> float:
        return 1 + self.effect if step.arm == "candidate" else 1.0
