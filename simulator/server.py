"""The simulator as a process: listens, says where, serves until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import sys

import uvloop

from simulator.connection import Connection
from simulator.options import SimulatorOptions
from simulator.service import Service
from simulator.vocabulary import load_vocabulary

USAGE = 2
GRACE_S = 1.0  # replies under way may end within this after the first signal; a second signal ends them at once


def serve(options: SimulatorOptions) -> int:
    """Serve until SIGTERM or SIGINT; 2, with one line on stderr, when it cannot."""
    if options.log:
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    key = os.environ.get(options.api_key_env) if options.api_key_env else None
    if options.api_key_env and not key:
        return _fail(f"--api-key-env {options.api_key_env}: this environment variable is empty or not set")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(options, key))
    except OSError as error:
        return _fail(f"port {options.port} of {options.host} is in use or not allowed: {error.strerror or error}")
    except ValueError as error:
        return _fail(str(error))
    return 0


def _fail(text: str) -> int:
    print(f"tokenswarm: {text}", file=sys.stderr)  # noqa: T201
    return USAGE


async def _serve(options: SimulatorOptions, key: str | None) -> None:
    loop, stops = asyncio.get_running_loop(), asyncio.Semaphore(0)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stops.release)
    clients: set[Connection] = set()
    service = Service(options, load_vocabulary(), loop, key)
    port, shared = (options.port, None) if options.share_port is None else (options.share_port, True)
    server = await loop.create_server(
        lambda: Connection(service, clients), options.host, port, backlog=4096, reuse_port=shared
    )
    gc.freeze()  # what is here stays: no collection walks it
    _say_ready("https" if options.tls_cert else "http", options.host, server.sockets[0].getsockname()[1])
    await stops.acquire()
    server.close()
    for client in list(clients):
        client.finish()
    await _drained(clients, stops)
    service.source.close()


def _say_ready(scheme: str, host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    print(json.dumps({"url": f"{scheme}://{shown}:{port}", "pid": os.getpid()}), flush=True)  # noqa: T201


async def _drained(clients: set[Connection], stops: asyncio.Semaphore) -> None:
    """Return when every client is gone, after the grace, or at a second signal."""
    deadline = asyncio.get_running_loop().time() + GRACE_S
    while clients and stops.locked() and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.01)
