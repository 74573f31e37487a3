"""The conductor leads a plan through its life (DESIGN 4): warm-up, fill, settle, window, tail, drain; step by step.

Phases change by messages: the conductor orders one, the workers answer when their part is done. It never polls a tick.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from exporters.fleet import Answer, Lane
from exporters.record import StepRecord, WorkerPart
from exporters.sample import Step
from exporters.validity import why_invalid
from scenarios.isolate import looks_inside
from scenarios.scenario import Scenario
from shapes._closed import GRACE_S, ClosedLoop
from shapes._crew import Change, Crew
from shapes._limits import Stopped
from shapes._manifest import utc
from shapes._open import OpenLoop
from shapes._plan import Pass, Rung
from shapes._progress import RunProgress
from shapes._steering import Steering
from shapes._switch import Switch

REST_SAMPLES = 3  # of which two are there for certain, whenever the first is taken
KEPT_FACTS = ("cpu", "steal", "stall_s", "achieved")
PREPARE_TIMEOUT_S, COLLECT_TIMEOUT_S = 300.0, 300.0


class RunLog(Protocol):
    """Who is told how far the run is, keeps what it brought, and may end it."""

    progress: RunProgress
    steering: Steering

    def keep(self, records: Sequence[StepRecord]) -> None:
        """Keep the records of steps that shared their window, together."""

    def look(self) -> None:
        """Raise Stopped when a limit is reached."""

    def window_opens(self, step: Step) -> None:
        """A window opens; what is to disturb a soak begins with its first."""

    def restarts(self, places: Iterable[str], opened_ns: int, closed_ns: int) -> list[str]:
        """What is wrong with a window in which an engine at one of these places has restarted."""


class Conductor:
    """Leads one run of a plan with a crew."""

    def __init__(
        self,
        scenario: Scenario,
        crew: Crew,
        switch: Switch,
        log: RunLog,
    ) -> None:
        self.scenario, self.crew, self.progress = scenario, crew, log.progress
        self._switch, self._log, self._steering = switch, log, log.steering
        self._loop: ClosedLoop | OpenLoop  # of this pass
        self._loops = {
            loop.open_loop: loop(scenario, crew, self._wait, log.steering) for loop in (ClosedLoop, OpenLoop)
        }
        self._e2e_s = 0.0  # last known, of this pass

    def run(self, passes: Iterable[Pass]) -> None:
        """Lead one pass after the other; what comes next may depend on what was kept of the last."""
        for pass_ in passes:
            self._pass(pass_)

    def _pass(self, pass_: Pass) -> None:
        self._e2e_s = 0.0
        self._loop = self._loops[pass_.steps[0].rate is not None]
        self.progress.phase(pass_.steps[0], "switch")
        self._switch.to(pass_.arms, pass_.swapped)
        self._warm_up(pass_)
        for rung in self._steering.rungs(pass_):
            for attempt in _attempts(rung, self.scenario.window.retries):
                records = self._rung(attempt)
                self._log.keep(records)
                for record in records:
                    self.progress.done(record)
                if all(record.valid for record in records) or self._steering.cut():
                    break
        self.drain()
        self._rest()

    def drain(self) -> None:
        """Let every request in flight end, then have no users."""
        self.progress.phase(None, "drain")
        self.crew.command("drain")
        self._wait(self.crew.answered, self._deadline_s())
        self.crew.users(0)
        if self.scenario.record == "chunks":
            self.crew.command("collect")
            self._wait(self.crew.answered, COLLECT_TIMEOUT_S)

    def _rest(self) -> None:
        """Leave the engines of a service alone until samples have seen them at rest: cool-down and clean-up."""
        if looks_inside(self.scenario) and any(arm.metrics for arm in self.scenario.arms.values()):
            self._wait(lambda: False, REST_SAMPLES / self.scenario.sampling.hz)

    def _warm_up(self, pass_: Pass) -> None:
        """One unmeasured request of each user; its E2E is the first stagger's spread, and how long to settle."""
        top = self._loop.warm_up_users(pass_)
        self.progress.phase(pass_.steps[0], "warm-up")
        fields: dict[str, Any] = {
            "lanes": tuple(Lane(arm=arm) for arm in pass_.arms),
            "swapped": pass_.swapped,
            "workload": pass_.workload,
            "block": pass_.block,
            "cell": pass_.cell,
            "open_loop": self._loop.open_loop,
        }
        # The order goes first: users are born into it.
        self.crew.command("idle", **fields, users=top)
        self.crew.users(top * len(pass_.arms))
        self.crew.command("warmup", firsts=self.crew.firsts())
        self._wait(self.crew.answered, self._deadline_s())
        self._e2e_s = _mean_fact(self.crew.answers().values(), "e2e_s")
        if self._loop.begins_alone(pass_):
            self.drain()

    def _rung(self, rung: Rung) -> list[StepRecord]:
        """The life of the steps that share one window (DESIGN 4)."""
        self._gather()
        self.crew.inbox.begin_rung([step.id for step in rung])
        started, took, changes, loop = utc(), _Stopwatch(), self.crew.watch(), self._loop
        self._phase(rung[0], "fill")
        faults = loop.fill(rung, self._e2e_s)
        took.lap("fill")
        self._phase(rung[0], "settle")
        faults += loop.settle(rung[0], self._e2e_s)
        took.lap("settle")
        opened = time.time_ns()
        self._phase(rung[0], "window")
        self._log.window_opens(rung[0])
        marks = loop.window(rung[0])
        closed = time.time_ns()
        took.lap("window")
        faults += loop.held(rung)
        answers = self._tail(rung, faults)
        faults += loop.judged(answers)
        faults += self._log.restarts({step.arm for step in rung}, opened, closed)
        took.lap("tail")
        faults += [_changed(change) for change in self.crew.changes[changes : self.crew.watch()]]
        life = _Life(started, opened, closed, took.laps, answers, tuple(faults), marks)
        return self._records(rung, life)

    def _gather(self) -> None:
        """Have every expected worker there before a rung begins; Stopped when one stays away beyond worker_grace."""
        if self.crew.complete():
            return
        self.drain()
        self.progress.phase(None, "waiting for workers")
        grace, needed = self.scenario.limits.worker_grace, self.crew.expected
        if not self._wait(lambda: len(self.crew.present()) >= needed, grace):
            there = len(self.crew.present())
            raise Stopped(f"{there} of {needed} workers were there for longer than [limits] worker_grace = {grace:g} s")
        if not self._wait(self.crew.complete, PREPARE_TIMEOUT_S):
            raise Stopped("a worker that came late could not build its prompts in time: look at its log")
        self.crew.forget_missing()

    def _tail(self, rung: Rung, faults: list[str]) -> list[Answer]:
        self._phase(rung[0], "tail")
        self._loop.tail(rung)
        if not self._wait(self.crew.answered, self._deadline_s()):
            faults.append("not every worker reported the end of its requests: look at the workers' logs")
        answers = list(self.crew.answers().values())
        faults.extend(fault for answer in answers for fault in answer.faults)
        return answers

    def _phase(self, step: Step, name: str) -> None:
        self.progress.phase(step, name)
        self._steering.phase(name, step.id)

    def _records(self, rung: Rung, life: _Life) -> list[StepRecord]:
        means = [mean for step in rung if (mean := self.crew.inbox.tally.step(step.id).e2e.mean) is not None]
        self._e2e_s = max(means, default=self._e2e_s)
        return [self._record(step, life) for step in rung]

    def _record(self, step: Step, life: _Life) -> StepRecord:
        tally = self.crew.inbox.tally.step(step.id)
        # A worker that joined since the window opened has none to tell of; the step is invalid, and says why.
        windows = [answer.facts["window_s"] for answer in life.answers if "window_s" in answer.facts]
        window_s = sum(windows) / len(windows) if windows else None
        parts = {answer.worker: self._part(step, answer) for answer in life.answers}
        lost = [_lost_rows(worker, part) for worker, part in parts.items() if not part.whole]
        why = why_invalid(step, tally, window_s, (*life.faults, *lost))
        if step.rate is not None:  # as many senders as were needed
            step = msgspec.structs.replace(step, concurrency=sum(part.users for part in parts.values()))
        return StepRecord(
            step=step,
            started=life.started,
            ended=utc(),
            phases=life.phases,
            window_s=window_s,
            open_ns=life.opened,
            close_ns=life.closed,
            valid=not why,
            why_invalid=tuple(why),
            marks=(*life.marks, *self._steering.marks(), *(("swapped",) if self.crew.order.swapped else ())),
            tally=tally.to_wire(),
            client={name: _mean_fact(life.answers, name) for name in ("cpu", "steal")},
            workers=parts,
        )

    def _part(self, step: Step, answer: Answer) -> WorkerPart:
        facts = {name: answer.facts[name] for name in KEPT_FACTS if name in answer.facts}
        if "achieved" in facts:  # by this worker, of all arms that share the schedule
            facts["achieved"] /= len(self.crew.order.lanes)
        part, account = self.crew.inbox.part(step.id, answer.worker), self.crew.inbox.account(answer.worker)
        return WorkerPart(
            index=answer.index,
            users=int(answer.facts.get("users", 0)),
            sent=answer.begun.get(step.id, 0),
            ok=part.ok,
            failed=part.failed,
            aborted=part.aborted,
            rows_sent=account.rows_sent,
            rows_received=account.rows_received,
            facts=facts,
        )

    # -- waiting

    def _wait(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Wait, look at the limits while waiting."""

        def looked() -> bool:
            self._log.look()
            return done()

        return self.crew.wait(looked, timeout_s)

    def _deadline_s(self) -> float:
        return self.scenario.request.timeout + GRACE_S


class _Life(msgspec.Struct, frozen=True):
    """What the conductor saw of one step."""

    started: str
    opened: int
    closed: int
    phases: dict[str, float]
    answers: list[Answer]
    faults: tuple[str, ...]
    marks: tuple[str, ...]


class _Stopwatch:
    """Seconds since the last lap, by name."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name], self._since = now - self._since, now


def _attempts(rung: Rung, retries: int) -> Iterator[Rung]:
    yield rung
    for number in range(2, retries + 2):
        yield tuple(msgspec.structs.replace(step, id=f"{step.id}-try{number}", try_=number) for step in rung)


def _changed(change: Change) -> str:
    if change.what == "joined":
        return f"worker {change.worker} joined in this step, which is repeated"
    return (
        f"worker {change.worker} was lost in this step, which is repeated: what it did after its last report "
        "is in no row; look at its log"
    )


def _lost_rows(worker: str, part: WorkerPart) -> str:
    booked = part.ok + part.failed + part.aborted
    return (
        f"of worker {worker} {part.rows_received} of {part.rows_sent} rows have come, and {booked} of {part.sent} "
        "requests of the window: look at the network between it and the master"
    )


def _mean_fact(answers: Any, name: str) -> float:
    """A fact's mean over the workers that have users, weighted by them; 0 when none knows it."""
    known = [(answer.facts[name], answer.facts.get("users", 0)) for answer in answers if name in answer.facts]
    users = sum(count for _, count in known)
    return sum(value * count for value, count in known) / users if users else 0.0
