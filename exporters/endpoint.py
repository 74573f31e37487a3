"""A page of metrics over HTTP, for whoever scrapes it: the GPU exporter's, a master's, a worker's.

Under gevent's patches its threads are greenlets; without them they are threads.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

from exporters.exposition import CONTENT_TYPE


class Endpoint(ThreadingHTTPServer):
    """Serves /metrics, and /health whatever the page does."""

    daemon_threads = True

    def __init__(self, host: str, port: int, page: Callable[[], bytes], what: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.page, self.what, self._host = page, what, host
        super().__init__((host, port), Scrape)

    def server_bind(self) -> None:
        """Bind, without HTTPServer's question to DNS for our own name: where DNS is away that takes long."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self._host, int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where the page is."""
        where = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{where}:{self.server_port}/metrics"

    def start(self) -> None:
        """Serve from now on, beside whatever this process does."""
        threading.Thread(target=self.serve_forever, name="metrics", daemon=True).start()


class Scrape(BaseHTTPRequestHandler):
    """One connection of a scraper."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True  # or the end of a page waits 40 ms for the acknowledgement of its beginning
    timeout = 120
    server: Endpoint

    def do_GET(self) -> None:
        """The page, or that the process lives."""
        path = self.path.split("?", 1)[0]
        if path == "/metrics":
            self._answer(200, CONTENT_TYPE, self.server.page())
        elif path in ("/", "/health"):
            self._answer(200, "text/plain", f"{self.server.what}: see /metrics\n".encode())
        else:
            self._answer(404, "text/plain", b"nothing here: see /metrics\n")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: a line for each scrape tells nobody anything."""
