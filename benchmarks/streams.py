"""Memory of open streams that wait for their next chunk.

python -m benchmarks.streams [STREAMS]          must hold: <= 20 KiB a stream beyond its prompt, at 10,000 streams

The server is a process of its own. There are no more streams than open files: the figure says how far it went.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import time

import gevent

from exporters.sample import Timeline
from locustfiles._dialects import DIALECTS
from locustfiles._wire import Connection, Deadlines, Target, head, raise_file_limit

STREAMS = 10_000
LIMIT_KIB = 20
SPARE_FILES = 100
AT_ONCE = 200  # connections being opened at a time: no backlog overflows
BODY = b"{}"
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n'
FIRST = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (
    len(EVENT),
    EVENT,
)


class Waiting(asyncio.Protocol):
    """Answers a request with one token, then says nothing more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """One small request in one segment."""
        if data.endswith(b"\r\n\r\n" + BODY):
            self.transport.write(FIRST)  # type: ignore[attr-defined]


async def serve() -> None:
    """Print the port, then wait for streams until standard input closes."""
    raise_file_limit()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Waiting, "127.0.0.1", 0, backlog=4096)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


def resident_kib() -> int:
    """Resident memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def stream(target: Target, timeline: Timeline) -> None:
    """One user's exchange, which never ends by itself."""
    reply = DIALECTS["openai-chat"].reply(timeline.chunks, stream=True)
    request = [head("POST", target, "/v1/chat/completions", {"content-type": "application/json"}, len(BODY)), BODY]
    Connection(target).exchange(request, reply, timeline, Deadlines(total_s=3600.0, first_token_s=60.0))


def open_streams(target: Target, streams: int) -> list[gevent.Greenlet]:
    """The users, when each has had its first token and waits for the next."""
    timelines = [Timeline() for _ in range(streams)]
    users = [gevent.spawn(stream, target, timeline) for timeline in timelines]
    while not all(timeline.chunks for timeline in timelines):
        if any(user.dead for user in users):
            raise RuntimeError("a stream ended: are there files enough?")
        gevent.sleep(0.02)
    return users


def measure(target: Target, streams: int) -> float:
    """KiB per stream that waits."""
    users = open_streams(target, 1)  # what a process pays once
    gc.collect()
    before = resident_kib()
    for start in range(0, streams, AT_ONCE):
        users += open_streams(target, min(AT_ONCE, streams - start))
    gc.collect()
    per_stream = (resident_kib() - before) / streams
    gevent.killall(users)
    return per_stream


def main(asked: int = STREAMS) -> bool:
    """Print the figure; True if it holds."""
    files = raise_file_limit()
    streams = min(asked, files - SPARE_FILES)
    command = [sys.executable, "-m", "benchmarks.streams", "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin
        assert server.stdout
        port = json.loads(server.stdout.readline())["port"]
        start = time.perf_counter()
        kib = measure(Target(host="127.0.0.1", port=port), streams)
        seconds = time.perf_counter() - start
        server.stdin.close()
    print(f"open streams: {streams} of {asked} ({files} files allowed), {kib:.1f} KiB each; opened in {seconds:.1f} s")
    return streams == asked and kib <= LIMIT_KIB


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments == ["serve"]:
        asyncio.run(serve())
    else:
        sys.exit(not main(*map(int, arguments)))
