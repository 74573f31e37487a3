"""The stand-in service on a socket: an asyncio protocol and llhttp, no framework."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sys
from typing import cast

import httptools
import msgspec
import uvloop

from simulator import wire
from simulator.chat import ChatStream
from simulator.engine import Engine
from simulator.metrics import Metrics
from simulator.options import Options
from simulator.profiles import PROFILES
from simulator.requests import Chat, Tokenize, tokens_of
from simulator.streams import EngineTicker, Script

USAGE = 2


class Service:
    """What all connections share: the engine or the script, the counters, the draw of faults."""

    def __init__(self, options: Options, loop: asyncio.AbstractEventLoop) -> None:
        self.options = options
        profile = PROFILES[options.profile].faster(options.decode_speed, options.prefill_speed)
        if options.noise is not None:
            profile = msgspec.structs.replace(profile, noise=options.noise)
        self.profile = profile
        self.metrics, self.engine = Metrics(), Engine(profile, options.seed)
        self.ticker = EngineTicker(self.engine, self.metrics, loop)
        self.script = Script(options.ttft_ms / 1000, options.gap_ms / 1000, options.tokens, loop)
        self.events = wire.Events(
            options.model or "scripted" if options.scripted else options.model or "simulated-small"
        )
        self.key = os.environ.get(options.api_key_env) if options.api_key_env else None
        self._draw = random.Random(options.seed)
        self._seen = 0

    def fault(self) -> str | None:
        """What goes wrong with the next chat, if anything."""
        self._seen += 1
        faults = self.options.faults
        if self._seen <= faults.after:
            return None
        draw = self._draw.random()
        for name in faults.__struct_fields__[:-1]:
            draw -= getattr(faults, name)
            if draw < 0:
                return name
        return None


class Connection(asyncio.Protocol):
    """One client connection; requests on it are served one after the other."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._transport: asyncio.Transport
        self._stream: ChatStream | None = None
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._body, self._headers = b"", bytearray(), dict[bytes, bytes]()

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here."""
        self._transport = cast("asyncio.Transport", transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """The client is gone: the engine stops working for it."""
        if self._stream is not None:
            self._stream.cancel()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._answer(wire.error(400, f"not HTTP: {error}"))
            self._transport.close()

    # -- httptools

    def on_url(self, url: bytes) -> None:
        """Part of the request's target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers[name.lower()] = value

    def on_body(self, data: bytes) -> None:
        """Part of the body."""
        self._body += data

    def on_message_complete(self) -> None:
        """The whole request is here."""
        method, path = self._parser.get_method(), self._url.split(b"?")[0]
        body, headers = bytes(self._body), self._headers
        self._url, self._body, self._headers = b"", bytearray(), {}
        self._route(method, path, body, headers)

    # -- routes

    def _route(self, method: bytes, path: bytes, body: bytes, headers: dict[bytes, bytes]) -> None:
        service = self._service
        if service.key is not None and headers.get(b"authorization") != b"Bearer " + service.key.encode():
            self._answer(wire.error(401, "invalid API key"))
        elif (method, path) == (b"POST", b"/v1/chat/completions"):
            self._chat(body)
        elif (method, path) == (b"POST", b"/tokenize"):
            self._tokenize(body)
        elif (method, path) == (b"GET", b"/v1/models"):
            models = [{"id": service.events.model, "object": "model", "owned_by": "tokenswarm"}]
            self._answer(wire.reply(200, {"object": "list", "data": models}))
        elif (method, path) == (b"GET", b"/metrics"):
            page = service.metrics.text(service.engine, service.events.model)
            self._answer(wire.reply(200, page, kind=b"text/plain; version=0.0.4"))
        elif (method, path) == (b"GET", b"/health"):
            self._answer(wire.reply(200, b""))
        else:
            self._answer(wire.error(404, f"no route {method.decode()} {path.decode('latin-1')}"))

    def _answer(self, data: bytes) -> None:
        self._transport.write(data)

    def _tokenize(self, body: bytes) -> None:
        try:
            asked = msgspec.json.decode(body, type=Tokenize)
        except msgspec.MsgspecError as error:
            self._answer(wire.error(400, str(error)))
            return
        count = len(tokens_of(asked.prompt))
        limit = self._service.profile.max_model_len
        self._answer(wire.reply(200, {"count": count, "max_model_len": limit, "tokens": list(range(count))}))

    def _chat(self, body: bytes) -> None:
        try:
            chat = msgspec.json.decode(body, type=Chat)
        except msgspec.MsgspecError as error:
            self._answer(wire.error(400, str(error)))
            return
        known = self._service.options.model
        if known is not None and chat.model != known:
            self._answer(wire.error(404, f"The model `{chat.model}` does not exist."))
            return
        self._stream = ChatStream(self._service, self._transport, chat)
        self._stream.begin(self._service.fault())


def serve(options: Options) -> int:
    """Serve until SIGTERM or SIGINT; 2 when the port is taken."""
    uvloop.install()
    try:
        asyncio.run(_serve(options))
    except OSError as error:
        print(f"tokenswarm: port {options.port} is in use or not allowed: {error.strerror}", file=sys.stderr)  # noqa: T201
        return USAGE
    return 0


async def _serve(options: Options) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    service = Service(options, loop)
    server = await loop.create_server(lambda: Connection(service), "127.0.0.1", options.port, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"url": f"http://127.0.0.1:{port}", "pid": os.getpid()}), flush=True)  # noqa: T201
    await stop.wait()
    server.close()
