"""What all connections of one simulator share."""

from __future__ import annotations

import asyncio
import random
import time
from itertools import count

import msgspec

from simulator import tls, wire
from simulator.around import Around
from simulator.engine import Engine, Job
from simulator.faults import Draw
from simulator.metrics import Metrics
from simulator.options import SimulatorOptions
from simulator.profiles import PROFILES
from simulator.requests import Chat
from simulator.slots import Slots
from simulator.streams import EngineSource, Script, Source
from simulator.vocabulary import Vocabulary, contents


class Service:
    """The engine or the script, the vocabulary, the counters, the draw of faults; `key` is what clients must send.

    Raises ValueError when the certificate cannot be used.
    """

    def __init__(
        self, options: SimulatorOptions, vocabulary: Vocabulary, loop: asyncio.AbstractEventLoop, key: str | None = None
    ) -> None:
        self.options, self.vocabulary, self.loop, self.key = options, vocabulary, loop, key
        self._tls = tls.context_of(options.tls_cert, options.tls_key) if options.tls_cert else None
        self.profile = PROFILES[options.profile].faster(options.decode_speed, options.prefill_speed)
        if options.noise is not None:
            self.profile = msgspec.structs.replace(self.profile, noise=options.noise)
        self.metrics = Metrics(self.profile.max_model_len, self.profile.kv_blocks, time.time())
        self.source = self._source()
        self.around = self._around()
        self.told = () if options.name is None else (b"x-served-by: " + options.name.encode(),)
        self.stream_head = wire.with_headers(wire.STREAM_HEAD, self.told)
        default = "scripted" if options.scripted else f"simulated-{options.profile}"
        self.events = {name: wire.Events(name) for name in (options.model or default).split(",")}
        self.draw = Draw(options.faults, random.Random(options.seed))
        self._jobs = count(1)

    def _source(self) -> Source:
        options = self.options
        if options.scripted:
            slots = Slots(options.slots, options.drift, random.Random(options.seed))
            times = (options.ttft_ms / 1000, options.gap_ms / 1000, options.switch_ms / 1000)
            return Script(times, self.metrics, self.loop, slots)
        return EngineSource(Engine(self.profile, random.Random(options.seed)), self.metrics, self.loop)

    def _around(self) -> Around | None:
        plan = self.options.around
        return Around(plan, self.source, self.loop, self.profile.noise, self.options.seed) if plan.wanted else None

    def session(self) -> tls.Session | None:
        """TLS for one connection, when it is asked for."""
        return tls.Session(self._tls) if self._tls is not None else None

    def events_of(self, model: str) -> wire.Events:
        """The events of the model that was asked for; the first one's where any name is taken."""
        return self.events.get(model) or next(iter(self.events.values()))

    def job(self, chat: Chat) -> Job:
        """What the engine is to do for a chat; a script makes its own number of tokens, whatever is asked."""
        tokens = self.vocabulary.encode(chat.text)
        length, finish = (self.options.tokens, "length") if self.options.scripted else chat.length()
        return Job(
            id=next(self._jobs),
            model=chat.model,
            prompt_tokens=max(1, len(tokens)) + self.options.around.more_input,
            max_tokens=length,
            prefix=() if self.options.scripted or self.around is not None else tuple(contents(tokens)),
            finish=finish,
        )

    def page(self) -> bytes:
        """/metrics."""
        return self.metrics.text(self.source.load, next(iter(self.events)))
