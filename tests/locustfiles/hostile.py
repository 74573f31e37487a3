"""A server of named misbehaviours: each case has a port of its own, and says what its client must make of it.

python hostile.py prints {"case": port, ...} and serves until its standard input closes.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass

# What a connection does: send bytes, sleep seconds, or one of
#   "request" read one request; "bite" read 64 KiB of it; "close"; "reset" (RST); "half" (FIN, then wait for the peer);
#   "hold" wait until the peer leaves; "flood" send body without end; "sip" read the request slowly
Moves = tuple[bytes | float | str, ...]

OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
JSON, SSE = b"content-type: application/json\r\n", b"content-type: text/event-stream\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def token(text: str) -> bytes:
    body = json.dumps(
        {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}, ensure_ascii=False
    )
    return b"data: " + body.encode() + b"\n\n"


def finish() -> bytes:
    usage = {"prompt_tokens": 5, "completion_tokens": 3}
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage}
    return b"data: " + json.dumps(last).encode() + b"\n\ndata: [DONE]\n\n"


def plain(status: bytes, body: bytes, headers: bytes = JSON) -> bytes:
    return b"HTTP/1.1 %s\r\n%scontent-length: %d\r\n\r\n%s" % (status, headers, len(body), body)


def drip(data: bytes) -> Moves:
    return tuple(move for byte in data for move in (bytes([byte]), 0.0003))


EVENTS = token("one") + token(" two") + token(" three") + finish()
STREAM = OK + chunk(token("one")) + chunk(token(" two")) + chunk(token(" three")) + chunk(finish()) + b"0\r\n\r\n"
FIRST = OK + chunk(token("one"))
ERROR = b'{"error": {"message": "no", "type": "x"}}'
H2_SETTINGS = b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18) + b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + bytes(8)


@dataclass(frozen=True)
class Case:
    """The moves of each connection in turn, what the client asks, and what must come of its last exchange."""

    moves: tuple[Moves, ...]
    failure: str | None = None  # the Failure's kind, None: a whole reply
    says: str = ""  # the failure's detail contains this
    status: int = 200
    events: int = 0  # content events that came
    outcome: str = "ok"  # how the whole client books it
    exchanges: int = 1
    attempts: int = 1
    total_s: float = 3.0
    first_s: float = 0.0
    prompt: int = 100  # bytes of the request's body
    scheme: str = "http"


def case(*moves: bytes | float | str, **expected: object) -> Case:
    """A case whose every connection reads the request, then makes these moves."""
    return Case(moves=(("request", *moves),), **expected)  # type: ignore[arg-type]


def fails(kind: str, outcome: str, *moves: bytes | float | str, says: str = "", **more: object) -> Case:
    expected = {"failure": kind, "outcome": outcome, "says": says, "status": 0, **more}
    return case(*moves, **expected)


BROKEN, LOST, LATE = "stream_broken", "connection", "timeout"
WIDE = token("a\u00e9\u6f22\U0001f600") + finish()
TRICKLE: Moves = tuple(move for _ in range(500) for move in (chunk(b": hi\n\n"), 0.005))
MANY: Moves = (b"x-a: b\r\n" * 4000,) * 9  # 288 kB of headers
CASES: dict[str, Case] = {
    # no connection, no reply
    "refused": fails("connect", LOST, says="refused"),
    "backlog_full": fails("timeout", LATE, total_s=0.4, says="no connection"),
    "accept_then_nothing": fails("timeout", LATE, "hold", total_s=0.3),
    "accept_then_no_token": fails("first_token_timeout", LATE, "hold", first_s=0.2),
    "close_unread": Case(moves=(("close",),), failure="closed|reset", outcome=LOST, status=0),
    # reset
    "reset_at_byte_0": fails("reset", LOST, "reset", says="before any byte"),
    "reset_mid_header": fails("reset", LOST, OK[:20], 0.05, "reset", says="headers"),
    "reset_after_headers": fails("reset", BROKEN, OK, 0.05, "reset", says="body", status=200),
    "reset_mid_chunk_size": fails("reset", BROKEN, FIRST + b"4", 0.05, "reset", status=200, events=1),
    "reset_mid_body": fails("reset", BROKEN, FIRST + b"50\r\ndata: {", 0.05, "reset", status=200, events=1),
    "reset_in_the_same_instant": fails("reset", BROKEN, FIRST, "reset", status=200, events=1),
    # half-close
    "half_close_at_byte_0": fails("closed", LOST, "half", says="before any byte"),
    "half_close_in_status_line": fails("closed", LOST, b"HTTP/1.1 2", "half", says="headers"),
    "half_close_mid_header": fails("closed", LOST, OK[:30], "half", says="headers"),
    "half_close_after_headers": fails("closed", BROKEN, OK, "half", says="body", status=200),
    "half_close_mid_chunk_size": fails("closed", BROKEN, FIRST + b"4", "half", status=200, events=1),
    "half_close_mid_body": fails("closed", BROKEN, FIRST + b"50\r\ndata: {", "half", status=200, events=1),
    "half_close_without_last_chunk": fails("closed", BROKEN, STREAM[:-5], "half", status=200, events=3),
    "content_length_too_long": fails(
        "closed", BROKEN, plain(b"200 OK", EVENTS, SSE).replace(b"h: ", b"h: 9"), "half", status=200, events=3
    ),
    # slow and split
    "slow_loris_headers": fails("timeout", LATE, *drip(OK[:-2] + b"x: y\r\n" * 400), total_s=0.3),
    "one_byte_at_a_time": case(*drip(STREAM), "hold", events=3),
    "split_crlf": case(*[m for part in STREAM.split(b"\r") for m in (part, 0.001, b"\r", 0.001)][:-2], events=3),
    "split_utf8": case(OK + b"%x\r\n" % len(WIDE), *drip(WIDE), b"\r\n0\r\n\r\n", events=1),
    "stall_before_first_token": fails("first_token_timeout", LATE, OK, "hold", status=200, first_s=0.2),
    "stall_after_first_token": fails("timeout", LATE, FIRST, "hold", status=200, events=1, first_s=0.1, total_s=0.4),
    "trickle_past_the_deadline": fails("timeout", LATE, OK, *TRICKLE, status=200, total_s=0.4),
    "flood_past_the_deadline": fails("timeout", LATE, OK.replace(b"transfer-encoding: chunked\r\n", b""), "flood",
                                     status=200, total_s=0.4),
    # not HTTP/1.1
    "bad_status_line": fails("protocol", BROKEN, b"HTTP/1.1 two hundred\r\n\r\n", "hold"),
    "another_protocol": fails("protocol", BROKEN, b"SSH-2.0-OpenSSH_9.2\r\n", "hold", says="SSH-2.0"),
    "http2_only": fails("protocol", BROKEN, H2_SETTINGS, "hold", says="HTTP/2"),
    "tls_port_asked_in_plain": fails("protocol", BROKEN, b"\x15\x03\x01\x00\x02\x02\x46", "close", says="https://"),
    "plain_port_asked_in_tls": Case(moves=((0.05, plain(b"400 Bad Request", b""), "hold"),), failure="tls",
                                    says="does not speak TLS", outcome=LOST, status=0, scheme="https"),
    "http09": fails("protocol", BROKEN, b"data: {}\n\n", "close"),
    "switching_protocols": fails("protocol", BROKEN, b"HTTP/1.1 101 X\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
                                 "hold"),
    # limits
    "never_ending_headers": fails("protocol", BROKEN, b"HTTP/1.1 200 OK\r\n", *MANY, "hold", says="64 KiB"),
    "giant_header": fails("protocol", BROKEN, b"HTTP/1.1 200 OK\r\nx: ", *[b"y" * 65536] * 9, "hold", says="64 KiB"),
    "never_ending_trailers": fails("protocol", BROKEN, STREAM[:-2], *MANY, "hold", says="64 KiB",
                                   status=200, events=3),
    "never_ending_chunk_extension": fails("protocol", BROKEN, FIRST + b"4;", *[b"e" * 65536] * 9, "hold", says="64 KiB",
                                          status=200, events=1),
    "never_ending_100_continue": fails("protocol", BROKEN, *[b"HTTP/1.1 100 Continue\r\n\r\n" * 3000] * 9, "hold"),
    # framing
    "bad_chunk_size": fails("protocol", BROKEN, FIRST + b"xyz\r\n", "hold", says="breaks", status=200, events=1),
    "chunk_size_overflow": fails("protocol", BROKEN, FIRST + b"f" * 20 + b"\r\n", "hold", status=200, events=1),
    "two_content_lengths": fails("protocol", BROKEN, plain(b"200 OK", b"{}", b"content-length: 3\r\n"), "hold"),
    "negative_content_length": fails("protocol", BROKEN, b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "hold"),
    "nul_in_header": fails("protocol", BROKEN, b"HTTP/1.1 200 OK\r\nx: \x00\r\n\r\n", "hold"),
    "compressed": fails("protocol", BROKEN, plain(b"200 OK", b"\x1f\x8b\x08", b"content-encoding: gzip\r\n"), "hold",
                        says="compressed (gzip)", status=200),
    "http10_close_delimited": case(b"HTTP/1.0 200 OK\r\n" + SSE + b"\r\n" + EVENTS, "close", events=3),
    "http11_close_delimited": case(b"HTTP/1.1 200 OK\r\n" + SSE + b"\r\n" + EVENTS, "half", events=3),
    "content_length": case(plain(b"200 OK", EVENTS, SSE), "hold", events=3),
    "content_length_too_short": case(plain(b"200 OK", token("one"), SSE) + EVENTS, "hold", events=1,
                                     outcome=BROKEN),
    "chunk_extensions": case(OK + b"%x;n=1;q=\"v\"\r\n%s\r\n" % (len(EVENTS), EVENTS) + b"0;last\r\n\r\n", events=3),
    "trailers": case(STREAM[:-2] + b"Server-Timing: queue;dur=3\r\n\r\n", "hold", events=3),
    "continue_100": case(b"HTTP/1.1 100 Continue\r\n\r\n", 0.01, STREAM, "hold", events=3),
    "early_hints_103": case(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 3 + STREAM, "hold", events=3),
    "no_content_204": case(b"HTTP/1.1 204 No Content\r\n\r\n", "hold", status=204, outcome="http_error"),
    # whole replies that are no answers
    "html_200": case(plain(b"200 OK", b"<html>hi</html>", b"content-type: text/html\r\n"), outcome="http_error"),
    "empty_200": case(plain(b"200 OK", b""), outcome="empty"),
    "only_done": case(OK + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n", outcome="empty"),
    "redirect_301": case(plain(b"301 Moved", b"", b"location: /\r\n"), status=301, outcome="http_error"),
    "unauthorized_401": case(plain(b"401 Unauthorized", ERROR), status=401, outcome="http_error"),
    "not_found_404": case(plain(b"404 Not Found", ERROR), status=404, outcome="http_error"),
    "too_many_429": case(plain(b"429 Too Many", ERROR, b"retry-after: 2\r\n"), status=429, outcome="rate_limited"),
    "error_500": case(plain(b"500 Oops", ERROR), status=500, outcome="http_error"),
    "unavailable_503": case(plain(b"503 Busy", b"busy", b""), status=503, outcome="http_error"),
    "malformed_event": case(OK + chunk(token("one")) + chunk(b'data: {"choices":[{]}\n\n') + b"0\r\n\r\n", events=1,
                            outcome="error_in_stream"),
    "error_in_stream": case(FIRST + chunk(b"data: " + ERROR + b"\n\n") + b"0\r\n\r\n", events=1,
                            outcome="error_in_stream"),
    # keep-alive
    "two_replies_at_once": case(STREAM + STREAM, "hold", events=3, exchanges=2),
    "garbage_after_the_reply": case(STREAM + b"GARBAGE", "hold", events=3, exchanges=2),
    "garbage_while_idle": case(STREAM, 0.02, b"HTTP/1.1 408 Slow\r\n\r\n", "hold", events=3, exchanges=2),
    "connection_close_each_time": case(STREAM.replace(b"OK\r\n", b"OK\r\nconnection: close\r\n"), "close", events=3,
                                       exchanges=3),
    "closed_while_idle": case(STREAM, "close", events=3, exchanges=3),
    "reset_while_idle": case(STREAM, "reset", events=3, exchanges=3),
    "reused_then_closed": Case(moves=(("request", STREAM, "request", "close"), ("request", STREAM, "hold")), events=3,
                               exchanges=2, attempts=2),
    "reused_then_reset": Case(moves=(("request", STREAM, "request", "reset"), ("request", STREAM, "hold")), events=3,
                              exchanges=2, attempts=2),
    "reused_then_reset_for_ever": Case(moves=(("request", STREAM, "request", "reset"), ("request", "reset")),
                                       exchanges=2, attempts=2, failure="reset", outcome=LOST, status=0),
    "reused_then_broken": Case(moves=(("request", STREAM, "request", b"H", 0.02, "reset"),), exchanges=2,
                               failure="reset", outcome=LOST, status=0),
    # large requests
    "slow_reader_of_5_mb": Case(moves=(("sip", STREAM, "hold"),), events=3, prompt=5_000_000),
    "reply_before_the_request_is_read": Case(moves=(("bite", plain(b"413 Too Large", ERROR), "hold"),), status=413,
                                             prompt=9_000_000, outcome="http_error", exchanges=2),
    "reply_then_reset_before_the_request_is_read": Case(
        moves=(("bite", plain(b"413 Too Large", ERROR, b"connection: close\r\n"), 0.05, "reset"),), status=413,
        prompt=9_000_000, outcome="http_error"),
    "reset_while_the_request_is_read": Case(moves=(("bite", 0.05, "reset"),), prompt=9_000_000, failure="reset",
                                            outcome=LOST, status=0),
    "never_reads": Case(moves=(("hold",),), prompt=9_000_000, failure="timeout", outcome=LATE, status=0, total_s=0.4),
}  # fmt: skip


class Stage:
    """One connection: makes its moves, then leaves."""

    def __init__(self, conn: socket.socket) -> None:
        self.conn = conn
        conn.settimeout(10)
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def play(self, moves: Moves) -> None:
        with contextlib.suppress(OSError), self.conn:
            for move in moves:
                if isinstance(move, bytes):
                    self.conn.sendall(move)
                elif isinstance(move, float):
                    time.sleep(move)
                else:
                    getattr(self, move)()

    def request(self, slowly: bool = False) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._some()
        head, _, body = data.partition(b"\r\n\r\n")
        left = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]) - len(body)
        while left > 0:
            left -= len(self._some())
            time.sleep(0.001 if slowly else 0)

    def _some(self) -> bytes:
        data = self.conn.recv(65536)
        if not data:
            raise ConnectionError
        return data

    def sip(self) -> None:
        self.request(slowly=True)

    def bite(self) -> None:
        self.conn.recv(65536)

    def close(self) -> None:
        self.conn.close()

    def reset(self) -> None:
        self.conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.conn.close()

    def half(self) -> None:
        self.conn.shutdown(socket.SHUT_WR)
        self.hold()

    def hold(self) -> None:
        """Wait for the peer's FIN or RST without reading what it sent."""
        while True:
            time.sleep(0.02)
            if self.conn.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 1:  # TCP_ESTABLISHED
                return

    def flood(self) -> None:
        while True:
            self.conn.sendall(b": nothing\n\n" * 6000)


def listen(name: str) -> list[socket.socket]:
    """The case's listener; two ports never answer: one is not listened on, one has its backlog full."""
    (sock := socket.socket()).bind(("127.0.0.1", 0))
    if name == "refused":
        return [sock]
    sock.listen(0 if name == "backlog_full" else 128)
    return [sock, socket.create_connection(sock.getsockname())] if name == "backlog_full" else [sock]


def serve() -> None:
    """Play every case, each connection on a thread of its own, until standard input closes."""
    played = dict.fromkeys(CASES, 0)
    stages = {name: listen(name) for name in CASES}
    ready = selectors.DefaultSelector()
    ready.register(sys.stdin, selectors.EVENT_READ)
    for name, (listener, *_) in stages.items():
        if name not in ("refused", "backlog_full"):
            ready.register(listener, selectors.EVENT_READ, name)
    ports = {name: listener.getsockname()[1] for name, (listener, *_) in stages.items()}
    print(json.dumps(ports), flush=True)  # noqa: T201
    while True:
        for key, _ in ready.select():
            if key.fileobj is sys.stdin:
                return
            conn, _ = key.fileobj.accept()
            moves = CASES[key.data].moves
            turn = moves[played[key.data] % len(moves)]
            played[key.data] += 1
            threading.Thread(target=Stage(conn).play, args=(turn,), daemon=True).start()


if __name__ == "__main__":
    serve()
