"""`tokenswarm master` and `tokenswarm worker`: one swarm over several machines, each a Locust of its own."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scenarios.load import load_scenario
from shapes import _prices as prices
from shapes._launch import Place, become, entries_of, locust_options, make_directory
from shapes._shape import new_directory


class Post(NamedTuple):
    """Where a master listens and for whom, or whom a worker looks for."""

    host: str
    port: int
    workers: int = 1  # processes: a master waits for so many, a worker is so many
    patience_s: int = 0  # how long a master waits for them; 0 = for ever
    web_port: int | None = None  # a page to start and stop runs from, instead of one run at once


def lead(scenario: Path, place: Place, post: Post, overrides: Sequence[str]) -> None:
    """Be the master of a swarm: check scenario, ports and directory here, in words, then become Locust.

    OSError when it could not listen.
    """
    asked = prices.asked(scenario, overrides)
    for name, host, port in (("--port", post.host, post.port), ("--web-port", "*", post.web_port)):
        if port is not None:
            _require_free(name, host, port)
    options = ["--scenario", str(scenario), *_sets(overrides)]
    options += ["--copy-to", place.copy_to] if place.copy_to else []
    options += ["--master", "--master-bind-host", post.host, "--master-bind-port", str(post.port)]
    if post.web_port is not None:
        become(["-f", entries_of(asked), "--web-port", str(post.web_port)], options)
    directory = place.out or new_directory(asked.name)
    make_directory(directory)
    options += ["--out", str(directory), "--expect-workers", str(post.workers)]
    options += ["--expect-workers-max-wait", str(post.patience_s)] if post.patience_s else []
    become(locust_options(asked, directory), options)


def join(scenario: Path, post: Post, overrides: Sequence[str]) -> None:
    """Be one or more workers of a master. The scenario only says which users to be: what they do is the master's."""
    entries = entries_of(load_scenario(scenario, overrides))
    options = ["--worker", "--master-host", post.host, "--master-port", str(post.port)]
    become(["-f", entries, *options], ["--processes", str(post.workers)] if post.workers > 1 else [])


def _require_free(name: str, host: str, port: int) -> None:
    """OSError, one clear line, when nobody can listen there: Locust would say so in a traceback."""
    try:
        socket.create_server(("" if host == "*" else host, port)).close()
    except OSError as error:
        raise OSError(f"{name} {port} of {host} is in use or not allowed: {error.strerror or error}") from None


def _sets(overrides: Sequence[str]) -> list[str]:
    return [part for override in overrides for part in ("--set", override)]
