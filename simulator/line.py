"""The bytes to one client, written when they are due and not at the end of the loop's pass."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct

from simulator.tls import Session


class Line:
    """Writes past the transport's queue while that is empty: a send stamp in the data is then the time of the send.

    Over TLS the data is encrypted between its stamp and the write: some microseconds.
    """

    def __init__(self, transport: asyncio.Transport, session: Session | None = None) -> None:
        self._transport, self._session = transport, session
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._fd = self._socket.fileno()
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def opened(self, data: bytes) -> bytes:
        """What the client said: decrypted, or as it is."""
        session = self._session
        if session is None:
            return data
        try:
            text = session.open(data)
        except ssl.SSLError:  # it speaks no TLS, or does not trust us: it gets the alert, and no more
            self._send(session.sealed())
            self._transport.close()
            return b""
        self._send(session.sealed())
        return text

    def write(self, data: bytes) -> None:
        """Send now; what the kernel does not take goes by the transport, in order."""
        if not self._transport.is_closing():
            self._send(data if self._session is None else self._session.seal(data))

    def _send(self, data: bytes) -> None:
        transport = self._transport
        if not data:
            return
        sent = 0
        if not transport.get_write_buffer_size():
            try:
                sent = os.write(self._fd, data)
            except BlockingIOError:
                sent = 0
            except OSError:  # the client is gone
                transport.abort()
                return
        if sent < len(data):
            transport.write(data[sent:])

    def close(self) -> None:
        """End the connection after what was written."""
        self._transport.close()

    def reset(self) -> None:
        """End the connection with a RST: close() sends one when lingering is on and zero."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
