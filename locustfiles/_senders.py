"""What the open loop of a process deals with: requests that are due, senders, and the hub that tells it the time."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from exporters.fleet import Lane
from locustfiles._pace import Gate


class Item(NamedTuple):
    """One request that is due."""

    settle_seq: int  # the order that its schedule began with
    due: int  # ns, on this process's monotonic clock
    due_s: float  # from the schedule's start
    lane: int
    number: int
    sizes: tuple[int, int] | None


class Sender:
    """One user's place in this process; `ready` is called when it has got a request, before that is due."""

    __slots__ = ("gate", "index", "item", "ready", "warmed")

    def __init__(self, index: int, gate: Gate, ready: Callable[[Lane], None]) -> None:
        self.index, self.gate, self.ready = index, gate, ready
        self.item: Item | None = None
        self.warmed = -1


class Hub(NamedTuple):
    """What the open loop needs of the process that it runs in."""

    now: Callable[[], int]  # monotonic ns
    gate: Callable[[], Gate]
    alarm: Callable[[float, Callable[[], None]], object]  # call back after so many seconds
    spawn: Callable[[int], object]  # have so many users more
