"""One engine and one script for the tests that change nothing of them but their counters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulator.process import served


@pytest.fixture(scope="session")
def simulated() -> Iterator[str]:
    with served("simulator", ("--profile", "small", "--seed", "3")) as url:
        yield url


@pytest.fixture(scope="session")
def scripted() -> Iterator[str]:
    with served("simulator", ("--scripted", "--ttft-ms", "40", "--gap-ms", "8", "--tokens", "30")) as url:
        yield url
