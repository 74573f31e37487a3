"""What a reply tells of the service's inside: how long each stage took, and the calls that it made to models.

Read after the clock has stopped. While a stream comes, only those of its events that may hold a wanted field are kept.
Server-Timing: https://www.w3.org/TR/server-timing/#the-server-timing-header-field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from exporters.sample import Sample
from locustfiles._dialects import Reply
from locustfiles._dialects._openai_json import tokens
from locustfiles._dialects._said import UNREADABLE
from locustfiles._dialects._seen import Seen
from locustfiles._dialects.plain_json import Keys, at, keys_of
from scenarios.stages import MOST_STAGES, REST, STAGE_NAME, Source, Stages, source_of

LONGEST_S = 86_400.0  # a stage of more than a day is no stage of a reply
MOST_CALLS = 10_000
WHOLE = ("ok", "empty")  # replies that may be expected to have all that a mapping names
NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?|\.[0-9]+")
PARTED = {sign: re.compile(rf'(?:[^{sign}"]|"(?:\\.|[^"\\])*"?)+') for sign in ",;"}  # by the sign outside of quotes
GIVEN, MADE = ("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")  # OpenAI's words, Anthropic's

Stage = tuple[str, float | None]  # seconds; None: a value came that is no duration


class Insight:
    """What one arm's replies are read for."""

    def __init__(self, stages: Stages | None) -> None:
        self._stages = stages = stages or Stages()
        self._headers = [(name, source_of(text)) for name, text in stages.headers.items()]
        self._fields = [(name, source) for name, text in stages.fields.items() if (source := source_of(text))]
        paths = [keys_of(source.place) for _, source in self._fields]
        self._calls: Keys = keys_of(stages.calls)
        # Servers may escape what is not ASCII: such a key is looked for in every event.
        hints = [keys[-1] for keys in (*paths, self._calls) if keys]
        self._hints = tuple(hint.encode() if hint.isascii() and hint.isprintable() else b"" for hint in hints)
        self._paths = dict(zip((name for name, _ in self._fields), paths, strict=True))

    def watch(self, reply: Reply) -> None:
        """Have the reply keep what fields are looked for in."""
        if self._hints:
            reply.seen = Seen(self._hints)

    def book(self, reply: Reply, sample: Sample) -> None:
        """Fill in what the reply tells of stages and calls, and what it lacks that a mapping names."""
        told, unread = self._told(reply)
        events = _decoded(reply.seen.events) if reply.seen is not None else []
        told, unread = self._with_fields(events, told, unread)
        calls = self._calls_of(reply, events)
        sample.stages = msgspec.json.encode(told).decode() if told else None
        sample.stages_unread = (unread + calls.unread) or None
        sample.model_calls, sample.model_input_tokens, sample.model_output_tokens = calls.count, calls.given, calls.made
        if sample.outcome in WHOLE:
            sample.unmapped = ",".join(reply.missing) or None

    def finding(self, sample: Sample) -> tuple[Literal["ok", "warn"], str] | None:
        """What a first reply shows of it, in a line; None where nothing was asked for and nothing came."""
        told = list(msgspec.json.decode(sample.stages)) if sample.stages else []
        missing = [name for name in self._stages.named if name not in told]
        if (self._stages.calls or self._stages.calls_header) and sample.model_calls is None:
            missing.append("calls")
        if missing or sample.stages_unread:
            text = f"not found in the reply: {', '.join(missing) or 'none'}; no durations: {sample.stages_unread or 0}"
            return "warn", f"{text}; look at the arm's [stages], and at a reply's headers and body"
        calls = "" if sample.model_calls is None else f"; model calls: {sample.model_calls}"
        return ("ok", f"stages: {', '.join(told) or 'none'}{calls}") if told or calls else None

    def _told(self, reply: Reply) -> tuple[dict[str, float], int]:
        """Stages by header or trailer: those that the scenario names first, then Server-Timing's."""
        headers = reply.headers
        named = [
            (name, _duration(headers[source.place.lower()], source))
            for name, source in self._headers
            if source is not None and source.place.lower() in headers
        ]
        told, unread = _added({}, named)
        timing = headers.get("server-timing")
        if timing and self._stages.server_timing:
            known = {*self._stages.named, *self._stages.ignore}
            told, more = _added(told, (stage for stage in server_timing(timing) if stage[0] not in known))
            unread += more
        return told, unread

    def _with_fields(self, events: list[Any], told: dict[str, float], unread: int) -> tuple[dict[str, float], int]:
        """The stages with those that stand in the reply's JSON; of several events the last that has one."""
        for name, source in self._fields:
            values = [value for event in events if (value := at(event, self._paths[name])) is not None]
            if values:
                told, more = _added(told, [(name, _duration(values[-1], source))])
                unread += more
        return told, unread

    def _calls_of(self, reply: Reply, events: list[Any]) -> Calls:
        if self._calls:
            values = [value for event in events if (value := at(event, self._calls)) is not None]
            return calls_of(values[-1]) if values else Calls()
        name = self._stages.calls_header.lower()
        if not name or name not in reply.headers:
            return Calls()
        text = reply.headers[name]
        return Calls(count=int(text)) if text.isdecimal() and len(text) < 6 else Calls(unread=1)


class Calls(msgspec.Struct, frozen=True):
    """The calls that a service made to models for one request; None = not told."""

    count: int | None = None
    given: int | None = None
    made: int | None = None
    unread: int = 0


def calls_of(told: Any) -> Calls:
    """What a list of usage objects says, or a bare number of calls."""
    if isinstance(told, int) and not isinstance(told, bool) and 0 <= told <= MOST_CALLS:
        return Calls(count=told)
    if not isinstance(told, list) or len(told) > MOST_CALLS or not all(isinstance(usage, dict) for usage in told):
        return Calls(unread=1)
    return Calls(count=len(told), given=_sum(told, GIVEN), made=_sum(told, MADE))


def _sum(usages: list[dict[str, Any]], names: tuple[str, ...]) -> int | None:
    """Tokens of all calls under one of their names; None when one call does not tell."""
    counts = [next((usage[name] for name in names if usage.get(name) is not None), None) for usage in usages]
    known = [tokens(count) for count in counts if isinstance(count, int | float) and not isinstance(count, bool)]
    whole = [count for count in known if count is not None]
    return sum(whole) if len(whole) == len(usages) else None


def server_timing(text: str) -> Iterator[Stage]:
    """The metrics of a Server-Timing header that have a `dur` (milliseconds); the others are no stages."""
    for metric in PARTED[","].findall(text):
        name, *parameters = [part.strip() for part in PARTED[";"].findall(metric)] or [""]
        for parameter in parameters:
            key, equals, value = parameter.partition("=")
            if key.strip().lower() == "dur" and equals:
                yield name, _duration(value.strip().strip('"'), MILLISECONDS)
                break  # the first one counts


MILLISECONDS = Source("server-timing", 1e-3)


def _added(told: dict[str, float], stages: Iterable[Stage]) -> tuple[dict[str, float], int]:
    """The stages with some more, equal names summed; and how many could not be taken."""
    told, unread = dict(told), 0
    for name, seconds in stages:
        fits = name in told or len(told) < MOST_STAGES
        if seconds is None or not fits or not STAGE_NAME.fullmatch(name) or name == REST:
            unread += 1
        else:
            told[name] = round(told.get(name, 0.0) + seconds, 9)
    return told, unread


def _duration(value: Any, source: Source) -> float | None:
    """Seconds; None for what is no duration: text, negative, infinite, more than a day."""
    if isinstance(value, str):
        value = float(value) if NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    seconds = value * source.seconds if abs(value) < 1e18 else math.inf
    return seconds if 0 <= seconds <= LONGEST_S else None


def _decoded(events: Iterable[bytes]) -> list[Any]:
    decoded = []
    for event in events:
        try:
            decoded.append(msgspec.json.decode(event))
        except UNREADABLE:
            continue  # the dialect says what is wrong with it
    return decoded
