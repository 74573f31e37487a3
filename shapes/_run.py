"""One run from its first order to its report: the run directory, the checks, the limits, the end, whatever ends it."""

from __future__ import annotations

import json
import logging
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import msgspec

from exporters.fleet import Delta
from exporters.record import RecordError, Run, RunWriter, StepRecord, pack, unpack
from exporters.sample import Sample
from scenarios.load import scenario_to_wire
from scenarios.scenario import Scenario
from shapes._conductor import Conductor
from shapes._crew import Crew
from shapes._limits import Spend, Stopped
from shapes._plan import Pass, Plan
from shapes._progress import RunProgress


class Checked(Protocol):
    """What `locustfiles._check.check` returns (the shapes' room does not import the locustfiles' room)."""

    @property
    def findings(self) -> list[Any]:
        """Structs with name, arm, status and text."""

    @property
    def samples(self) -> list[Sample]:
        """Rows of the requests that were sent for them."""

    @property
    def servers(self) -> dict[str, dict[str, str]]:
        """Who each arm's server says it is."""


ROOM = Path(__file__).resolve().parent.parent
MUSTER_TIMEOUT_S, PREPARE_TIMEOUT_S = 60.0, 300.0
PACKAGES = ("tokenswarm", "locust", "gevent", "httptools", "msgspec", "tiktoken", "numpy", "pyarrow")

log = logging.getLogger(__name__)


class Unusable(Exception):  # noqa: N818 (a configuration that cannot run; the text is one clear line)
    """The run cannot begin: exit code 2."""


class LoadRun:
    """The master's side of a run: prepares the crew, leads the plan, writes what comes back, ends it once."""

    def __init__(self, crew: Crew, scenario: Scenario, plan: Plan, directory: Path, progress: RunProgress) -> None:
        self.crew, self.scenario, self.plan = crew, scenario, plan
        self.directory = directory
        self.progress = progress
        self.run_id = directory.name
        self._writer: RunWriter | None = None
        self._spend = Spend(scenario)
        self._ends = time.monotonic() + scenario.limits.max_duration
        self._ended = False
        self._unwritable: str | None = None

    def lead(self, check: Callable[[Scenario], Checked], resumed: bool = False) -> None:
        """Run to the end; `Stopped` ends it early with everything that was measured."""
        self._muster()
        try:
            checked = check(self.scenario)
        except ValueError as error:  # a tasks file or a prompt size that cannot be used
            raise Unusable(str(error)) from None
        self.progress.found(checked.findings)
        fatal = [finding for finding in checked.findings if finding.status == "fail"]
        if fatal:
            raise Unusable(f"{fatal[0].arm}: {fatal[0].text}")
        self._open(checked, resumed)
        self.crew.report_to(self._on_delta)
        try:
            self._prepare()
            conductor = Conductor(self.scenario, self.crew, self._keep, self._check_limits, self.progress)
            conductor.run(self.plan)
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
        inbox = self.crew.inbox
        rows = {"sent": sum(inbox.rows_sent.values()), "received": sum(inbox.rows_received.values())}
        try:
            self._writer.update({"ended": _utc(), "stopped": stopped, "rows": rows})
        finally:
            self._writer.finish()
            self.progress.close()

    @property
    def opened(self) -> bool:
        """Whether there is a run directory to report on."""
        return self._writer is not None

    # -- parts

    def _muster(self) -> None:
        if not self.crew.muster(MUSTER_TIMEOUT_S):
            raise Unusable(
                f"only {len(self.crew.workers())} of the expected workers came within {MUSTER_TIMEOUT_S:.0f} s"
            )

    def _open(self, checked: Checked, resumed: bool) -> None:
        if resumed:
            self._writer = RunWriter.reopen(self.directory)
        else:
            self._writer = RunWriter.create(self.directory, self._manifest(checked))
        self._writer.rows(pack(checked.samples))

    def _prepare(self) -> None:
        run = {"id": self.run_id, "scenario": scenario_to_wire(self.scenario)}
        self.crew.command("prepare", run=run)
        if not self.crew.wait(self.crew.answered, PREPARE_TIMEOUT_S):
            raise Stopped("a worker could not build its prompts in time: look at locust.log")
        faults = [fault for answer in self.crew.answers().values() for fault in answer.faults]
        if faults:
            raise Stopped(faults[0])

    def _keep(self, record: StepRecord) -> None:
        assert self._writer is not None, "steps come after the run was opened"
        self._writer.step(record)

    def _on_delta(self, delta: Delta) -> None:
        assert self._writer is not None, "rows come after the run was opened"
        try:
            self._writer.rows(delta.packed)
            for response in delta.responses:
                self._writer.response(response)
        except RecordError as error:  # this is a message handler: the conductor stops the run when it next looks
            self._unwritable = str(error)
        if self.scenario.limits.max_cost is not None:
            batch = unpack(delta.packed)
            names = ("arm", "input_tokens", "cached_tokens", "output_tokens")
            for arm, given, cached, made in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
                self._spend.add(arm, given or 0, cached or 0, made or 0)

    def _check_limits(self, arm: str, users: int) -> None:
        limits = self.scenario.limits
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
        if limits.max_cost is not None and self._spend.at_most(arm, users) > limits.max_cost:
            raise Stopped(f"stopped by [limits] max_cost = {limits.max_cost:g}: {self._spend.money:.2f} spent")

    def _manifest(self, checked: Checked) -> dict[str, Any]:
        return {
            "format": 1,
            "id": self.run_id,
            "scenario": scenario_to_wire(self.scenario),
            "plan": {"passes": len(self.plan.passes), "steps": len(self.plan.steps)},
            "seed": self.scenario.seed,
            "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
            "host": host(),
            "server": checked.servers,
            "gpu": {},
            "check": [msgspec.to_builtins(finding) for finding in checked.findings],
            "calibration": calibration(),
            "started": _utc(),
            "ended": None,
            "stopped": None,
            "workers": len(self.crew.workers()),
            "simulated": any("simulator" in server.get("server", "") for server in checked.servers.values()),
        }


def remaining(plan: Plan, run: Run) -> Plan:
    """The steps of a plan that a run has not done yet: valid, or invalid after all their tries."""
    done = {record.step.id.split("-try")[0] for record in run.steps}
    passes = []
    for pass_ in plan.passes:
        steps = tuple(step for step in pass_.steps if step.id not in done)
        if steps:
            passes.append(msgspec.structs.replace(pass_, steps=steps))
    return Plan(passes=tuple[Pass, ...](passes))


def host() -> dict[str, Any]:
    """The load generator's machine."""
    return {"name": platform.node(), "system": platform.platform(), "cpus": os.cpu_count()}


def calibration_file() -> Path:
    """Where `tokenswarm calibrate` leaves this machine's figures."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache) / "tokenswarm" / "calibration.json"


def calibration() -> dict[str, Any] | None:
    """The client's measured error on this machine, when `tokenswarm calibrate` was run here."""
    try:
        figures: dict[str, Any] = json.loads(calibration_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return figures if figures.get("host") == platform.node() else None


def write_report(directory: Path) -> int:
    """Summarize and render in a process of its own (the hub must stay free); its exit code is the verdict's."""
    command = [sys.executable, "-m", "tokenswarm", "report", str(directory)]
    return subprocess.run(command, check=False, start_new_session=True).returncode


def _utc() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
