"""`tokenswarm report`: from a run directory to summary.json, report.html, report.md and a table; the exit code."""

from __future__ import annotations

import contextlib
from pathlib import Path

from rich.console import Console

from exporters.files import SUMMARY, replace, replace_json
from exporters.record import RecordError, Run, convert
from reports.junit import render_junit
from reports.render import print_terminal, render_html, render_markdown
from reports.summary import summarize


def write_report(directory: Path) -> int:
    """Write everything that can be made of a run, print its table; the verdict's exit code."""
    run = Run.open(directory)
    with contextlib.suppress(RecordError):  # no space: streams can be read as they are, only three times as long
        convert(directory)
    summary = summarize(run)
    replace_json(directory / SUMMARY, summary)
    replace(directory / "report.md", render_markdown(summary, run.manifest).encode())
    replace(directory / "junit.xml", render_junit(summary, run.manifest))
    replace(directory / "report.html", render_html(summary, run.manifest).encode())
    print_terminal(summary, run.manifest, Console())
    print(directory)  # noqa: T201 (the last line on stdout is the run directory)
    return int(summary["verdict"]["exit_code"])
