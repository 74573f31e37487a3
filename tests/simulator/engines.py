"""Engines for tests: exact profiles, and loads driven in virtual time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from simulator.engine import Emission, Engine, Job, Profile

PROFILE = Profile(
    name="exact",
    overhead_s=0.001,
    prefill_per_s=10_000,
    decode_s=0.01,
    per_sequence_s=0.0005,
    per_kv_token_s=0.000001,
    max_batch=32,
    kv_blocks=1000,
    prefill_budget=512,
    prefill_chunk=256,
    max_model_len=8192,
    noise=0.0,
)


def engine(seed: int = 0, **changes: Any) -> Engine:
    return Engine(msgspec.structs.replace(PROFILE, **changes), random.Random(seed))


def job(number: int, given: int, made: int, prefix: Iterable[int] = ()) -> Job:
    return Job(id=number, prompt_tokens=given, max_tokens=made, prefix=tuple(prefix))


def run(
    engine_: Engine, asks: Iterable[tuple[float, Job]], watch: Callable[[Engine], None] = lambda _: None
) -> list[Emission]:
    """Everything that the engine makes of these arrivals; `watch` is called after every event."""
    left = sorted(asks, key=lambda ask: (ask[0], ask[1].id))
    made: list[Emission] = []
    while left or engine_.due_s is not None:
        if left and (engine_.due_s is None or left[0][0] <= engine_.due_s):
            at_s, one = left.pop(0)
            engine_.submit(one, at_s)
        else:
            made += engine_.advance(engine_.due_s or 0.0)
        watch(engine_)
    return made


def ttft(one: Job) -> float:
    assert one.first_s is not None
    return one.first_s - one.arrived_s


def tpot(one: Job) -> float:
    assert one.first_s is not None
    assert one.latest_s is not None
    return (one.latest_s - one.first_s) / (one.generated - 1)


def closed_loop(engine_: Engine, users: int, given: int, made: int, seconds: float) -> float:
    """Output tokens per second of users that each ask again at once, over the second half of the time."""
    asks = [(0.0, user) for user in range(users)]
    heapq.heapify(asks)
    tokens, number = 0, 0
    while engine_.now < seconds:
        if asks and (engine_.due_s is None or asks[0][0] <= engine_.due_s):
            at_s, _ = heapq.heappop(asks)
            number += 1
            engine_.submit(job(number, given, made), at_s)
            continue
        for emission in engine_.advance(engine_.due_s or 0.0):
            tokens += emission.at_s > seconds / 2
            if emission.last:
                heapq.heappush(asks, (emission.at_s, emission.job.id))
    return tokens / (seconds / 2)
