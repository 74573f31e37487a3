"""Synthetic workers for `benchmarks.fleet`: one process plays a fleet over real sockets, in Locust's own framing.

Each worker has a DEALER socket of its own, says who it is, beats its heart each second, sends Locust's own statistics
every three seconds and a report as often as ours do. Reports are built once by the real Outbox, from the requests of a
synthetic service, and sent again and again under new numbers: the master cannot tell, and the player has time left.
"""

from __future__ import annotations

import heapq
import json
import random
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import zmq
from locust import __version__
from locust.rpc.protocol import Message
from locust.stats import RequestStats
from msgspec.msgpack import encode

from exporters.fleet import ANSWER, ORDER, ROWS, VERSION, Outbox, report_every_s
from exporters.sample import Timeline
from locustfiles._wire import raise_file_limit
from shapes._plan import make_plan
from tests.exporters.synthetic import EPOCH_NS, Service, synthetic_scenario

BEAT_EVERY_S, STATS_EVERY_S = 1.0, 3.0  # Locust's own
FLOOD_S, FLOOD_EVERY_S = 55.0, 0.1  # 550 early heartbeats each: ZeroMQ's queues use new memory for their first 512
USERS = 40  # of one worker
TEMPLATES = 8  # different reports; each worker sends one of them
SPREAD = 0.5  # sd of the logarithm of each request's own slowness: sketches as wide as those of a service under load
TRIPLE = b"\x93"  # msgpack's head of Locust's (type, data, worker)

Event = tuple[float, int, int]  # when it is due, which worker, which of its duties


class Captured:
    """A runner that keeps the last message."""

    worker_index = 0

    def __init__(self) -> None:
        self.sent: dict[str, Any] = {}

    def send_message(self, msg_type: str, data: Any = None, client_id: str | None = None) -> None:  # noqa: ARG002
        """Keep it."""
        self.sent = data

    def register_message(self, msg_type: str, listener: Callable[..., None]) -> None:
        """Nobody speaks to it."""


def report(requests: int, seed: int) -> tuple[dict[str, Any], float]:
    """The real Outbox's report of so many requests of 64 tokens, and the seconds of CPU that its flush took."""
    scenario = synthetic_scenario(1, 1, (USERS,), ("medium/medium",), False, seed, {})
    service, draws = Service(0.0, 0.02, 0.0, seed), np.random.default_rng(seed)
    step = next(iter(make_plan(scenario).steps))
    life = service.live(step, EPOCH_NS)
    exchanges = [timeline for sample, timeline in life.requests if sample.phase == "window"]
    runner = Captured()
    outbox = Outbox(runner, "synthetic")
    for i in range(requests):
        timeline = slower(exchanges[i % len(exchanges)], float(np.exp(draws.normal(0.0, SPREAD))))
        sample = service.sample(step, life, timeline, failed=False)
        gaps, censored = timeline.gaps_s()
        outbox.tally.step(step.id).add(sample, gaps, censored, timeline)
        outbox.add(sample)
    began = time.process_time()
    outbox.flush()
    return runner.sent, time.process_time() - began


def slower(timeline: Timeline, factor: float) -> Timeline:
    """The same request at another speed."""
    stamps = np.frombuffer(timeline.chunks, dtype=np.int64)
    stamps = timeline.sent + ((stamps - timeline.sent) * factor).astype(np.int64)
    first, last = int(stamps[0]), int(stamps[-1])
    return msgspec.structs.replace(
        timeline, chunks=array("q", stamps.tobytes()), headers=first - 1_000_000, first_visible=first, end=last
    )


def statistics(requests: int) -> dict[str, Any]:
    """What Locust's own worker reports of as many requests, every three seconds."""
    stats, draws = RequestStats(), random.Random(1)
    for _ in range(int(requests * STATS_EVERY_S)):
        stats.log_request("POST", "/v1/chat/completions", int(draws.lognormvariate(6.0, SPREAD)), 20_000)
    return {
        "stats": stats.serialize_stats(),
        "stats_total": stats.total.get_stripped_report(),
        "errors": {},
        "user_classes_count": {"ChatUser": USERS},
        "user_count": USERS,
    }


class Envelope:
    """A report that is packed but for what changes from one sending to the next."""

    CHANGING = ("worker", "seq", "rows_sent", "at")  # `at` is the player's own: when it was sent

    def __init__(self, data: dict[str, Any]) -> None:
        self.rows: int = data["rows"]
        fixed = [(key, value) for key, value in data.items() if key not in self.CHANGING]
        members = len(fixed) + len(self.CHANGING)
        assert members < 16, "more would need another head"
        self._head = TRIPLE + encode(ROWS) + bytes([0x80 | members])
        self._tail = b"".join(encode(part) for pair in fixed for part in pair)

    def packed(self, worker: str, seq: int, at: float) -> bytes:
        """The message as it goes over the wire."""
        changing = zip(self.CHANGING, (worker, seq, seq * self.rows, at), strict=True)
        middle = b"".join(encode(part) for pair in changing for part in pair)
        return self._head + middle + self._tail + encode(worker)


class Player:
    """One worker of the fleet."""

    def __init__(self, context: zmq.Context[Any], address: str, index: int, envelope: Envelope | None) -> None:
        self.name, self.index, self._envelope = f"synthetic-{index:04}", index, envelope
        self._socket = context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.IDENTITY, self.name.encode())
        self._socket.connect(address)
        self._beat = self._message(
            "heartbeat", {"state": "running", "current_cpu_usage": 50, "current_memory_usage": 100 << 20}
        )
        self._reports = False
        self.seq = 0
        self._send("client_ready", __version__)
        self._send(ANSWER, {"seq": -1, "worker": self.name, "index": index, "version": VERSION})

    def _message(self, kind: str, data: Any) -> bytes:
        return bytes(Message(kind, data, self.name).serialize())

    def _send(self, kind: str, data: Any) -> None:
        self._socket.send(self._message(kind, data))

    def beat(self) -> None:
        """Send a heartbeat; read what the master has said, and obey it."""
        self._socket.send(self._beat)
        while self._socket.poll(0):
            raw = self._socket.recv()
            if ORDER.encode() in raw:
                self._obey(Message.unserialize(raw).data)

    def _obey(self, order: dict[str, Any]) -> None:
        """Reports begin with the window and end with the drain; the window's own answer never comes."""
        self._reports = order["phase"] == "window"
        if not self._reports:
            sent = self.seq * self._envelope.rows if self._envelope else 0
            answer = {"seq": order["seq"], "worker": self.name, "index": self.index, "run": "fleet", "rows_sent": sent}
            self._send(ANSWER, answer)

    def statistics(self, packed: bytes) -> None:
        """Send Locust's own report."""
        self._socket.send(TRIPLE + encode("stats") + packed + encode(self.name))

    def report(self) -> None:
        """Send ours."""
        if self._reports and self._envelope:
            self.seq += 1
            self._socket.send(self._envelope.packed(self.name, self.seq, time.monotonic()))


def duties(players: list[Player], stats: bytes, flood_s: float) -> Iterator[tuple[float, Callable[[], None]]]:
    """Every duty of every worker in the order of time, evenly spread, for ever."""
    kinds = ((BEAT_EVERY_S, Player.beat), (report_every_s(len(players)), Player.report))
    begun = time.monotonic()
    events: list[Event] = []
    for place, player in enumerate(players):
        share = (player.index * 0.618) % 1.0  # neighbours are apart
        events += [(begun + kinds[0][0] * share, place, 0), (begun + kinds[1][0] * share + 0.4, place, 1)]
        events.append((begun + STATS_EVERY_S * share + 0.8, place, 2))
    heapq.heapify(events)
    while True:
        due, place, kind = events[0]
        player = players[place]
        if kind == 2:
            yield due, lambda player=player: player.statistics(stats)  # type: ignore[misc]
        else:
            yield due, lambda player=player, act=kinds[kind][1]: act(player)  # type: ignore[misc]
        every_s = STATS_EVERY_S if kind == 2 else kinds[kind][0]
        every_s = FLOOD_EVERY_S if kind == 0 and due < begun + flood_s else every_s
        heapq.heapreplace(events, (due + every_s, place, kind))


def play(port: int, workers: int, rate: int, flood: int) -> None:
    """Play so many workers until the parent closes standard input; print how late duties were at worst."""
    raise_file_limit()
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, workers + 16)
    requests = round(rate * report_every_s(workers))
    envelopes = [Envelope(report(requests, seed)[0]) if rate else None for seed in range(TEMPLATES)]
    stats = encode(statistics(max(rate, 1)))
    address = f"tcp://127.0.0.1:{port}"
    players = [Player(context, address, i, envelopes[i % TEMPLATES]) for i in range(workers)]
    ends = zmq.Poller()
    ends.register(sys.stdin.fileno(), zmq.POLLIN)
    late: list[float] = []
    for due, act in duties(players, stats, FLOOD_S if flood else 0.0):
        wait_ms = (due - time.monotonic()) * 1e3
        if (wait_ms > 1 or len(late) % 1000 == 0) and ends.poll(max(int(wait_ms), 0)):
            break
        late.append(time.monotonic() - due)
        act()
    context.destroy(linger=0)
    print(json.dumps({"late_p99_s": float(np.quantile(late, 0.99)), "cpu_s": time.process_time()}), flush=True)


if __name__ == "__main__":
    play(*map(int, sys.argv[1:]))
