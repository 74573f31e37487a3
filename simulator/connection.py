"""One client connection: HTTP/1.1 requests, answered one after the other."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections import deque
from typing import cast

import httptools
import msgspec

from simulator import wire
from simulator.chat import ChatStream
from simulator.faults import HEADER, Fault, split_model
from simulator.line import Line
from simulator.requests import Chat, Tokenize, overflow, text_of
from simulator.service import Service

LARGEST_BODY = 64 * 2**20

log = logging.getLogger(__name__)


class Request(msgspec.Struct):
    """One whole request; `arrived_s` is when its last byte was read (monotonic)."""

    method: bytes
    path: bytes
    headers: dict[bytes, bytes]
    body: bytes
    version: str
    keep_alive: bool
    arrived_s: float


class Connection(asyncio.Protocol):
    """Reads requests, however they are cut, and answers them in order."""

    def __init__(self, service: Service, clients: set[Connection]) -> None:
        self._service, self._clients = service, clients
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._headers, self._body = b"", dict[bytes, bytes](), bytearray()
        self._requests: deque[Request] = deque()
        self._current: Request | None = None
        self._stream: ChatStream | None = None
        self._closing = False

    # -- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here."""
        self._line = Line(cast("asyncio.Transport", transport), self._service.session())
        self._clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """The client is gone: the engine stops working for it."""
        self._clients.discard(self)
        self._closing = True
        if self._stream is not None:
            self._stream.cancel()

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        try:
            self._parser.feed_data(self._line.opened(data))
        except httptools.HttpParserUpgrade:  # h2c and the like: the request is answered over HTTP/1.1, which is allowed
            self._parser = httptools.HttpRequestParser(self)
        except httptools.HttpParserError as error:
            if not self._closing:
                self._refuse(wire.error(400, f"not HTTP/1.1: {error}"))

    def finish(self) -> None:
        """Close when what is under way has been answered."""
        self._closing = True
        if self._current is None:
            self._line.close()

    # -- httptools

    def on_url(self, url: bytes) -> None:
        """Part of the request's target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The client may wait for our word before it sends a large body."""
        if self._headers.get(b"expect", b"").lower() == b"100-continue" and self._current is None:
            self._line.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        """Part of the body."""
        self._body += data
        if len(self._body) > LARGEST_BODY and not self._closing:
            self._refuse(wire.error(413, f"a body of more than {LARGEST_BODY} bytes"))

    def on_message_complete(self) -> None:
        """The whole request is here."""
        parser = self._parser
        request = Request(
            parser.get_method(), self._url.split(b"?")[0], self._headers, bytes(self._body),
            parser.get_http_version(), parser.should_keep_alive(), time.monotonic(),
        )  # fmt: skip
        self._url, self._headers, self._body = b"", {}, bytearray()
        self._requests.append(request)
        self._next()

    # -- one request after the other

    def _next(self) -> None:
        if self._requests and self._current is None and not self._closing:
            self._current = request = self._requests.popleft()
            log.info("%s %s, %d bytes", request.method.decode(), request.path.decode("latin-1"), len(request.body))
            self._route(request)

    def _answer(self, data: bytes) -> None:
        self._line.write(data)
        self._done()

    def _done(self) -> None:
        """The reply is written. The next request waits for the loop's next pass: the engine is handing out tokens."""
        request, self._current, self._stream = self._current, None, None
        if self._closing or (request is not None and not request.keep_alive):
            self._closing = True
            self._line.close()
        elif self._requests:
            self._service.loop.call_soon(self._next)

    def _refuse(self, data: bytes) -> None:
        """Answer what cannot be read, and end the connection."""
        self._closing = True
        self._line.write(data)
        self._line.close()

    def _route(self, request: Request) -> None:
        service, route = self._service, (request.method, request.path)
        if request.path.startswith(b"/v1/") and not self._has_key(request):  # as vLLM: only these are guarded
            self._answer(wire.error(401, "invalid API key"))
        elif route == (b"POST", b"/v1/chat/completions"):
            self._chat(request)
        elif route == (b"POST", b"/tokenize"):
            self._tokenize(request)
        elif route == (b"GET", b"/v1/models"):
            about = {"object": "model", "created": 0, "owned_by": "tokenswarm", **self._limit()}
            models = [{"id": name, **about} for name in service.events]
            self._answer(wire.reply(200, {"object": "list", "data": models}))
        elif route == (b"GET", b"/metrics"):
            self._answer(wire.reply(200, service.page(), kind=b"text/plain; version=0.0.4"))
        elif route == (b"GET", b"/health"):
            self._answer(wire.reply(200, b""))
        else:
            said = f"no route {request.method.decode()} {request.path.decode('latin-1')}"
            self._answer(wire.error(404, said))

    def _has_key(self, request: Request) -> bool:
        key = self._service.key
        given = request.headers.get(b"authorization", b"")
        return key is None or hmac.compare_digest(given, b"Bearer " + key.encode())

    def _limit(self) -> dict[str, int]:
        return {"max_model_len": self._service.profile.max_model_len}

    def _tokenize(self, request: Request) -> None:
        try:
            asked = msgspec.json.decode(request.body, type=Tokenize)
        except msgspec.MsgspecError as error:
            self._answer(wire.error(400, str(error)))
            return
        tokens = self._service.vocabulary.encode(asked.prompt or text_of(asked.messages))
        answer = {"count": len(tokens), **self._limit(), "tokens": tokens, "token_strs": None}
        self._answer(wire.reply(200, answer))

    def _chat(self, request: Request) -> None:
        try:
            chat = msgspec.json.decode(request.body, type=Chat)
            model, fault = self._fault(request, chat)
        except (msgspec.MsgspecError, ValueError) as error:
            self._answer(wire.error(400, str(error)))
            return
        said = chat.objection()
        if self._service.options.model is not None and model not in self._service.events:
            self._answer(wire.error(404, f"The model `{model}` does not exist.", param="model"))
        elif said is not None:
            self._answer(wire.error(400, said))
        elif chat.stream and request.version != "1.1":
            self._answer(wire.error(505, f"a stream over HTTP/{request.version}: HTTP/1.1 is needed"))
        else:
            self._begin(chat, fault, request.arrived_s)

    def _fault(self, request: Request, chat: Chat) -> tuple[str, Fault | None]:
        """The model without its suffix, and the fault that the request asks for."""
        faults, wish = self._service.options.faults, request.headers.get(HEADER)
        model, fault = split_model(chat.model, faults)
        return model, faults.parsed(wish.decode("latin-1")) if wish is not None else fault

    def _begin(self, chat: Chat, fault: Fault | None, arrived_s: float) -> None:
        service = self._service
        job = service.job(chat)
        said = overflow(service.profile.max_model_len, job.prompt_tokens, chat.limit or job.max_tokens)
        if said is not None and not service.options.scripted:
            self._answer(wire.error(400, said, param="input_tokens"))
            return
        self._stream = ChatStream(service, self._line, chat, self._done)
        self._stream.begin(fault or service.draw.next(), job, arrived_s)
