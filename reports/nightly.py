"""`tokenswarm nightly`: a run, beside the last good one, its news to whoever reads them, the trend, no run too many.

The gate is the run's own: its arms, in turns, and its limits. All that comes after it is information, and what fails of
that is a line on stderr that changes no exit code.
"""

from __future__ import annotations

import contextlib
import io
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from exporters.files import RecordError
from exporters.record import Run
from exporters.retention import prune, runs_in
from reports.announce import append, post
from reports.between_tables import CAUTION, compared
from reports.history_page import write_history
from reports.markdown import render_tables

EXPECTED = ("server", "gpu", "generator.host.name")  # what may differ between nights; the table says what did
WEBHOOK, STEP_SUMMARY = "TOKENSWARM_WEBHOOK", "GITHUB_STEP_SUMMARY"


class Night(NamedTuple):
    """What runs tonight: a scenario and the options of `run`, or of `master`; where all runs are, how many stay."""

    scenario: Path
    options: Sequence[str]
    runs: Path
    keep: int


def run_nightly(night: Night, environment: Mapping[str, str]) -> int:
    """Run into a directory named by the time, and tell; the run's exit code."""
    directory = night.runs / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-nightly"
    code = _relayed(_command(night, directory), environment)
    told = [f"Nightly run: exit code {code}, `{directory.name}`\n"]
    told += _news(directory, last_good(night.runs, directory))
    _tried(lambda: _quietly(night.runs))
    _publish("\n".join(told), environment)
    _tried(lambda: [print(f"removed {gone}", file=sys.stderr) for gone in prune(night.runs, night.keep)])  # noqa: T201
    return code


def _command(night: Night, directory: Path) -> list[str]:
    """`tokenswarm run`, or `master` where workers are waited for."""
    verb = "master" if any(option.split("=")[0] == "--workers" for option in night.options) else "run"
    asked = [verb, str(night.scenario), "--out", str(directory), *night.options]
    return [sys.executable, "-m", "tokenswarm", *asked]


def _relayed(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a process in a session of its own, and pass on the signals that end a run; its exit code."""
    others = {name: value for name, value in environment.items() if name != WEBHOOK}  # the run has no use for it
    process = subprocess.Popen(command, env=others, start_new_session=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: process.send_signal(number))
    code = process.wait()
    return code if code >= 0 else 128 - code


def last_good(runs: Path, but: Path) -> Path | None:
    """The newest run that passed, other than this one."""
    passed = [run for run in runs_in(runs) if run.passed and run.directory != but]
    return max(passed, key=lambda run: run.started).directory if passed else None


def _news(directory: Path, good: Path | None) -> Iterator[str]:
    """The run's report, and each arm beside its last good night; or what there is instead."""
    report = directory / "report.md"
    if not report.exists():
        yield "It has no report: its log says why.\n"
        return
    yield report.read_text(encoding="utf-8")
    if good is None:
        yield "No earlier run passed: nothing to compare with.\n"
        return
    yield f"## Beside the last good run, `{good.name}`\n"
    for arm in Run.open(directory).scenario.arms:
        try:
            yield render_tables(CAUTION, compared(good, directory, arm, EXPECTED))
        except RecordError as error:
            yield f"Not compared: {error}\n"


def _quietly(runs: Path) -> None:
    """history.html, without the table that a terminal would get."""
    with contextlib.redirect_stdout(io.StringIO()):
        write_history(runs)


def _publish(markdown: str, environment: Mapping[str, str]) -> None:
    webhook, summary = environment.get(WEBHOOK), environment.get(STEP_SUMMARY)
    for fault in (webhook and post(markdown, webhook), summary and append(markdown, Path(summary))):
        if fault:
            print(f"tokenswarm: {fault}", file=sys.stderr)  # noqa: T201


def _tried(work: Callable[[], object]) -> None:
    """Do it; a refusal is a line, since the verdict stands."""
    try:
        work()
    except RecordError as error:
        print(f"tokenswarm: {error}", file=sys.stderr)  # noqa: T201
