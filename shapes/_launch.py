"""`tokenswarm run`: become Locust, with the entry files that the scenario asks for."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from exporters.record import RecordError, Run
from scenarios.isolate import looks_inside
from scenarios.load import scenario_from_wire
from scenarios.scenario import Scenario
from shapes import _prices as prices
from shapes._shape import new_directory

ROOM = Path(__file__).resolve().parent.parent
ENTRIES = {  # api -> entry file, where it is not chat
    "openai-completions": "completion", "tgi-generate": "completion", "openai-embeddings": "embeddings",
    "rerank": "embeddings",
}  # fmt: skip


class Place(NamedTuple):
    """Where a run goes, as the command line says: into a new directory or on with an earlier run, and copied where."""

    out: Path | None = None
    resume: Path | None = None
    copy_to: str = ""


def launch(scenario: Path | None, place: Place, processes: int, overrides: Sequence[str]) -> None:
    """Check the scenario and the directory here, in words, then replace this process by Locust (signals and exit code
    are its own)."""
    resume, directory = place.resume, place.resume or place.out
    options: list[str] = []
    if resume is not None:
        asked = scenario_from_wire(Run.open(resume).manifest["scenario"])
        options += ["--resume", str(resume)]
    else:
        assert scenario is not None, "the front door asks for one of both"
        asked = prices.asked(scenario, overrides)
        directory = directory or new_directory(asked.name)
        options += ["--scenario", str(scenario), "--out", str(directory)]
        options += [part for override in overrides for part in ("--set", override)]
    options += ["--copy-to", place.copy_to] if place.copy_to else []
    if processes > 1:
        port = str(free_port())  # Locust's own 5557 would allow one run at a time, and its 0.0.0.0 anybody to join
        options += ["--processes", str(processes), "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
        options += ["--master-host", "127.0.0.1", "--master-port", port]
    assert directory is not None, "a run has a directory"
    make_directory(directory)
    become(locust_options(asked, directory), options)


def make_directory(directory: Path) -> None:
    """The run directory, before Locust opens its log in it."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(f"cannot make the run directory {directory}: {error.strerror}") from None


def become(*options: Sequence[str]) -> NoReturn:
    """Replace this process by Locust with these options."""
    os.execv(sys.executable, [sys.executable, "-m", "shapes._boot", *(part for some in options for part in some)])


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def locust_options(scenario: Scenario, directory: Path) -> list[str]:
    """Entry files by the arms' api; Locust's own output goes into the run directory, not onto the terminal."""
    quiet = ["--headless", "--only-summary", "--logfile", str(directory / "locust.log")]
    return ["-f", entries_of(scenario), *quiet, "--json-file", str(directory / "locust")]


def entries_of(scenario: Scenario) -> str:
    """The entry files of a scenario, as Locust's -f takes them; the same on a master and on its workers."""
    api = next(iter(scenario.arms.values())).api
    chat = "conversation" if scenario.conversation else ENTRIES.get(api, "chat")
    entry = "service" if looks_inside(scenario) else chat
    return f"{ROOM / 'locustfiles' / entry}.py,{ROOM / 'shapes' / scenario.shape}.py"
