"""The plainest client: one socket, bytes in, the reply taken apart by hand."""

from __future__ import annotations

import json
import re
import socket
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

PATIENCE_S = 20.0


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool  # whether it came to its end

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def payloads(self) -> list[bytes]:
        """The data of each event."""
        return [event.removeprefix(b"data: ") for event in self.body.split(b"\n\n") if event]

    @property
    def events(self) -> list[Any]:
        """Decoded events before [DONE], which must be the last."""
        assert self.payloads[-1] == b"[DONE]"
        return [json.loads(payload) for payload in self.payloads[:-1]]

    @property
    def texts(self) -> list[str]:
        """The content deltas that say something."""
        deltas = [event["choices"][0]["delta"] for event in self.events if event["choices"]]
        return [delta["content"] for delta in deltas if delta.get("content")]


class PlainClient:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=PATIENCE_S)
        self._rest = b""
        self.trailers: dict[str, str] = {}

    def __enter__(self) -> PlainClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def chat(self, *, headers: dict[str, str] | None = None, **members: Any) -> Reply:
        self.send(chat_bytes(headers, **members))
        return self.read()

    def get(self, path: str) -> Reply:
        self.send(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        return self.read()

    def read(self) -> Reply:
        """The next reply, as far as it comes."""
        while b"\r\n\r\n" not in self._rest:
            if not self._more():
                return Reply(0, {}, self._rest, False)
        head, self._rest = self._rest.split(b"\r\n\r\n", 1)
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        if "content-length" in headers:
            body, whole = self._take(int(headers["content-length"]))
        else:
            body, whole = self._chunks()
        return Reply(int(status.split()[1]), headers, body, whole)

    def _chunks(self) -> tuple[bytes, bool]:
        body = b""
        while True:
            while b"\r\n" not in self._rest:
                if not self._more():
                    return body, False
            size, self._rest = self._rest.split(b"\r\n", 1)
            if int(size, 16) == 0:
                return body, self._trailed()
            chunk, whole = self._take(int(size, 16) + 2)
            body += chunk[:-2]
            if not whole:
                return body, whole

    def _trailed(self) -> bool:
        """Read trailers up to their empty line."""
        self.trailers = {}
        while True:
            while b"\r\n" not in self._rest:
                if not self._more():
                    return False
            line, self._rest = self._rest.split(b"\r\n", 1)
            if not line:
                return True
            name, value = line.decode().split(": ", 1)
            self.trailers[name.lower()] = value

    def _take(self, length: int) -> tuple[bytes, bool]:
        while len(self._rest) < length:
            if not self._more():
                break
        data, self._rest = self._rest[:length], self._rest[length:]
        return data, len(data) == length

    def _more(self) -> bool:
        data = self.socket.recv(1 << 20)
        self._rest += data
        return bool(data)


def chat_bytes(headers: dict[str, str] | None = None, **members: Any) -> bytes:
    asked = {"messages": [{"role": "user", "content": "How are you?"}], "ignore_eos": True, **members}
    return post_bytes("/v1/chat/completions", json.dumps(asked).encode(), headers)


def post_bytes(path: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    return f"POST {path} HTTP/1.1\r\nhost: x\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


def metrics(url: str) -> dict[str, float]:
    """Every row of /metrics: name with the labels that tell rows apart."""
    with PlainClient(url) as client:
        page = client.get("/metrics").body.decode()
    rows = [line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#")]
    return {
        re.sub(r'engine="0",model_name="[^"]*",?', "", name).replace("{}", ""): float(value) for name, value in rows
    }


def metrics_when(url: str, name: str, value: float) -> dict[str, float]:
    """The metrics as soon as one of them has this value."""
    deadline = time.monotonic() + PATIENCE_S
    while (rows := metrics(url))[name] != value:
        assert time.monotonic() < deadline, f"{name} = {rows[name]}"
        time.sleep(0.005)
    return rows
