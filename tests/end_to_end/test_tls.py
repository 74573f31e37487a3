"""TLS through a whole run: verified, dated by the kernel, its handshake beside the latencies and never inside."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pyarrow.compute as pc
import pytest

from exporters.record import Run
from simulator.process import served
from tests.end_to_end.service import front_door, no_traceback, read, scenario, settled

LATE_S = 0.4


@pytest.fixture(scope="module")
def secured(trust: SimpleNamespace) -> Iterator[str]:
    """A scripted service behind TLS, TTFT 50 ms."""
    arguments = ("--scripted", "--ttft-ms", "50", "--gap-ms", "10", "--tokens", "24", "--tls-cert", trust.server)
    with served("simulator", arguments) as url:
        yield url


@contextlib.contextmanager
def late_handshakes(url: str) -> Iterator[str]:
    """A relay to the service which keeps the first bytes of the service on each connection for LATE_S."""
    service = (str(urlsplit(url).hostname), int(urlsplit(url).port or 0))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener, service), daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def accept(listener: socket.socket, service: tuple[str, int]) -> None:
    with contextlib.suppress(OSError):
        while True:
            client = listener.accept()[0]
            server = socket.create_connection(service)
            for one, other, late_s in ((client, server, 0.0), (server, client, LATE_S)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=relay, args=(one, other, late_s), daemon=True).start()


def relay(one: socket.socket, other: socket.socket, late_s: float) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            time.sleep(late_s)
            late_s = 0.0
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


def test_a_run_over_tls_keeps_the_handshake_out_of_the_latencies(
    tmp_path: Path, secured: str, trust: SimpleNamespace
) -> None:
    """Valid steps by the kernel's clock; a handshake of 0.4 s is in tls_s, and in neither connect nor TTFT nor E2E."""
    out = tmp_path / "run"
    with late_handshakes(secured) as url:
        done = front_door(
            "run", scenario(tmp_path, url), "--out", out, "--set", f"arms.baseline.ca_file={trust.ca}"
        )  # fmt: skip
    summary, rows = read(out / "summary.json"), Run.open(out).requests()
    ok = rows.filter(pc.equal(rows["outcome"], "ok"))
    shaken = ok.filter(pc.is_valid(ok["tls_s"]))

    assert done.returncode == 0, done.stderr
    assert settled(summary) == {1: True, 2: True}
    assert summary["run"]["clock"] == "kernel"
    assert ok.num_rows == rows.num_rows
    assert 0 < shaken.num_rows < ok.num_rows  # kept connections shake hands once
    for row in shaken.to_pylist():
        assert row["tls_s"] >= LATE_S
        assert row["connect_s"] < LATE_S
        assert 0.05 <= row["ttft_s"] < LATE_S
        assert row["e2e_s"] < LATE_S + 0.05 + 0.01 * 23
    assert no_traceback([done.stdout, done.stderr, (out / "locust.log").read_text()])


def test_an_authority_that_is_not_trusted_is_one_line(tmp_path: Path, secured: str) -> None:
    """Without ca_file: exit 2 before anything runs; the line names ca_file, and there is no run directory."""
    out = tmp_path / "run"
    done = front_door("run", scenario(tmp_path, secured), "--out", out)
    lines = [line for line in done.stderr.splitlines() if line.startswith("tokenswarm: ")]

    assert done.returncode == 2, done.stderr
    assert len(lines) == 1, done.stderr
    assert "certificate of 127.0.0.1 is not accepted" in lines[0]
    assert "ca_file" in lines[0]
    assert no_traceback([done.stdout, done.stderr])
    assert not (out / "run.json").exists()
