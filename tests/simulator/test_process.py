"""The simulator as a process: how it starts, refuses and ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.simulator.plain_client import PlainClient, Reply, chat_bytes


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "simulator", *arguments]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert started.stdout is not None
        line = started.stdout.readline()
        yield started, json.loads(line)["url"] if line else ""
    finally:
        started.kill()
        started.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_replies_end_then_the_process(number: int) -> None:
    """The stream under way comes whole, new clients are refused, exit 0, nothing on stderr."""
    with process("--scripted", "--ttft-ms", "50", "--gap-ms", "10", "--tokens", "70") as (server, url):
        replies: list[Reply] = []
        with PlainClient(url) as client, PlainClient(url) as idle:
            client.send(chat_bytes(stream=True))
            assert idle.chat(max_tokens=1, headers={"x-simulator-fault": "500"}).status == 500  # the stream has begun
            reader = threading.Thread(target=lambda: replies.append(client.read()))
            reader.start()
            os.kill(server.pid, number)
            assert idle.socket.recv(1) == b""  # at once, not when the stream is over
            assert reader.is_alive()
            with pytest.raises(ConnectionRefusedError):
                PlainClient(url)
            reader.join(10)
        code = server.wait(10)
        assert server.stderr is not None
        said = server.stderr.read()

    assert replies[0].whole
    assert len(replies[0].texts) == 70
    assert (code, said) == (0, "")


def test_a_reply_that_never_ends_does_not_keep_the_process() -> None:
    """After the grace it ends all the same."""
    with process("--fail-stall", "1") as (server, url), PlainClient(url) as client:
        client.send(chat_bytes(stream=True))
        assert client.socket.recv(1000)
        server.terminate()

        assert server.wait(10) == 0


def test_a_port_in_use_is_one_line() -> None:
    """It names the port; exit 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with process("--port", str(port)) as (server, url):
            said = server.communicate(timeout=10)[1]

    assert (url, server.returncode) == ("", 2)
    assert said.count("\n") == 1
    assert f"port {port}" in said
    assert "in use" in said


def test_a_key_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator does not open its door because a variable is missing."""
    monkeypatch.delenv("SIMULATOR_NO_SUCH_KEY", raising=False)
    with process("--api-key-env", "SIMULATOR_NO_SUCH_KEY") as (server, url):
        said = server.communicate(timeout=10)[1]

    assert (url, server.returncode) == ("", 2)
    assert "SIMULATOR_NO_SUCH_KEY" in said
    assert said.count("\n") == 1


def test_a_certificate_that_cannot_be_used_is_one_line() -> None:
    """It names the option and the file; exit 2, and nothing listens."""
    with process("--tls-cert", "/nowhere.pem") as (server, url):
        said = server.communicate(timeout=10)[1]

    assert (url, server.returncode) == ("", 2)
    assert "--tls-cert /nowhere.pem" in said
    assert "No such file" in said
    assert said.count("\n") == 1


def test_requests_are_logged_when_asked() -> None:
    """Method, path and size on stderr, nothing of the prompt."""
    with process("--log") as (server, url):
        with PlainClient(url) as client:
            client.chat(max_tokens=1, messages=[{"content": "a secret"}])
        server.terminate()
        said = server.communicate(timeout=10)[1]

    assert "POST /v1/chat/completions" in said
    assert "secret" not in said
