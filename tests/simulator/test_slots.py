"""A service of known capacity: so many streams at once, the others wait; who served a reply is said."""

from __future__ import annotations

import random
import socket
import time
from collections import Counter

import pytest

from simulator.options import SimulatorOptions
from simulator.process import served
from simulator.slots import IDLE_S, Slots
from tests.simulator.plain_client import PlainClient, chat_bytes

SCRIPT = ("--scripted", "--ttft-ms", "40", "--gap-ms", "10", "--tokens", "7")  # a stream takes 100 ms


def test_slots_are_taken_and_given_back() -> None:
    """As many as there are; without a limit always one more."""
    slots = Slots(3, 0.0, random.Random(1))
    assert [slots.free(running, 0.0) for running in range(5)] == [True, True, True, False, False]
    assert Slots(None, 0.0, random.Random(1)).free(10**6, 0.0)


def test_the_number_drifts_after_a_pause_and_only_then() -> None:
    """Streams that follow one another see one number; after a pause it is drawn again, up to 5 % off on average 0."""
    slots = Slots(100, 0.05, random.Random(2))
    first, drawn, now = slots.open, [], 0.0
    for _ in range(50):
        slots.ended(now)
        slots.free(0, now + IDLE_S / 2)
    assert slots.open == first
    for _ in range(2000):
        slots.ended(now)
        now += 2 * IDLE_S
        slots.free(0, now)
        drawn.append(slots.open)
    assert (min(drawn), max(drawn)) == (95, 105)
    assert sum(drawn) / len(drawn) == pytest.approx(100, abs=0.3)


def test_a_stream_without_a_slot_waits_its_turn() -> None:
    """Two slots, five streams of 100 ms at once: first tokens after 40 ms, 140 ms and 240 ms, in their order."""
    with served("simulator", (*SCRIPT, "--slots", "2")) as url:
        clients = [PlainClient(url) for _ in range(5)]
        sent = time.time_ns()
        for client in clients:
            client.send(chat_bytes(stream=True))
            time.sleep(0.002)
        firsts = [(int(client.read().texts[0]) - sent) / 1e6 for client in clients]
        for client in clients:
            client.socket.close()
    for first, due in zip(firsts, (40, 40, 140, 140, 240), strict=True):
        assert due - 1 < first < due + 40


def test_a_client_that_leaves_gives_its_place_away() -> None:
    """Whether it was being served or still waiting: those behind it come sooner."""
    with served("simulator", (*SCRIPT, "--slots", "1", "--stall-s", "9")) as url:
        running, waiting, last = (PlainClient(url) for _ in range(3))
        for client in (running, waiting, last):
            client.send(chat_bytes(stream=True))
            time.sleep(0.005)
        waiting.socket.close()
        running.socket.close()
        began = time.monotonic()
        assert len(last.read().texts) == 7
        assert time.monotonic() - began < 0.19  # its own 100 ms, and nobody else's
        last.socket.close()


def test_a_reply_says_who_served_it() -> None:
    """Streamed, whole, and refused: the name is in a header; without a name there is none."""
    with (
        served("simulator", (*SCRIPT, "--name", "replica 7", "--fail-429", "0.5", "--seed", "4")) as url,
        PlainClient(url) as client,
    ):
        replies = [client.chat(stream=bool(i % 2)) for i in range(12)]
    assert Counter(reply.headers["x-served-by"] for reply in replies) == {"replica 7": 12}
    assert {reply.status for reply in replies} == {200, 429}
    with served("simulator", SCRIPT) as url, PlainClient(url) as client:
        assert "x-served-by" not in client.chat(stream=True).headers


def test_several_share_a_port() -> None:
    """Connections to one port are spread over all that listen there; each connection stays with one of them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = (*SCRIPT, "--share-port", port, "--name")
    with served("simulator", (*shared, "a")) as url, served("simulator", (*shared, "b")):
        names = []
        for _ in range(24):
            with PlainClient(url) as client:
                mine = {client.chat(stream=False).headers["x-served-by"] for _ in range(2)}
            names.append(*mine)
    assert set(names) == {"a", "b"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"slots": 0, "scripted": True},
        {"slots": 4},
        {"drift": 1.0},
        {"name": "two\nlines"},
        {"name": ""},
        {"share_port": 0},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    """Slots belong to a script, a name fits into a header, a shared port has a number."""
    with pytest.raises(ValueError, match="accepted"):
        SimulatorOptions(**wrong)
