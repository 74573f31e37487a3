"""One run from its first order to its report: the run directory, the checks, the limits, the end, whatever ends it."""

from __future__ import annotations

import logging
import secrets
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from exporters.fleet import Delta
from exporters.record import RecordError, Run, RunWriter, StepRecord, pack
from exporters.sample import Step
from scenarios.load import scenario_to_wire
from scenarios.places import at_once
from scenarios.scenario import Scenario
from shapes._checked import Checked, Services, Unusable
from shapes._conductor import Conductor
from shapes._copying import Copying
from shapes._crew import Crew
from shapes._disturbing import Disturbing
from shapes._limits import Spend, Stopped
from shapes._manifest import manifest, utc
from shapes._plan import Pass, Plan
from shapes._progress import RunProgress
from shapes._pushing import MasterPushing
from shapes._sampling import Sampling
from shapes._search import searching
from shapes._steering import Action, Levels, Steering
from shapes._switch import Switch

MUSTER_TIMEOUT_S, PREPARE_TIMEOUT_S = 60.0, 300.0
MOST_TOLD = 100  # events of the sampler that run.json keeps

log = logging.getLogger(__name__)


class Destination(NamedTuple):
    """Where a run goes: its directory, and where that is copied to (a URI; empty: nowhere)."""

    directory: Path
    copy_to: str = ""


class LoadRun:
    """The master's side of a run: prepares the crew, leads the plan, writes what comes back, ends it once."""

    def __init__(
        self, crew: Crew, scenario: Scenario, plan: Plan, destination: Destination, progress: RunProgress
    ) -> None:
        self.crew, self.scenario, self.plan = crew, scenario, plan
        self.directory = directory = destination.directory
        self.copying = Copying(*destination)
        self.progress = progress
        self.run_id = directory.name
        self._writer: RunWriter | None = None
        self._records: list[StepRecord] = []
        options, woken = crew.environment.parsed_options, crew.wake
        self.steering = Levels(scenario, woken, options) if plan.by_hand else Steering(scenario, woken)
        self.steering.on_action = self._acted
        self._spend = Spend(scenario)
        self._sampling = Sampling(scenario, directory)
        self._pushing = MasterPushing(crew.environment.parsed_options, crew.metrics, directory)
        self._disturbing = Disturbing(scenario, directory)
        self._ends = time.monotonic() + scenario.limits.max_duration
        self._ended = self._closed = False
        self._unwritable: str | None = None
        self.unfinished: str | None = None  # why the end could not be written; what was measured is readable
        self._clocks: dict[str, dict[str, float]] = {}

    def lead(self, services: Services, resumed: bool = False) -> None:
        """Run to the end; `Stopped` ends it early with everything that was measured."""
        self._pushing.check()
        self._muster()
        self.copying.check()
        switch = Switch(self.scenario, services.is_ready, self.look)
        try:
            checked = services.check(self.scenario, switch.to)
        except (ValueError, Stopped) as error:  # a tasks file or a prompt size that cannot be used, an arm that is down
            raise Unusable(str(error)) from None
        self.progress.found(checked.findings)
        fatal = [finding for finding in checked.findings if finding.status == "fail"]
        if fatal:
            raise Unusable(f"{fatal[0].arm}: {fatal[0].text}")
        self._open(checked, resumed)
        self._sampling.start()
        self._pushing.start()
        self._disturbing.start()
        self.copying.start()
        try:
            switch.to(at_once(self.scenario)[0])  # the baseline's /tokenize sizes the prompts
            self._prepare(services)
            Conductor(self.scenario, self.crew, switch, self).run(self._passes())
        except (Stopped, RecordError) as stop:
            log.warning("%s", stop)
            self.end(str(stop))
        else:
            self.end(None)

    def end(self, stopped: str | None) -> None:
        """End the run, however it came: abort what is in flight, write what there is. The first caller decides."""
        if self._ended or self._writer is None:
            return
        self._ended = True
        if stopped is not None:
            self.crew.command("abort")
            self.crew.wait(self.crew.answered, 5.0)
        self._closed = True
        self._sampling.stop()
        self._pushing.stop()
        self._disturbing.stop()
        told = self._sampling.told[:MOST_TOLD]
        counted = {"rows": self.crew.inbox.rows, "fleet": self._fleet()}
        ended = {"ended": utc(), "stopped": stopped, **counted, "sampler": told, "copies": self.copying.account()}
        ended |= (
            self._by_hand() | self._disturbed() | ({"pushes": self._pushing.account} if self._pushing.account else {})
        )
        for write in (lambda writer: writer.update(ended), RunWriter.finish):
            try:
                write(self._writer)
            except RecordError as error:
                self.unfinished = str(error)
        self.progress.close()

    @property
    def spent(self) -> float | None:
        """API money spent so far; None without a price."""
        return self._spend.money if self._spend.priced else None

    def readings(self) -> tuple[dict[str, Any], ...]:
        """The last readings of engines and GPUs."""
        return self._sampling.readings()

    @property
    def opened(self) -> bool:
        """Whether there is a run directory to report on."""
        return self._writer is not None

    def _fleet(self) -> dict[str, Any]:
        """Who was there, who came and went, whose rows are all here, and how far the workers' clocks were apart."""
        names = ("rows_sent", "rows_received", "lost_rows", "lost_reports")
        workers = {
            worker: {**{name: getattr(account, name) for name in names}, "clock": self._clocks.get(worker)}
            for worker, account in self.crew.inbox.accounts.items()
        }
        changes = [msgspec.to_builtins(change) for change in self.crew.changes]
        return {"expected": self.crew.expected, "workers": workers, "changes": changes}

    # -- parts

    def _passes(self) -> Iterable[Pass]:
        """The plan's, or those of a search, which looks at what was kept before each."""
        return self.plan.passes if self.scenario.search is None else searching(self.scenario, self._records)

    def _muster(self) -> None:
        if not self.crew.muster(MUSTER_TIMEOUT_S):
            refused = len(self.crew.inbox.strangers)
            others = f"; {refused} of another version were refused" if refused else ""
            came = f"{len(self.crew.present())} of the {self.crew.expected} expected workers came"
            raise Unusable(f"only {came} within {MUSTER_TIMEOUT_S:.0f} s{others}")

    def _open(self, checked: Checked, resumed: bool) -> None:
        if resumed:
            old = Run.open(self.directory)
            self._records = old.steps
            self.steering.actions[:0] = msgspec.convert(old.manifest.get("actions", []), list[Action])
            self._writer = RunWriter.reopen(self.directory)
        else:
            self._writer = RunWriter.create(
                self.directory, manifest(self.run_id, self.scenario, self.plan, checked, len(self.crew.workers()))
            )
        self._keep_rows(pack(checked.samples))

    def _prepare(self, services: Services) -> None:
        try:
            texts = services.texts(self.scenario)
        except (ValueError, LookupError, OSError) as error:
            raise Stopped(f"the prompts could not be made: {error}") from None
        # A directory's name may be used again, and a resumed run repeats a step: their nonces differ all the same.
        key = secrets.token_hex(8)
        run = {"id": self.run_id, "key": key, "scenario": scenario_to_wire(self.scenario), "texts": texts}
        self.crew.inbox.on_chunks = self._on_chunks
        self.crew.begin(run, self._on_delta)
        if not self.crew.wait(self.crew.answered, PREPARE_TIMEOUT_S):
            raise Stopped("a worker could not build its prompts in time: look at locust.log")
        faults = [fault for answer in self.crew.answers().values() for fault in answer.faults]
        if faults:
            raise Stopped(faults[0])
        self._clocks = self.crew.clocks()

    def keep(self, records: Sequence[StepRecord]) -> None:
        """Keep the records of steps that shared their window."""
        assert self._writer is not None, "steps come after the run was opened"
        self._records += records
        self._writer.steps(records)
        if records[0].step.stretch is not None and records[0].step.stretch.then is None:
            self._disturbing.end()
        if self._disturbing.told:
            self._writer.update(self._disturbed())
        self.copying.step(self._writer.row_sizes)

    def window_opens(self, step: Step) -> None:
        """A window opens; what is to disturb a soak begins with its first."""
        if step.stretch is not None and step.stretch.begin == 0:
            self._disturbing.begin(step)

    def _acted(self) -> None:
        if self._writer is None or self._closed:
            return
        try:
            self._writer.update(self._by_hand())
        except RecordError as error:
            self._unwritable = str(error)

    def _by_hand(self) -> dict[str, Any]:
        """What a person did."""
        actions = self.steering.actions
        return {"actions": [msgspec.to_builtins(action) for action in actions]} if actions else {}

    def _disturbed(self) -> dict[str, Any]:
        return {"disturbances": self._disturbing.told} if self._disturbing.told else {}

    def restarts(self, places: Iterable[str], opened_ns: int, closed_ns: int) -> list[str]:
        """What is wrong with a window in which an engine at one of these places has restarted unasked."""
        if self.scenario.disturbance:
            return []
        return self._sampling.restarts(places, opened_ns, closed_ns)

    def _on_delta(self, delta: Delta) -> None:
        if self._closed:  # of a worker that was away: the run is on disk without them, and says what it counted
            return
        self._keep_rows(delta.packed, delta.responses)
        for arm, spent in delta.spent.items():
            self._spend.add(arm, spent)

    def _keep_rows(self, packed: bytes, responses: Sequence[dict[str, Any]] = ()) -> None:
        """Append rows and texts; a refusal stops the run when the conductor next looks (this is a message handler)."""
        assert self._writer is not None, "rows come after the run was opened"
        try:
            self._writer.rows(packed)
            for response in responses:
                self._writer.response(response)
        except RecordError as error:
            self._unwritable = str(error)

    def _on_chunks(self, worker: str, piece: bytes) -> None:
        assert self._writer is not None, "stamps come after the run was opened"
        try:
            self._writer.chunks.append(worker, piece)
        except RecordError as error:
            self._unwritable = str(error)

    def look(self) -> None:
        """Raise Stopped when a limit is reached, or the disk takes no more."""
        limits, order = self.scenario.limits, self.crew.order
        users = order.users or self.crew.runner.user_count  # open loop: as many as are needed
        if self._unwritable is not None:
            raise Stopped(self._unwritable)
        if time.monotonic() > self._ends:
            raise Stopped(f"stopped by [limits] max_duration = {limits.max_duration:g} s; --resume does the rest")
        share = self.crew.inbox.error_share()
        if share > limits.max_errors:
            raise Stopped(
                f"stopped by [limits] max_errors: {share:.0%} of the last minute's requests failed, "
                f"{limits.max_errors:.0%} are allowed; `tokenswarm check` says why"
            )
        if (
            limits.max_cost is not None
            and self._spend.at_most([lane.arm for lane in order.lanes], users) > limits.max_cost
        ):
            raise Stopped(f"stopped by [limits] max_cost = {limits.max_cost:g}: {self._spend.money:.2f} spent")


def remaining(plan: Plan, run: Run) -> Plan:
    """The steps of a plan that a run has not done yet: valid, or invalid after all their tries."""
    done = {record.step.id.split("-try")[0] for record in run.steps}
    passes = []
    for pass_ in plan.passes:
        rungs = tuple(rung for rung in pass_.rungs if not {step.id for step in rung} <= done)
        if rungs:
            passes.append(msgspec.structs.replace(pass_, rungs=rungs))
    return Plan(passes=tuple[Pass, ...](passes), at_most=plan.at_most)


def write_report(directory: Path) -> int:
    """Summarize and render in a process of its own (the hub must stay free); its exit code is the verdict's."""
    command = [sys.executable, "-m", "tokenswarm", "report", str(directory)]
    return subprocess.run(command, check=False, start_new_session=True).returncode
