"""A test whose run was starved of the CPU proves nothing: it is taken again, and the terminal says so.

A run judges itself: a step in which the client was the bottleneck is invalid and says what to do, "run on a machine
with nothing else to do". Machines of tests have neighbours. So a test that fails is taken again, twice at most, if a
run that it made says just that; all else fails at once, and what would fail on a quiet machine fails three times.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from exporters.validity import MORE_WORKERS

TRIES = 3
PLACE = pytest.StashKey[Path]()
AGAIN = pytest.StashKey[list[str]]()


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Keep where the test wrote: its arguments are gone once it has been torn down."""
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if folder is not None:
        item.stash[PLACE] = folder


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test that runs alone, again if a run of it was starved."""
    if "alone" not in item.keywords:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for left in reversed(range(TRIES)):
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        if not left or not any(report.failed for report in reports) or not _starved(item):
            break
        item.config.stash.setdefault(AGAIN, []).append(item.nodeid)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the tests that were taken again."""
    for name in config.stash.get(AGAIN, []):
        terminalreporter.write_line(f"taken again, the machine had no time for it: {name}")


def _starved(item: pytest.Item) -> bool:
    """Whether a run that the test made says that it was."""
    folder = item.stash.get(PLACE, None)
    records = folder.rglob("steps.json") if folder is not None else ()
    return any(MORE_WORKERS in record.read_text(encoding="utf-8") for record in records)
