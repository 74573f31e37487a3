"""One simulator and one real engine for all end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator import llamacpp
from simulator.process import served
from tests.end_to_end.service import STEADY, front_door, scenario
from tests.locustfiles.wire_servers import trust

__all__ = ["trust"]


@pytest.fixture(scope="session")
def simulated() -> Iterator[str]:
    with served("simulator", STEADY) as url:
        yield url


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory, simulated: str) -> tuple[Path, str]:
    """The directory of an ordinary run in one process, and its last line; to look at, not to change."""
    folder = tmp_path_factory.mktemp("measured")
    done = front_door("run", scenario(folder, simulated), "--out", folder / "run")
    assert done.returncode == 0, done.stderr
    return folder / "run", done.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="session")
def scripted() -> Iterator[str]:
    arguments = ("--scripted", "--ttft-ms", "50", "--gap-ms", "10", "--tokens", "20")
    with served("simulator", arguments) as url:
        yield url


@pytest.fixture(scope="session")
def engine() -> Iterator[str]:
    assert llamacpp.available(), llamacpp.MISSING
    with served("simulator.llamacpp", ("--slots", "4")) as url:
        yield url
