"""The sampler as the process it is, against real simulators: what it reads, what it tells, and that it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from exporters.sampler import READING
from exporters.samples import read_samples
from exporters.server import ANOTHER_S
from simulator.llamacpp import free_port
from simulator.process import served


@contextmanager
def sampling(folder: Path, *urls: str, hz: float = 10) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "exporters.sampler"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    targets = [{"kind": "server", "arm": "a", "url": url} for url in urls]
    process.stdin.write(json.dumps({"directory": str(folder), "hz": hz, "targets": targets}) + "\n")
    process.stdin.flush()
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ended(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Everything that it told but its last readings, once its stdin has ended."""
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    return [event for line in said.splitlines() if (event := json.loads(line))["what"] != READING]


def wait_until(done: Any, timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def taken(folder: Path) -> int:
    return read_samples(folder, "server").num_rows


def lives(folder: Path) -> list[pd.DataFrame]:
    """The samples of each process that has answered, in their order."""
    return [one for _, one in read_samples(folder, "server").to_pandas().groupby("started_s")]


def ended_ns(sample: pd.Series) -> int:
    """When a reading was over: in integers, since a float of today's nanoseconds is 256 of them coarse."""
    return int(sample["at_ns"]) + round(sample["error_s"] * 1e9)


def lived_s(samples: pd.DataFrame) -> float:
    return float(samples["at_ns"].iloc[-1] / 1e9 - samples["started_s"].iloc[-1])


def test_a_server_is_sampled_at_the_rate_that_is_asked(tmp_path: Path) -> None:
    """Ten readings a second at even times, each with half of its own duration as the error; then one Parquet file."""
    with served("simulator", ("--profile", "small")) as url, sampling(tmp_path, f"{url}/metrics") as process:
        wait_until(lambda: taken(tmp_path) >= 25)
        assert ended(process) == []

    table = read_samples(tmp_path, "server")
    assert [path.name for path in tmp_path.iterdir()] == ["server.parquet"]
    assert set(table["running"].to_pylist()) == {0.0}
    assert set(table["pool_tokens"].to_pylist()) == {16384.0}
    assert 0.08 < np.median(np.diff(table["at_ns"].to_numpy())) / 1e9 < 0.12
    assert 0 < max(table["error_s"].to_pylist()) < 1


def test_a_restart_is_told_with_its_time(tmp_path: Path) -> None:
    """kill -9 and a new process on the same port: unreadable, then restarted, between the readings around it: from the
    last of the old process to the first of the new one."""
    port = free_port()
    command = [sys.executable, "-m", "simulator", "--profile", "small", "--port", str(port)]
    first = subprocess.Popen(command)
    second = None
    try:
        with sampling(tmp_path, f"http://127.0.0.1:{port}/metrics") as process:
            wait_until(lambda: lives(tmp_path) and lived_s(lives(tmp_path)[0]) > ANOTHER_S)
            killed = time.time_ns()
            os.kill(first.pid, signal.SIGKILL)
            first.wait()
            second = subprocess.Popen(command)
            wait_until(lambda: len(lives(tmp_path)) == 2)  # a count would count what was read before, but not written
            told = ended(process)
    finally:
        for one in (first, second):
            if one is not None:
                one.kill()
                one.wait()

    old, new = lives(tmp_path)
    restarts = [event for event in told if event["what"] == "restarted"]
    assert len(restarts) == 1
    assert restarts[0]["instance"] == f"127.0.0.1:{port}"
    assert restarts[0]["since_ns"] == pytest.approx(ended_ns(old.iloc[-1]), rel=0, abs=2)
    assert restarts[0]["until_ns"] == pytest.approx(ended_ns(new.iloc[0]), rel=0, abs=2)
    assert old["at_ns"].iloc[-1] - old["error_s"].iloc[-1] * 1e9 < killed < restarts[0]["until_ns"]
    assert {event["what"] for event in told} == {"unreadable", "restarted"}


def test_it_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """A master that is gone leaves no sampler; samples are readable; addresses that never answered were told."""
    with served("simulator", ("--profile", "small")) as url:
        nowhere = f"http://127.0.0.1:{free_port()}/metrics"
        with sampling(tmp_path, f"{url}/metrics", nowhere, f"{url}/health") as process:
            wait_until(lambda: taken(tmp_path) >= 3)
            told = ended(process)

    assert sorted(event["what"] for event in told) == ["unreadable", "unreadable"]
    assert all(event["why"] for event in told)
    assert taken(tmp_path) >= 3


def test_a_headless_service_is_every_address_of_its_name(tmp_path: Path) -> None:
    """dns:// resolves to each address of the name; each is an instance of its own."""
    with served("simulator", ("--profile", "small")) as url:
        port = url.rpartition(":")[2]
        with sampling(tmp_path, f"dns://localhost:{port}/metrics") as process:
            wait_until(lambda: taken(tmp_path) >= 3)
            ended(process)

    assert f"127.0.0.1:{port}" in set(read_samples(tmp_path, "server")["instance"].to_pylist())
