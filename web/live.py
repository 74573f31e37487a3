"""Live: what the page knows of a run while it goes: what a terminal's progress is told, and one look a second.

Nothing is measured for the page: figures are those of the tallies that the report will be made of. Pure; time is an
argument.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from exporters.files import StepRecord
from exporters.fleet import Delta
from exporters.sample import Step
from exporters.sketch import Sketch
from exporters.tally import StepTally
from scenarios.scenario import Scenario

POINTS = 600  # of the charts over time: ten minutes at one a second
RATE_S = 10.0  # tokens and requests per second are of the last so many seconds
SHOWN = ("ttft", "tpot", "gap", "e2e")
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
MOST_WARNINGS = 30

Json = dict[str, Any]


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What the master sees at this moment, beside what it was told."""

    users: int = 0
    target: int | None = None  # users asked for; None in open loop, and between steps
    tallies: tuple[tuple[Step, StepTally], ...] = ()  # of the steps that are being measured
    money: float | None = None  # API money spent so far; None without a price
    left_s: float | None = None
    workers: int = 1
    expected: int = 1
    changes: tuple[str, ...] = ()  # workers that came or went, a line each
    engines: tuple[Json, ...] = ()  # the last readings of engines and GPUs
    held: bool = False
    allowed: tuple[str, ...] = ()  # what a person may do now
    actions: tuple[Json, ...] = ()  # what was done by hand so far


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it begins."""

    id: str
    scenario: Scenario
    shape: str
    steps: tuple[Step, ...]  # planned; none of a ramp by hand
    cells: tuple[str, ...] = ()
    at_most: bool = False


class Live:
    """One run after the other; the latest stays to be seen until the next begins."""

    def __init__(self) -> None:
        self.state = "idle"  # starting, running, ending, ended, failed
        self.text = ""  # why it failed, or ended early
        self.begun: Begun | None = None
        self.look = Look()
        self.report = False  # whether there is one to open
        self.ticks = 0
        self._forget()

    def _forget(self) -> None:
        self.findings: list[Json] = []
        self.steps: list[Json] = []  # those that are over
        self.outcomes: Counter[str] = Counter()
        self.step: Step | None = None
        self.phase_name = ""
        self.began_s = self.phased_s = self.now_s = 0.0
        self.lag_s: float | None = None
        self.series: dict[str, deque[float | None]] = {}
        self._recent: deque[tuple[float, Counter[str]]] = deque()
        self._money: deque[tuple[float, float]] = deque(maxlen=61)
        self._pending: Counter[str] = Counter()

    @property
    def busy(self) -> bool:
        """Whether a run goes on."""
        return self.state in ("starting", "running", "ending")

    # -- what is told

    def begin(self, begun: Begun, now_s: float) -> None:
        """A run is about to begin."""
        self._forget()
        self.begun, self.state, self.text, self.report = begun, "starting", "", False
        self.began_s = self.phased_s = self.now_s = now_s

    def failed(self, text: str) -> None:
        """A run could not begin."""
        self.state, self.text = "failed", text

    def ending(self) -> None:
        """Nothing more is measured; the report is being written."""
        self.state = "ending"

    def ended(self, stopped: str | None, report: bool) -> None:
        """It is over."""
        self.state, self.text, self.report, self.step = "ended", stopped or "", report, None

    def found(self, findings: Sequence[Any]) -> None:
        """The check's findings."""
        self.findings = [{"arm": one.arm, "status": one.status, "text": one.text} for one in findings]

    def phase(self, step: Step | None, phase: str) -> None:
        """A phase begins."""
        self.step, self.phase_name, self.phased_s = step, phase, self.now_s
        self.state = "running"

    def done(self, record: StepRecord) -> None:
        """A step is over."""
        self.steps.append(figures_of(record))

    def close(self) -> None:
        """The last phase is over."""

    def reported(self, delta: Delta) -> None:
        """A report of a worker has come."""
        for part in delta.counts:
            self.outcomes.update(part.outcomes)
            self._pending["input"] += part.input_tokens or 0
            self._pending["output"] += part.output_tokens or 0
            self._pending["ok"] += part.outcomes.get("ok", 0)
            self._pending["failed"] += sum(part.outcomes.values()) - part.outcomes.get("ok", 0)
        lags = [part.read_lag_s for part in delta.counts if part.read_lag_s is not None]
        self.lag_s = max(lags, default=None) if lags else self.lag_s

    # -- once a second

    def tick(self, now_s: float, look: Look) -> None:
        """Take a look, and a point of every chart while a run goes."""
        self.now_s, self.look, self.ticks = now_s, look, self.ticks + 1
        if self.state not in ("starting", "running"):
            return
        self._recent.append((now_s, self._pending))
        self._pending = Counter()
        while self._recent[0][0] <= now_s - RATE_S:
            self._recent.popleft()
        if look.money is not None:
            self._money.append((now_s, look.money))
        for name, value in self._point().items():
            self.series.setdefault(name, deque(maxlen=POINTS)).append(value)

    def _point(self) -> dict[str, float | None]:
        latencies = latencies_of([tally for _, tally in self.look.tallies])
        flat = {f"{name}_{q}": value for name, found in latencies.items() for q, value in found.items() if q != "p99"}
        sent = sum(tally.sent for _, tally in self.look.tallies)
        return {
            "t": round(self.now_s - self.began_s, 1),
            "users": self.look.users, "target": self.look.target, "lag": self.lag_s,
            "good": sum(tally.good for _, tally in self.look.tallies) / sent if sent else None,
            "money_per_hour": self.money_per_hour,
            **{name: self._highest(name) for name in ("busy", "kv_used_share")},
            **{f"{kind}_per_s": rate for kind, rate in self.rates().items()}, **flat,
        }  # fmt: skip

    def _highest(self, name: str) -> float | None:
        """A figure of engines or GPUs, where it is highest now; None where none has it."""
        known = (one["figures"].get(name) for one in self.look.engines)
        return max((value for value in known if value is not None), default=None)

    def rates(self) -> dict[str, float]:
        """Per second, of requests that ended in the last RATE_S seconds: tokens in and out, requests ok and failed."""
        sums = sum((one for _, one in self._recent), Counter[str]())
        span = min(max(self.now_s - self.began_s, 1.0), RATE_S)
        return {kind: sums[kind] / span for kind in ("input", "output", "ok", "failed")}

    @property
    def money_per_hour(self) -> float | None:
        """API money per hour, by the last minute; None without a price, or too early."""
        if len(self._money) < 2:
            return None
        (since, before), (now, after) = self._money[0], self._money[-1]
        return (after - before) / (now - since) * 3600 if now > since else None


def latencies_of(tallies: Sequence[StepTally]) -> dict[str, dict[str, float | None]]:
    """Quantiles in seconds by latency, over steps that share their window."""
    found = {}
    for name in SHOWN:
        sketch = getattr(tallies[0], name) if len(tallies) == 1 else Sketch()
        for tally in tallies if len(tallies) > 1 else ():
            sketch.merge(getattr(tally, name))
        found[name] = {q: sketch.quantile(share) for q, share in QUANTILES.items()}
    return found


def figures_of(record: StepRecord) -> Json:
    """A step that is over, as the ladder and the matrix show it; seconds, per second, shares."""
    tally, step = StepTally.from_wire(record.tally), record.step
    window_s = record.window_s or 0.0
    return {
        **place_of(step), "try": step.try_, "valid": record.valid, "why": list(record.why_invalid[:1]),
        "marks": list(record.marks), **latencies_of([tally]), "sent": tally.sent,
        "failed": failed_of(tally.by_outcome), "good": tally.good / tally.sent if tally.sent else None,
        "output_per_s": tally.output_tokens / window_s if window_s else None,
        "input_per_s": tally.input_tokens / window_s if window_s else None,
        "uncertainty_s": tally.uncertainty.quantile(0.99),
    }  # fmt: skip


def failed_of(outcomes: Mapping[str, int]) -> int:
    """Requests that did not end well, aborted ones left out."""
    return sum(count for outcome, count in outcomes.items() if outcome not in ("ok", "aborted"))


def place_of(step: Step) -> Json:
    """Where a step is."""
    return {
        "id": step.id, "arm": step.arm, "block": step.block, "cell": step.cell.name if step.cell else "tasks",
        "load": step.load, "unit": "users" if step.rate is None else "requests/s",
    }  # fmt: skip
