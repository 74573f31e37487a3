"""What the simulator can hold: scripted streams at full rate, read by the cheapest reader that there is.

Its CPU share, and how late it sends: each token's own send stamp against its schedule.
"""

from __future__ import annotations

import re
import selectors
import socket
import statistics
import sys
import time
from urllib.parse import urlsplit

import psutil

from simulator.process import served

STREAMS, TTFT_MS, GAP_MS, TOKENS, TURNS = 400, 50.0, 10.0, 100, 5
STAMP = re.compile(rb'"content":" (\d{19})"')
BODY = b'{"messages":[{"role":"user","content":"How are you?"}],"stream":true}'
REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
END = b"\r\n0\r\n\r\n"


class Client:
    """One closed-loop stream: keeps bytes, reads nothing out of them while the clock runs."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.turns, self.parts = 0, list[bytes]()

    def send(self) -> None:
        """Ask for the next reply."""
        self.socket.sendall(REQUEST)

    def read(self) -> bool:
        """Take what has come; False when all turns are over."""
        data = self.socket.recv(65536)
        self.parts.append(data)
        if not data.endswith(END):
            return True
        self.turns += 1
        if self.turns < TURNS:
            self.send()
        return self.turns < TURNS


def gap_errors_ms(replies: bytes) -> list[float]:
    """How far each token's send time is from the schedule of its stream, counted from the first token; milliseconds."""
    errors = []
    for reply in replies.split(END):
        stamps = [int(stamp) for stamp in STAMP.findall(reply)]
        errors += [(stamp - stamps[0]) / 1e6 - GAP_MS * number for number, stamp in enumerate(stamps)]
    return errors


def drive(url: str, streams: int) -> list[Client]:
    """All streams to their end; they start staggered over a gap, so that ticks are not all at once."""
    parts = urlsplit(url)
    clients = [Client((str(parts.hostname), int(parts.port or 0))) for _ in range(streams)]
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.send()
        time.sleep(GAP_MS / 1000 / streams)
    left = streams
    while left:
        for key, _ in selector.select():
            if not key.data.read():
                selector.unregister(key.fileobj)
                left -= 1
    return clients


def measure(streams: int) -> None:
    """One line of figures."""
    arguments = ("--scripted", "--ttft-ms", str(TTFT_MS), "--gap-ms", str(GAP_MS), "--tokens", str(TOKENS))
    with served("simulator", arguments) as url:
        [server] = [child for child in psutil.Process().children() if "simulator" in " ".join(child.cmdline())]
        before, started = server.cpu_times(), time.monotonic()
        clients = drive(url, streams)
        took, after = time.monotonic() - started, server.cpu_times()
    cpu = (after.user + after.system - before.user - before.system) / took
    errors = sorted(abs(error) for client in clients for error in gap_errors_ms(b"".join(client.parts)))
    due = TURNS * (TTFT_MS + GAP_MS * (TOKENS - 1)) / 1000
    print(
        f"{streams:5} streams x {1000 / GAP_MS:.0f} tokens/s: {len(errors) / took:8,.0f} tokens/s sent, "
        f"{cpu:.0%} of a core, {took:.2f} s for {due:.2f} s of script; "
        f"off schedule by p50 {statistics.median(errors):.3f}, p99 {errors[int(len(errors) * 0.99)]:.3f}, "
        f"max {errors[-1]:.2f} ms"
    )


def main() -> None:
    """The default load, and what is given: `python -m benchmarks.simulator 400 800`."""
    for streams in [int(word) for word in sys.argv[1:]] or [100, STREAMS]:
        measure(streams)


if __name__ == "__main__":
    main()
