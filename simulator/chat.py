"""One chat: refused, or its stream (or its whole reply), with the fault that it drew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from simulator import wire
from simulator.around import Visit
from simulator.engine import Emission, Job
from simulator.faults import Fault
from simulator.line import Line
from simulator.requests import Chat
from simulator.service import Service

TOKENS_BEFORE_FAULT = 3  # a stream that breaks has sent this many
REFUSALS = {
    "429": wire.error(429, "rate limit reached (asked for)", (b"retry-after: 1",)),
    "500": wire.error(500, "internal error (asked for)"),
}
FAILED = {"error": {"message": "the engine failed (asked for)", "type": "InternalServerError", "code": 500}}
BROKEN = wire.chunked(b"data: {this is no JSON\n\n") + wire.DONE + wire.END


class ChatStream:
    """The reply to one chat on one connection; `done` is called when it has been written to its end."""

    def __init__(self, service: Service, line: Line, chat: Chat, done: Callable[[], None]) -> None:
        self._service, self._line, self._chat, self._done = service, line, chat, done
        self._job: Job | None = None
        self._events = service.events_of(chat.model)
        self._visit: Visit | None = None  # of a service around the model
        self._fault: Fault | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._begun = False
        self._held: list[Emission] | None = None  # tokens that a stall holds back
        options = chat.stream_options
        self._with_usage = options is not None and options.include_usage
        self._per_chunk = options is not None and options.continuous_usage_stats

    def begin(self, fault: Fault | None, job: Job, arrived_s: float) -> None:
        """Refuse, or let the tokens come."""
        self._fault, self._job = fault, job
        name = fault.name if fault is not None else None
        if name in REFUSALS:
            self._end(wire.with_headers(REFUSALS[name], self._service.told))
        elif name == "empty":
            self._end(self._nothing())
        elif fault is not None and name == "slow-start":
            late = fault.seconds or 0.0
            self._timer = self._service.loop.call_later(late, self._submit, job, arrived_s + late)
        else:
            self._submit(job, arrived_s)

    def cancel(self) -> None:
        """The client is gone, or the fault ends it here."""
        if self._timer is not None:
            self._timer.cancel()
        if self._visit is not None:
            self._visit.cancel()
        elif self._job is not None:
            self._service.source.cancel(self._job)

    def _submit(self, job: Job, arrived_s: float) -> None:
        if self._service.around is None:
            self._service.source.submit(job, arrived_s, self._take)
        else:
            self._visit = Visit(self._service.around, job, arrived_s)
            self._visit.begin(self._take)

    def _nothing(self) -> bytes:
        if self._chat.stream:
            return self._service.stream_head + wire.DONE + wire.END
        return wire.with_headers(self._events.whole("", self._usage(0), "stop"), self._service.told)

    # -- tokens

    def _take(self, emission: Emission) -> None:
        if self._held is not None:
            self._held.append(emission)
        elif self._fault is not None and self._breaks_at(emission.number, emission.last):
            self._break(self._fault, emission)
        elif self._chat.stream:
            self._say(emission)
        elif emission.last:
            self._reply(emission)

    def _say(self, emission: Emission) -> None:
        """One token in the stream; the last brings the end of the message."""
        made = emission.number + 1
        usage = self._usage(made) if self._per_chunk else None
        events = self._events
        head = b"" if self._begun else self._head() + events.role
        self._begun = True
        if self._service.options.scripted:
            token = events.stamped(time.time_ns()) if usage is None else events.said(f" {time.time_ns()}", usage)
        else:
            token = events.token(emission.number, usage)
        if not emission.last:
            self._line.write(head + token)
            return
        if self._visit is not None:
            self._line.write(head + token)
        self._finish(lambda: self._ending(made, emission.job.finish, b"" if self._visit is not None else head + token))

    def _ending(self, made: int, finish: str, before: bytes) -> bytes:
        """What follows the last token, with a trailer for what is known only now."""
        ending = self._events.ending(self._usage(made) if self._with_usage else None, finish)
        if self._visit is None:
            return before + ending
        return ending.removesuffix(wire.END) + wire.trailed(self._visit.told_late())

    def _head(self) -> bytes:
        told = self._service.told
        if self._visit is None:
            return self._service.stream_head
        return wire.with_headers(wire.STREAM_HEAD, (*told, b"trailer: server-timing", *self._visit.told()))

    def _finish(self, ending: Callable[[], bytes]) -> None:
        """End the message, after the service's own work when there is one around the model."""
        if self._visit is None:
            self._end(ending())
        else:
            self._visit.finish(lambda: self._end(ending()))

    def _reply(self, emission: Emission) -> None:
        made = emission.number + 1
        text = f" {time.time_ns()}" if self._service.options.scripted else wire.words(made)
        self._finish(lambda: self._whole(text, made, emission.job.finish))

    def _whole(self, text: str, made: int, finish: str) -> bytes:
        whole = self._events.whole(text, self._usage(made), finish)
        told = self._service.told if self._visit is None else (*self._service.told, *self._visit.told())
        return wire.with_headers(whole, told)

    def _usage(self, made: int) -> dict[str, Any]:
        assert self._job is not None, "it has begun"
        usage = wire.usage(self._job.prompt_tokens, made, self._job.cached)
        return usage if self._visit is None else usage | self._visit.usage()

    def _end(self, data: bytes) -> None:
        self._line.write(data)
        self._job = None
        self._done()

    # -- faults

    def _breaks_at(self, number: int, last: bool) -> bool:
        assert self._fault is not None, "there is one"
        if self._fault.name == "slow-start":
            return False
        return last or (self._chat.stream and number >= TOKENS_BEFORE_FAULT)

    def _break(self, fault: Fault, emission: Emission) -> None:
        """The fault, in the middle of the reply."""
        self._fault = None
        if fault.name == "stall" and fault.seconds is not None:
            self._held = [emission]
            self._timer = self._service.loop.call_later(fault.seconds, self._resume)
            return
        self.cancel()
        if fault.name == "reset":
            self._line.reset()
        elif fault.name == "malformed":
            self._end(self._bad(BROKEN, wire.reply(200, b"{this is no JSON")))
        elif fault.name == "stream-error":
            self._end(self._bad(wire.event(FAILED) + wire.DONE + wire.END, wire.reply(500, FAILED)))

    def _bad(self, streamed: bytes, whole: bytes) -> bytes:
        """How it ends, whether it has begun or not."""
        if not self._chat.stream:
            return whole
        return streamed if self._begun else self._service.stream_head + streamed

    def _resume(self) -> None:
        """A stall that ends: what it held back comes at once."""
        held, self._held = self._held or [], None
        for emission in held:
            self._take(emission)
