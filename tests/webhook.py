"""A webhook on loopback: keeps what it gets, answers what it is told to."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class Hook(HTTPServer):
    """Path, content type and decoded body of each request are in `got`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taken)
        self.got: list[tuple[str, str, Any]] = []
        self.status = 200
        self.url = f"http://127.0.0.1:{self.server_port}/services/T0/secret"


class _Taken(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        taken = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Content-Type"], json.loads(taken)))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def listening() -> Iterator[Hook]:
    """One that listens, until the block ends."""
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
