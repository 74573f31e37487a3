"""The bytes to one client, written when they are due and not at the end of the loop's pass."""

from __future__ import annotations

import asyncio
import os
import socket
import struct


class Line:
    """Writes past the transport's queue while that is empty: a send stamp in the data is then the time of the send."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._fd = self._socket.fileno()
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, data: bytes) -> None:
        """Send now; what the kernel does not take goes by the transport, in order."""
        transport = self._transport
        if transport.is_closing():
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
