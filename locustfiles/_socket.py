"""A connected channel: found by name, reached through a proxy or a path, secured; each of these timed apart."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
import time
from typing import Any

from gevent import Timeout
from gevent.hub import get_hub

from exporters.sample import Timeline
from locustfiles._poll import RawSocket, poll_of, stamped
from locustfiles._target import Failure, Target, bracketed
from locustfiles._tls import Tls, context_of, refusal

READ, WRITE = 1, 2  # libev's EV_READ and EV_WRITE
PARTS_AT_ONCE = 64  # far below IOV_MAX (1024)
PROXY_HEAD_BYTES = 16384
Address = tuple[int, Any]  # family, what connect() takes


class DialError(Exception):
    """No channel came about; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


class Channel:
    """A connected non-blocking socket, its watchers, and the TLS session on it, if any."""

    __slots__ = ("_unsent", "reader", "recvmsg", "sock", "tls", "used", "writer")

    def __init__(self, sock: socket.socket, tls: Tls | None) -> None:
        self.sock, self.tls, self.used = sock, tls, False
        self.recvmsg = sock.recvmsg
        loop = get_hub().loop
        self.reader, self.writer = loop.io(sock.fileno(), READ), loop.io(sock.fileno(), WRITE)
        self._unsent = b""

    def write(self, parts: list[memoryview]) -> bool:
        """Write what the kernel takes now, and cut it off `parts`; True when everything is written."""
        try:
            if self.tls is not None:
                return self._write_sealed(self.tls, parts)
            while parts:
                _cut(parts, self.sock.sendmsg(parts[:PARTS_AT_ONCE]))
        except BlockingIOError:
            return False
        return True

    def _write_sealed(self, tls: Tls, parts: list[memoryview]) -> bool:
        while True:
            self._unsent += tls.sealed()
            while self._unsent:
                self._unsent = self._unsent[self.sock.send(self._unsent) :]
            if not parts:
                return True
            _cut(parts, tls.seal(parts[0]))

    def idle(self) -> bool:
        """Whether this idle connection can take a request: still open, and nothing came unasked."""
        try:
            while data := self.sock.recv(PROXY_HEAD_BYTES):
                if self.tls is None or any(True for _ in self.tls.open(data)):
                    return False  # TLS 1.3 session tickets come unasked and bring no text: those are fine
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def close(self) -> None:
        """Close it, watchers first: libev must not meet their number on another socket."""
        self.reader.close()
        self.writer.close()
        self.sock.close()


def _cut(parts: list[memoryview], sent: int) -> None:
    while parts and sent >= len(parts[0]):
        sent -= len(parts.pop(0))
    if sent:
        parts[0] = parts[0][sent:]


def dial(target: Target, timeline: Timeline, left_s: float) -> Channel:
    """A new channel, or DialError; blocks the calling greenlet. Fills dns_s, connect_s and tls_s of the timeline."""
    deadline = Timeout(left_s)
    deadline.start()
    try:
        return _dial(target, timeline, left_s)
    except Timeout as expired:
        if expired is not deadline:
            raise
        missing = "connection to" if timeline.connect_s is None else "TLS session with"
        raise DialError(Failure("timeout", f"no {missing} {target.place} within {left_s:.3g} s")) from None
    finally:
        deadline.close()


def _dial(target: Target, timeline: Timeline, left_s: float) -> Channel:
    poll_of(get_hub())
    timeline.dns_s = timeline.connect_s = timeline.tls_s = None
    if target.scheme == "https":
        _trust(target)
    addresses = _resolve(target, timeline)
    start = time.monotonic_ns()
    sock = _first(addresses, target, left_s)
    try:
        if target.proxy:
            _tunnel(sock, target)
        timeline.connect_s = (time.monotonic_ns() - start) / 1e9
        return Channel(sock, _secure(sock, target, timeline) if target.scheme == "https" else None)
    except BaseException:
        sock.close()
        raise


def _trust(target: Target) -> None:
    try:
        context_of(target.ca_file, target.client_cert, target.client_key)
    except OSError as error:
        files = " or ".join(name for name in (target.ca_file, target.client_cert, target.client_key) if name)
        raise DialError(Failure("tls", f"cannot load {files}: {error.strerror or error}")) from None


def _resolve(target: Target, timeline: Timeline) -> list[Address]:
    """Addresses to try in order; a path or a literal address needs no DNS, and has no dns_s."""
    if target.unix:
        return [(socket.AF_UNIX, target.unix)]
    host, port = target.proxy or (target.host, target.port)
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
            return [(family, (host, port))]
        except OSError:
            pass
    start = time.monotonic_ns()
    try:
        found = get_hub().resolver.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DialError(Failure("dns", f"{host}: {getattr(error, 'strerror', None) or error}")) from None
    timeline.dns_s = (time.monotonic_ns() - start) / 1e9
    return [(family, address) for family, _, _, _, address in found]


def _first(addresses: list[Address], target: Target, left_s: float) -> socket.socket:
    """A socket connected to the first address that answers; each gets its share of the time that is left."""
    until, refused = time.monotonic() + left_s, ""
    for index, (family, address) in enumerate(addresses):
        share_s = max(0.0, until - time.monotonic()) / (len(addresses) - index)
        try:
            if index + 1 == len(addresses):
                return _connect(family, address)
            with Timeout(share_s, False):
                return _connect(family, address)
        except OSError as error:
            refused = error.strerror or str(error)
    via = f" (proxy {bracketed(target.proxy[0])}:{target.proxy[1]})" if target.proxy else ""
    raise DialError(Failure("connect", f"{target.place}{via}: {refused}"))


def _connect(family: int, address: Any) -> socket.socket:
    sock = RawSocket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        stamped(sock)
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sock.connect(address)
        except BlockingIOError as begun:
            if begun.errno != errno.EINPROGRESS:  # a path whose backlog is full: nothing has begun
                raise
            _wait(sock, WRITE)
            if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, os.strerror(code)) from None
    except BaseException:
        sock.close()
        raise
    return sock


def _tunnel(sock: socket.socket, target: Target) -> None:
    """CONNECT through the proxy; what follows its head is the service's, which speaks after us."""
    place, head = f"{bracketed(target.host)}:{target.port}", b""
    try:
        _push(sock, f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode("ascii"))
        while b"\r\n\r\n" not in head and len(head) < PROXY_HEAD_BYTES:
            data = _pull(sock, 4096)
            if not data:
                break
            head += data
    except OSError as error:
        raise DialError(Failure("connect", f"the proxy, asked for {place}: {error.strerror}")) from None
    if not re.match(rb"HTTP/1\.[01] 2\d\d[ \r]", head) or not head.endswith(b"\r\n\r\n"):
        line = head.split(b"\r\n", 1)[0][:100].decode("latin-1")
        raise DialError(Failure("connect", f"the proxy does not connect to {place}: {line!r}"))


def _secure(sock: socket.socket, target: Target, timeline: Timeline) -> Tls:
    """A TLS session on the connected socket."""
    start, tls, received = time.monotonic_ns(), Tls(target), b""
    try:
        while not _shaken(sock, tls, received):
            received = _pull(sock, 65536)
            if not received:
                raise DialError(Failure("tls", f"{target.place} closed during the TLS handshake"))
    except ssl.SSLError as error:
        raise DialError(refusal(error, target)) from None
    except OSError as error:
        raise DialError(Failure("tls", f"{target.place} during the TLS handshake: {error.strerror}")) from None
    timeline.tls_s = (time.monotonic_ns() - start) / 1e9
    return tls


def _shaken(sock: socket.socket, tls: Tls, received: bytes) -> bool:
    try:
        return tls.shake(received)
    finally:
        _push(sock, tls.sealed())  # an alert too: the server should know why


def _push(sock: socket.socket, data: bytes) -> None:
    while data:
        try:
            data = data[sock.send(data) :]
        except BlockingIOError:
            _wait(sock, WRITE)


def _pull(sock: socket.socket, size: int) -> bytes:
    while True:
        try:
            return sock.recv(size)
        except BlockingIOError:
            _wait(sock, READ)


def _wait(sock: socket.socket, event: int) -> None:
    hub = get_hub()
    watcher = hub.loop.io(sock.fileno(), event)
    try:
        hub.wait(watcher)
    finally:
        watcher.close()
