"""TLS: verified, timed apart, dated by the kernel."""

from __future__ import annotations

import socket
import ssl
import threading
import time

import pytest
from wire_servers import HELLO, REPLY, Stamps, answer, ask, https, secure

from exporters.sample import Timeline
from locustfiles._flight import Flight
from locustfiles._socket import dial
from locustfiles._wire import Connection, Deadlines, get, head, post


def test_tls_is_verified_timed_apart_and_dated_by_the_kernel(serve, trust) -> None:
    """Over TLS the kernel dates reads too; DNS, connect and TLS are outside of `sent`; ALPN offers http/1.1 only."""
    seen: list[str | None] = []

    def script(session: ssl.SSLSocket) -> None:
        seen.append(session.selected_alpn_protocol())
        answer(session, REPLY.replace(b"hello", b"hell!"))

    failure, sink, timeline = ask(https(serve(secure(trust.plain, script)), trust))

    assert (failure, sink.body, seen) == (None, b"hell!", ["http/1.1"])
    assert min(timeline.dns_s, timeline.connect_s, timeline.tls_s) > 0
    assert timeline.kernel_reads >= 1
    assert timeline.sent <= timeline.written
    assert timeline.sent <= timeline.headers <= timeline.chunks[0] <= timeline.end


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ca_file": None}, "not accepted"),
        ({"host": "127.0.0.1"}, "not accepted"),
        ({"server_name": "other.test"}, "certificate of other.test is not accepted"),
        ({"ca_file": "/nowhere.pem"}, "cannot load /nowhere.pem"),
    ],
)
def test_a_certificate_that_does_not_fit_is_a_tls_failure(serve, trust, changes: dict, says: str) -> None:
    """An unknown authority, a wrong name, an unreadable file: kind tls and one line that says which."""
    failure, _, timeline = ask(https(serve(secure(trust.plain)), trust, **changes))

    assert failure is not None
    assert failure.kind == "tls"
    assert says in failure.detail
    assert timeline.sent == 0


def test_server_name_and_client_certificate_are_used(serve, trust) -> None:
    """`server_name` is verified in place of the host; a server that asks gets the client's certificate."""
    port = serve(secure(trust.strict))
    target = https(port, trust, host="127.0.0.1", server_name="model.test", client_cert=trust.client)

    assert get(target, "/", {}, 10) == HELLO
    failure, _, _ = ask(https(port, trust))
    assert failure is not None
    assert failure.kind in ("tls", "reset")  # TLS 1.3 refuses after the handshake; the alert may be lost to the reset


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (b"\x15\x03\x03\x00\x02\x02\x78", "HTTP/2 only"),  # alert no_application_protocol
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak TLS"),
        (b"", "closed during the TLS handshake"),
    ],
)
def test_a_handshake_that_fails_says_why(serve, trust, said: bytes, says: str) -> None:
    """An h2-only server, a plain one, one that hangs up: one clear line each."""

    def script(conn: socket.socket) -> None:
        conn.recv(65536)
        conn.sendall(said)
        conn.shutdown(socket.SHUT_WR)
        conn.recv(65536)

    failure, _, _ = ask(https(serve(script), trust))

    assert failure is not None
    assert failure.kind == "tls"
    assert says in failure.detail


def test_a_silent_handshake_ends_at_the_deadline(serve, trust) -> None:
    """A server that accepts and says nothing times out while no TLS session exists."""
    failure, _, _ = ask(
        https(serve(lambda conn: conn.recv(1) and conn.recv(1 << 20) and conn.recv(1)), trust), total_s=0.3
    )

    assert failure is not None
    assert (failure.kind, "no TLS session" in failure.detail) == ("timeout", True)


def test_a_session_ticket_older_than_the_request_is_no_clock_step(serve, trust) -> None:
    """TLS 1.3 tickets that came before the request was sent are not part of its reply: all reads stay the kernel's."""
    shaken = threading.Event()

    def script(session: ssl.SSLSocket) -> None:
        shaken.set()
        answer(session)

    def at_once(conn: socket.socket) -> None:
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or the second ticket waits for our request's ACK
        secure(trust.plain, script)(conn)

    target = https(serve(at_once), trust)
    channel = dial(target, Timeline(), 10)
    assert shaken.wait(10)  # on loopback what was sent is there: the tickets, unread
    sink, timeline = Stamps(), Timeline()
    flight = Flight(channel, target, sink, timeline)
    failure = flight.run([head("GET", target, "/", {}, 0)], Deadlines(total_s=10), time.monotonic_ns() + 10**10)
    channel.close()

    assert (failure, sink.body) == (None, b"hello")
    assert timeline.kernel_reads >= 1
    assert (timeline.clock_steps, timeline.user_reads) == (0, 0)


def test_megabytes_are_sealed_piece_by_piece(serve, trust) -> None:
    """A prompt of 3 MB goes through TLS to a reader that lets the socket fill, and comes back whole."""
    prompt, got = bytes(range(256)) * 12_000, []

    def script(session: ssl.SSLSocket) -> None:
        time.sleep(0.05)
        data = b""
        while not data.endswith(prompt[-256:]) or len(data) < len(prompt):
            data += session.recv(65536)
        got.append(data.partition(b"\r\n\r\n")[2])
        session.sendall(REPLY)
        session.recv(1)

    assert post(https(serve(secure(trust.plain, script)), trust), "/", {}, prompt, 20) == HELLO
    assert got == [prompt]


def test_a_keep_alive_tls_connection_that_closed_reconnects(serve, trust) -> None:
    """After close_notify on an idle connection the next exchange connects anew, once, silently."""

    def script(session: ssl.SSLSocket) -> None:
        session.recv(65536)
        session.sendall(REPLY)
        session.unwrap()

    target = https(serve(secure(trust.plain, script)), trust)
    connection = Connection(target)
    for _ in range(2):
        timeline = Timeline()
        assert connection.exchange([head("GET", target, "/", {}, 0)], Stamps(), timeline, Deadlines(total_s=10)) is None
        assert (timeline.attempts, timeline.tls_s is not None) == (1, True)
        time.sleep(0.05)
    connection.close()
