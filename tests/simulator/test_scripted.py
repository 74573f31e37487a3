"""Scripted mode: times that are known, and said."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

from simulator.process import served
from tests.simulator.plain_client import PlainClient, Reply, chat_bytes

TTFT_MS, GAP_MS, TOKENS = 40.0, 8.0, 30


def stamps(reply: Reply) -> list[int]:
    """The tokens' send times: decimal nanoseconds of the wall clock after a space."""
    assert all(re.fullmatch(r" \d{19}", text) for text in reply.texts)
    return [int(text) for text in reply.texts]


def test_tokens_come_when_the_script_says_and_say_when_they_came(scripted: str) -> None:
    """Never early; half of them within 2 ms of the schedule that starts at the request's last byte."""
    late = []
    with PlainClient(scripted) as client:
        for _ in range(4):
            sent = time.time_ns()
            told = stamps(client.chat(stream=True))
            assert len(told) == TOKENS
            late += [(at - sent) / 1e6 - TTFT_MS - GAP_MS * number for number, at in enumerate(told)]

    assert min(late) > -0.1  # a wall clock that is slewed may differ from the monotonic one by a little
    assert statistics.median(late) < 2


def test_the_schedule_starts_at_the_last_byte(scripted: str) -> None:
    """A request that comes in two pieces is answered from the second on."""
    data = chat_bytes(stream=True)
    with PlainClient(scripted) as client:
        client.send(data[:-5])
        time.sleep(0.1)
        sent = time.time_ns()
        client.send(data[-5:])
        first = stamps(client.read())[0]

    assert (first - sent) / 1e6 > TTFT_MS - 0.1


def test_a_stamp_is_the_time_of_the_send(scripted: str) -> None:
    """Also with forty streams due at once: each token arrives after its stamp, half of them within 2 ms."""
    clients = [PlainClient(scripted) for _ in range(40)]
    arrivals: list[float] = []
    for client in clients:
        client.send(chat_bytes(stream=True))

    def read(client: PlainClient) -> None:
        rest = b""
        while not rest.endswith(b"0\r\n\r\n"):
            data, at = client.socket.recv(65536), time.time_ns()
            arrivals.extend((at - int(stamp)) / 1e6 for stamp in re.findall(rb'" (\d{19})"', data))
            rest = data[-100:]
        client.socket.close()

    readers = [threading.Thread(target=read, args=(client,)) for client in clients]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(20)

    assert len(arrivals) >= 0.95 * 40 * TOKENS  # a stamp cut by a read is not looked for
    assert min(arrivals) > 0
    assert statistics.median(arrivals) < 2


def stand_still(pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(pid, signal.SIGCONT)


def test_late_tokens_do_not_delay_the_rest() -> None:
    """A server that stood still for 120 ms sends what is due at once and is on its old schedule again at the end."""
    command = [sys.executable, "-m", "simulator", "--scripted", "--ttft-ms", "20", "--gap-ms", "10", "--tokens", "40"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        with PlainClient(json.loads(server.stdout.readline())["url"]) as client:
            client.send(chat_bytes(stream=True))
            assert client.socket.recv(10, socket.MSG_PEEK)  # it has begun
            stand_still(server.pid, 0.12)
            told = stamps(client.read())
        server.terminate()
    late = [(at - told[0]) / 1e6 - 10 * number for number, at in enumerate(told)]

    assert max(late) > 80
    assert statistics.median(late[20:]) < 5
    assert min(late) > -10  # the first token itself may be late


def test_a_client_that_reads_late_gets_every_token_in_order() -> None:
    """What the kernel does not take is kept and sent later: nothing lost, nothing twice, usage at the end."""
    arguments = ("--scripted", "--ttft-ms", "0", "--gap-ms", "0", "--tokens", "30000")
    with served("simulator", arguments) as url, PlainClient(url) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        client.send(chat_bytes(stream=True, stream_options={"include_usage": True}))
        with PlainClient(url) as other:  # answered when the first stream's 6 MB were all made
            assert other.get("/health").status == 200
        parts = [b""]
        while not parts[-1].endswith(b"\r\n0\r\n\r\n"):
            parts.append(client.socket.recv(1 << 20))
    data = b"".join(parts)
    told = [int(stamp) for stamp in re.findall(rb'"content":" (\d{19})"', data)]

    assert len(told) == 30_000
    assert told == sorted(told)
    assert b'"completion_tokens":30000' in data


def test_a_whole_reply_comes_when_its_last_token_would(scripted: str) -> None:
    """Not streamed: one text, the time at which it was sent, after the whole script."""
    with PlainClient(scripted) as client:
        sent = time.time_ns()
        reply = client.chat()
    at = int(reply.json["choices"][0]["message"]["content"])

    assert (at - sent) / 1e6 > TTFT_MS + (TOKENS - 1) * GAP_MS - 0.1
    assert reply.json["usage"]["completion_tokens"] == TOKENS
