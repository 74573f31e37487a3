"""One simulator and one real engine for all end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulator import llamacpp
from simulator.process import served
from tests.locustfiles.wire_servers import trust

__all__ = ["trust"]


@pytest.fixture(scope="session")
def simulated() -> Iterator[str]:
    with served("simulator", ("--profile", "small")) as url:
        yield url


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
