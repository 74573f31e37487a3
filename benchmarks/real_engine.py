"""Our TTFT and TPOT against llama.cpp's own `timings`, request by request, on the real engine.

Converted to our definitions: its prompt_ms is the prefill (no queue: at most as many requests as slots), its
predicted_ms runs from the first token to the last, so TPOT = predicted_ms / (n - 1).
"""

from __future__ import annotations

import statistics
import urllib.request
from array import array
from collections.abc import Iterator
from typing import Any

import gevent
import msgspec

from exporters.fleet import Lane, Order
from exporters.sample import Timeline
from locustfiles._asks import Asks
from locustfiles._dialects import Reply
from locustfiles._pace import Turn
from locustfiles._services import Service
from locustfiles._sizing import choose_tokenizer
from locustfiles._texts import make_texts
from scenarios.scenario import Arm, Cell, Matrix, Request, Scenario

# SmolLM2's special tokens but its two ends (ignore_eos takes those out): they have no text, so no chunk carries them.
WITHOUT_TEXT = [[token, False] for token in (1, *range(3, 17))]
CELL = Cell(input="medium", output="medium", input_tokens=192, output_tokens=32)


class Timings(msgspec.Struct):
    """llama.cpp's own account of one request."""

    prompt_n: int
    prompt_ms: float
    predicted_n: int
    predicted_ms: float
    cache_n: int = 0


class LastChunk(msgspec.Struct):
    """The chunk that carries usage and timings."""

    timings: Timings | None = None


class Tee:
    """A reply that also keeps the raw stream, in which the timings are."""

    def __init__(self, reply: Reply) -> None:
        self._reply, self.raw = reply, bytearray()
        self.chunks: array[int] = reply.chunks

    def begin(self, status: int, headers: dict[str, str]) -> None:
        """Pass it on."""
        self._reply.begin(status, headers)

    def feed(self, data: bytes, at_ns: int) -> None:
        """Keep, and pass on."""
        self.raw += data
        self._reply.feed(data, at_ns)

    def close(self) -> None:
        """Pass it on."""
        self._reply.close()

    def timings(self) -> Timings:
        """From the last event that has them."""
        for line in reversed(bytes(self.raw).split(b"\n")):
            if line.startswith(b"data: {"):
                timings = msgspec.json.decode(line[6:], type=LastChunk).timings
                if timings is not None:
                    return timings
        raise LookupError("the engine sent no timings")


class Pair(msgspec.Struct, frozen=True):
    """One request: ours against the engine's, in seconds; and the counts."""

    ttft_s: float
    engine_ttft_s: float
    tpot_s: float
    engine_tpot_s: float
    chunks: int
    completion_tokens: int


def measure(url: str, requests: int, users: int) -> list[Pair]:
    """`requests` requests by `users` greenlets (no more than the engine has slots)."""
    scenario = Scenario(
        name="real engine",
        arms={
            "engine": Arm(url=url, model="smollm2-135m", extra_body={"cache_prompt": False, "logit_bias": WITHOUT_TEXT})
        },
        matrix=Matrix(cells=(CELL,)),
        request=Request(timeout=60.0, first_token_timeout=60.0),
    )
    service = Service("engine", scenario.arms["engine"], scenario.request)
    texts = make_texts(scenario, choose_tokenizer(scenario, {"engine": service}), requests)
    asks = Asks(scenario, "bench", texts)
    jobs = [
        gevent.spawn(lambda user=user: list(_user(service, asks, user, requests // users))) for user in range(users)
    ]
    return [pair for job in gevent.joinall(jobs, raise_error=True) for pair in job.value]


def _user(service: Service, asks: Asks, user: int, requests: int) -> Iterator[Pair]:
    connection = service.connect()
    order = Order(seq=0, phase="window", cell=CELL, users=1)
    for number in range(requests):
        ask = asks.make(Turn(order, Lane(arm="engine"), "window", user, number, 0.0, 0))
        timeline = Timeline()
        tee = Tee(service.reply(timeline.chunks))
        failure = service.send(connection, ask, timeline, tee)  # type: ignore[arg-type]
        assert failure is None, failure
        usage = tee._reply.usage
        assert usage is not None
        engine, n = tee.timings(), usage.output
        yield Pair(
            ttft_s=timeline.ttft_s or 0.0,
            engine_ttft_s=engine.prompt_ms / 1000,
            tpot_s=timeline.tpot_s(n) or 0.0,
            engine_tpot_s=engine.predicted_ms / 1000 / (n - 1),
            chunks=len(timeline.chunks),
            completion_tokens=n,
        )
    connection.close()


def predicted_total(url: str) -> int:
    """The engine's own counter of generated tokens."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("llamacpp:tokens_predicted_total "):
                return round(float(line.split()[1]))
    raise LookupError("no llamacpp:tokens_predicted_total")


def agreement(pairs: list[Pair]) -> dict[str, Any]:
    """Medians, ours over the engine's."""
    medians = {name: statistics.median(getattr(pair, name) for pair in pairs) for name in Pair.__struct_fields__[:4]}
    return {
        "requests": len(pairs),
        "ttft_ratio": medians["ttft_s"] / medians["engine_ttft_s"],
        "tpot_ratio": medians["tpot_s"] / medians["engine_tpot_s"],
        "chunks_equal_tokens": sum(pair.chunks == pair.completion_tokens for pair in pairs),
        **medians,
    }
