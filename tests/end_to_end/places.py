"""Two machines in one: network namespaces, a link between them for the swarm and one for the service."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence

import pytest

# Addresses of documentation (RFC 5737): nothing of them leaves the namespaces.
SWARM, SERVICE = ("192.0.2.1", "192.0.2.2"), ("198.51.100.1", "198.51.100.2")


class Places:
    """Here (the master and the service) and there (a worker); `cut` takes the swarm's link down."""

    def __init__(self, name: str) -> None:
        self.here, self.there = f"{name}a", f"{name}b"

    def run(self, place: str, *command: str) -> subprocess.CompletedProcess[str]:
        """A short command in one place."""
        return subprocess.run([*self.prefix(place), *command], capture_output=True, text=True, check=True)

    def prefix(self, place: str) -> Sequence[str]:
        """What makes a command run in a place."""
        return ("ip", "netns", "exec", place)

    def link(self, name: str, addresses: tuple[str, str]) -> None:
        """A pair of interfaces between the places."""
        ip("link", "add", f"{name}0", "netns", self.here, "type", "veth", "peer", f"{name}1", "netns", self.there)
        for place, end, address in zip((self.here, self.there), "01", addresses, strict=True):
            ip("-n", place, "address", "add", f"{address}/30", "dev", f"{name}{end}")
            ip("-n", place, "link", "set", f"{name}{end}", "up")

    def cut(self, state: str = "down") -> None:
        """The swarm's link down, or up again."""
        ip("-n", self.here, "link", "set", "swarm0", state)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], capture_output=True, check=True)


@contextlib.contextmanager
def two_places() -> Iterator[Places]:
    """Namespaces with their links, removed at the end; skips where they may not be made."""
    places = Places(f"ts{os.getpid()}")
    try:
        ip("netns", "add", places.here)
        ip("netns", "add", places.there)
        places.link("swarm", SWARM)
        places.link("data", SERVICE)
        for place in (places.here, places.there):
            ip("-n", place, "link", "set", "lo", "up")
    except (OSError, subprocess.CalledProcessError) as error:
        remove(places)
        pytest.skip(f"network namespaces cannot be made here: {error}")
    try:
        yield places
    finally:
        remove(places)


def remove(places: Places) -> None:
    for place in (places.here, places.there):
        subprocess.run(["ip", "netns", "delete", place], capture_output=True, check=False)
