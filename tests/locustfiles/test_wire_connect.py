"""Ways to a service: proxies, paths, IPv6, names; and the clock on real sockets."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest
from wire_servers import HELLO, Stamps, answer, ask, https, secure

from exporters.sample import Timeline
from locustfiles._wire import Connection, Deadlines, Target, get, head


def tunnel(conn: socket.socket) -> None:
    """A proxy that connects to where CONNECT says."""
    line = conn.recv(65536).split(b"\r\n")[0].split()
    assert line[0] == b"CONNECT"
    host, port = line[1].decode().rsplit(":", 1)
    with socket.create_connection((host, int(port))) as there:
        conn.sendall(b"HTTP/1.1 200 Connection established\r\nvia: a proxy\r\n\r\n")
        threading.Thread(target=pump, args=(there, conn), daemon=True).start()
        pump(conn, there)


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_a_proxy_is_asked_to_connect(serve, trust) -> None:
    """Plain and TLS requests go through CONNECT; the certificate is the service's."""
    proxy = ("127.0.0.1", serve(tunnel))

    assert get(Target(host="127.0.0.1", port=serve(answer), proxy=proxy), "/", {}, 10) == HELLO
    assert get(https(serve(secure(trust.plain)), trust, proxy=proxy), "/", {}, 10) == HELLO


@pytest.mark.parametrize("said", [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"", b"SSH-2.0\r\n\r\n"])
def test_a_proxy_that_does_not_connect_is_a_connect_failure(serve, said: bytes) -> None:
    """A refusal, a hang-up and nonsense from the proxy: kind connect, and the proxy is blamed."""

    def script(conn: socket.socket) -> None:
        conn.recv(65536)
        conn.sendall(said)

    failure, _, _ = ask(Target(host="model.test", port=80, proxy=("127.0.0.1", serve(script))))

    assert failure is not None
    assert failure.kind == "connect"
    assert f"the proxy does not connect to model.test:80: {said[:20].decode()!r}"[:50] in failure.detail


def test_a_path_an_address_and_a_name_all_reach_their_server(serve, tmp_path: Path) -> None:
    """unix:, IPv6 and a name with two addresses, of which one does not answer, work; only the name has a DNS time."""
    path = serve(answer, str(tmp_path / "socket"), socket.AF_UNIX)
    ways = [
        (Target(host="localhost", port=0, unix=path), False),
        (Target(host="::1", port=serve(answer, ("::1", 0), socket.AF_INET6)), False),
        (Target(host="localhost", port=serve(answer)), True),
    ]
    for target, named in ways:
        failure, sink, timeline = ask(target)
        assert (failure, sink.body) == (None, b"hello")
        assert (timeline.dns_s is not None, timeline.connect_s is not None, timeline.tls_s) == (named, True, None)
        assert (timeline.kernel_reads > 0, timeline.user_reads > 0) == (not target.unix, bool(target.unix))


def test_events_that_waited_say_how_uncertain_they_are(serve) -> None:
    """While we are busy, three events 40 ms apart merge: the last is dated when it came, the others are marked."""

    def script(conn: socket.socket) -> None:
        conn.recv(65536)
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(3):
            time.sleep(0.04)
            conn.sendall(b"!")

    class Busy(Stamps):
        def begin(self, status: int, headers: dict[str, str]) -> None:
            time.sleep(0.25)  # in the hub, as a slow callback would

    sink = Busy()
    timeline, target = Timeline(chunks=sink.chunks), Target(host="127.0.0.1", port=serve(script))
    connection = Connection(target)
    assert connection.exchange([head("GET", target, "/", {}, 0)], sink, timeline, Deadlines(total_s=10)) is None
    connection.close()

    ((first, count, uncertainty_ns),) = timeline.merged
    assert (first, count) == (0, 3)
    assert uncertainty_ns >= 80_000_000  # the truth: two gaps
    assert timeline.lags[1] >= 50_000_000  # the last came long before it was read
