"""Servers of the wire's tests: a script per connection, a certificate, and a client that asks once."""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import trustme

from exporters.sample import Timeline
from locustfiles._wire import Connection, Deadlines, Failure, Target, head

Script = Callable[[socket.socket], None]
REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
HELLO = (200, {"content-length": "5"}, b"hello")


@pytest.fixture
def serve() -> Iterator[Callable[..., int | str]]:
    """Serve each connection with a script, on a thread of its own; returns the port, or the path for AF_UNIX."""
    listeners: list[socket.socket] = []

    def start(script: Script, address: object = ("127.0.0.1", 0), family: int = socket.AF_INET) -> int | str:
        listener = socket.create_server(address, family=family)
        listeners.append(listener)
        threading.Thread(target=accept, args=(listener, script), daemon=True).start()
        name = listener.getsockname()
        return name if family == socket.AF_UNIX else name[1]

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def accept(listener: socket.socket, script: Script) -> None:
    while True:
        try:
            conn = listener.accept()[0]
        except OSError:
            return
        threading.Thread(target=play, args=(conn, script), daemon=True).start()


def play(conn: socket.socket, script: Script) -> None:
    conn.settimeout(10)
    try:
        with conn:
            script(conn)
    except OSError:
        pass


def answer(conn: socket.socket, reply: bytes = REPLY) -> bytes:
    """Read one request, send the reply, wait for the peer to leave; returns the head."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += conn.recv(65536)
    first, _, body = data.partition(b"\r\n\r\n")
    left = int((first.lower() + b"\r\ncontent-length: 0").split(b"content-length: ")[1].split(b"\r\n")[0]) - len(body)
    while left > 0:
        left -= len(conn.recv(65536))
    conn.sendall(reply)
    conn.recv(1)
    return first


class Stamps:
    """A sink that stamps each "!"."""

    def __init__(self) -> None:
        self.chunks, self.status, self.body = array("q"), 0, b""

    def begin(self, status: int, headers: dict[str, str]) -> None:
        self.status = status

    def feed(self, data: bytes, at_ns: int) -> None:
        self.body += data
        self.chunks.extend([at_ns] * data.count(b"!"))

    def close(self) -> None:
        pass


def ask(target: Target, body: bytes = b"", total_s: float = 10) -> tuple[Failure | None, Stamps, Timeline]:
    """One exchange on a connection of its own."""
    sink, connection = Stamps(), Connection(target)
    timeline = Timeline(chunks=sink.chunks)
    failure = connection.exchange(
        [head("POST", target, "/", {}, len(body)), body], sink, timeline, Deadlines(total_s=total_s)
    )
    connection.close()
    return failure, sink, timeline


@pytest.fixture(scope="module")
def trust() -> Iterator[SimpleNamespace]:
    """An authority, certificates of its for localhost, for a client and (`server`) for 127.0.0.1, server contexts."""
    authority = trustme.CA()
    plain, strict = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2))
    plain.set_alpn_protocols(["http/1.1", "h2"])
    for context in (plain, strict):
        authority.issue_cert("localhost", "model.test").configure_cert(context)
        authority.configure_trust(context)
    strict.verify_mode = ssl.CERT_REQUIRED
    with tempfile.TemporaryDirectory() as room:
        ca, client, server = (Path(room, f"{name}.pem") for name in ("ca", "client", "server"))
        authority.cert_pem.write_to_path(ca)
        authority.issue_cert("someone").private_key_and_cert_chain_pem.write_to_path(client)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(server)
        yield SimpleNamespace(ca=str(ca), client=str(client), server=str(server), plain=plain, strict=strict)


def secure(context: ssl.SSLContext, script: Script = answer) -> Script:
    """The script behind TLS."""

    def shake(conn: socket.socket) -> None:
        with context.wrap_socket(conn, server_side=True) as session:
            script(session)

    return shake


def https(port: int, trust: SimpleNamespace, **more: object) -> Target:
    return Target(**{"scheme": "https", "host": "localhost", "port": port, "ca_file": trust.ca, **more})
