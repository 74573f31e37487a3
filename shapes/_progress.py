"""How far a run is: a bar on a terminal, one line per step elsewhere; on stderr, never on a clock of its own.

rich's automatic refresh would wake the hub ten times a second while latencies are taken, so the bar is drawn only when
a phase changes.
"""

from __future__ import annotations

import time
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from exporters.record import StepRecord
from exporters.sample import Step
from shapes._plan import Plan

MARKS = {"ok": "[green]ok[/]", "warn": "[yellow]!![/]", "fail": "[red]no[/]"}


class RunProgress(Protocol):
    """What a run tells a person while it goes."""

    def found(self, findings: list[Any]) -> None:
        """The check's findings."""

    def phase(self, step: Step | None, phase: str) -> None:
        """A phase begins."""

    def done(self, record: StepRecord) -> None:
        """A step is over."""

    def close(self) -> None:
        """The run is over."""


def make_progress(plan: Plan, seconds: float) -> RunProgress:
    """A bar when stderr is a terminal, else lines."""
    console = Console(stderr=True)
    return Bar(console, plan, seconds) if console.is_terminal else Lines(console, plan, seconds)


def print_findings(console: Console, findings: list[Any]) -> None:
    """The check in a line each."""
    for finding in findings:
        console.print(f"{MARKS[finding.status]} {finding.arm}: ", end="", highlight=False)
        console.print(finding.text, markup=False, highlight=False, soft_wrap=True)


class Lines:
    """One line per step, for logs."""

    def __init__(self, console: Console, plan: Plan, seconds: float) -> None:
        self._console, self._steps, self._done = console, len(plan.steps), 0
        self._at_most = "at most " if plan.at_most else ""
        self._began, self._expected = time.monotonic(), seconds

    def found(self, findings: list[Any]) -> None:
        """Print the check."""
        print_findings(self._console, findings)

    def phase(self, step: Step | None, phase: str) -> None:
        """Lines do not show phases."""

    def done(self, record: StepRecord) -> None:
        """One line: how far, which step, whether it counts."""
        self._done += record.step.try_ == 1
        left = time_left(self._began, self._done, self._steps, self._expected)
        self._console.print(
            f"{self._done}/{self._at_most}{self._steps} {describe(record)} · {self._at_most}{left} left",
            markup=False,
            soft_wrap=True,
        )

    def close(self) -> None:
        """Nothing to tidy."""


class Bar:
    """A bar with step, phase and the time left."""

    def __init__(self, console: Console, plan: Plan, seconds: float) -> None:
        self._steps, self._done = len(plan.steps), 0
        self._at_most = "at most " if plan.at_most else ""
        self._began, self._expected = time.monotonic(), seconds
        columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        self._bar = Progress(*columns, console=console, auto_refresh=False, transient=True)
        self._task = self._bar.add_task("starting", total=self._steps)

    def found(self, findings: list[Any]) -> None:
        """Print the check, then start the bar below it."""
        print_findings(self._bar.console, findings)
        self._bar.start()

    def phase(self, step: Step | None, phase: str) -> None:
        """Show where the run is."""
        where = f"{step.id} · {phase}" if step else phase
        left = time_left(self._began, self._done, self._steps, self._expected)
        self._bar.update(self._task, description=f"{self._at_most}{left} left · {where}", refresh=True)

    def done(self, record: StepRecord) -> None:
        """Advance; invalid steps stay on the screen."""
        self._done += record.step.try_ == 1
        if not record.valid:
            self._bar.console.print(describe(record), markup=False, soft_wrap=True)
        self._bar.update(self._task, completed=self._done, refresh=True)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()


def describe(record: StepRecord) -> str:
    """A finished step in one line: whether it counts, and whether all that its workers sent has come."""
    state = "ok" if record.valid else f"invalid: {record.why_invalid[0]}"
    parts = record.workers.values()
    sent, received = sum(part.rows_sent for part in parts), sum(part.rows_received for part in parts)
    rows = f" · {received:,} of {sent:,} rows of {len(parts)} workers" if len(parts) > 1 else ""
    return f"{record.step.id} {state}{rows}"


def time_left(began: float, done: int, steps: int, expected_s: float) -> str:
    """Minutes and seconds, from the pace so far, or from the plan's estimate before the third step."""
    left = seconds_left(time.monotonic() - began, done, steps, expected_s)
    return f"{int(left) // 60}:{int(left) % 60:02d}"


def seconds_left(spent: float, done: int, steps: int, expected_s: float) -> float:
    """Seconds from the pace so far, or from the plan's estimate before the third step."""
    return spent / done * (steps - done) if done >= 3 else max(expected_s - spent, 0.0)


class Both:
    """Two who are told the same."""

    def __init__(self, first: RunProgress, second: RunProgress) -> None:
        self._told = first, second

    def found(self, findings: list[Any]) -> None:
        """The check's findings."""
        for one in self._told:
            one.found(findings)

    def phase(self, step: Step | None, phase: str) -> None:
        """A phase begins."""
        for one in self._told:
            one.phase(step, phase)

    def done(self, record: StepRecord) -> None:
        """A step is over."""
        for one in self._told:
            one.done(record)

    def close(self) -> None:
        """The run is over."""
        for one in self._told:
            one.close()
