"""A JSON service of its own kind: asked by a template, read by paths, both from the scenario ([arms.NAME.json])."""

from __future__ import annotations

import re
from array import array
from typing import Any

import msgspec

from locustfiles._dialects._ask import Ask, Usage
from locustfiles._dialects._incoming import Decoder, Incoming
from locustfiles._dialects._openai_body import bearer
from locustfiles._dialects._openai_json import tokens
from locustfiles._dialects._said import complaint, line
from locustfiles._dialects._texts import escaped, text_of
from locustfiles._lines import LineDecoder
from scenarios.scenario import JsonApi

PLACE = re.compile(rb"\{\{(prompt|max_tokens|model|stream)\}\}")
Keys = tuple[str, ...]


class Reading(msgspec.Struct, frozen=True):
    """Where things are in an event or a whole reply: the keys from its top down."""

    lines: bool
    text: Keys
    error: Keys
    others: dict[str, Keys]  # counts and the reason of the end, where the scenario tells

    @classmethod
    def of(cls, api: JsonApi) -> Reading:
        """The scenario's paths as keys."""
        paths = {"input_tokens": api.input_tokens, "output_tokens": api.output_tokens, "finish": api.finish}
        others = {name: keys_of(path) for name, path in paths.items() if path}
        return cls(api.stream == "ndjson", keys_of(api.text), keys_of(api.error), others)


class JsonReply(Incoming):
    """The reply of such a service."""

    __slots__ = ("_asked", "_found", "_reading")

    promise = ("text/event-stream", "application/x-ndjson", "application/jsonl")
    decode = decode_whole = staticmethod(msgspec.json.Decoder().decode)

    def __init__(self, chunks: array[int], reading: Reading, stream: bool) -> None:
        self._reading, self._asked = reading, stream
        self._found: dict[str, Any] = {}  # what stood at each path, the last time that something did
        super().__init__(chunks)

    @property
    def missing(self) -> tuple[str, ...]:
        """The paths that matched nothing."""
        return tuple(name for name in ("text", *self._reading.others) if name not in self._found)

    @property
    def usage(self) -> Usage | None:
        """Counts where the paths point at numbers."""
        given, made = map(self._count, ("input_tokens", "output_tokens"))
        return None if given is made is None else Usage(given, made)

    def _count(self, name: str) -> int | None:
        count = self._found.get(name)
        return tokens(count) if isinstance(count, int | float) and not isinstance(count, bool) else None

    def _new_decoder(self) -> Decoder:
        return LineDecoder() if self._reading.lines else super()._new_decoder()

    def _streams(self, begins: bytes) -> bool | None:
        """Lines look like a whole reply: they are what was asked for."""
        if not self._reading.lines:
            return super()._streams(begins)
        return self._asked and begins[:1] != b"<" if begins else None

    def _take(self, event: Any, at_ns: int) -> None:
        self._stamp(self.text, self._read(event), at_ns)

    def _take_whole(self, whole: Any) -> None:
        text = self._read(whole)
        self.text = [text] if text else []
        self.done = self.error is None

    def _read(self, event: Any) -> str | None:
        """Take counts, end and error; the text is the caller's."""
        text, error = at(event, self._reading.text), at(event, self._reading.error)
        if text is not None:
            self._found["text"] = True
        for name, keys in self._reading.others.items():
            value = at(event, keys)
            if value is not None:
                self._found[name] = value
                if name == "finish" and isinstance(value, str) and value:
                    self.finish_reason = line(value)
        if error:
            self._fail(complaint(error))
        return text if isinstance(text, str) else None

    def close(self) -> None:
        """A stream has no other end than the message's, unless it says a reason."""
        super().close()
        if self.streamed and "finish" not in self._reading.others and self._left >= 0:
            self.done = True


class PlainJson:
    """POST to the arm's own URL (or `path`). Whether a length is forced, its template says."""

    name = "json"
    generates = verified = True  # what is verified is the scenario's mapping, by `check`

    def __init__(self, api: JsonApi) -> None:
        self.streams = api.stream != "no"
        self._reading = Reading.of(api)
        self._pieces = PLACE.split(api.body.encode())

    def path(self, ask: Ask) -> str:  # noqa: ARG002 (the same for all)
        """Nothing below the arm's URL."""
        return ""

    def body(self, ask: Ask) -> tuple[bytes, ...]:
        """The template with its places filled; in JSON strings, so the texts are escaped."""
        before, after = text_of(ask.prompt)
        filled = {
            b"prompt": (before, ask.nonce, after),
            b"max_tokens": (b"%d" % ask.max_tokens,),
            b"model": (escaped(ask.model),),
            b"stream": (b"true" if ask.stream and self.streams else b"false",),
        }
        parts = [filled[piece] if number % 2 else (piece,) for number, piece in enumerate(self._pieces)]
        return tuple(piece for part in parts for piece in part)

    def headers(self, key: str | None) -> dict[str, str]:
        """Bearer key, when there is one."""
        return bearer(key)

    def reply(self, chunks: array[int], stream: bool) -> JsonReply:
        """An empty reply."""
        return JsonReply(chunks, self._reading, stream)


def keys_of(path: str) -> Keys:
    """A dotted path ("choices.0.text") or a JSON pointer ("/choices/0/text", RFC 6901) as keys."""
    if not path.startswith("/"):
        return tuple(path.split(".")) if path else ()
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))


def at(value: Any, keys: Keys) -> Any:
    """What stands there; None where nothing does, and without keys."""
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isascii() and key.isdigit() and int(key[:9]) < len(value):
            value = value[int(key[:9])]
        else:
            return None
    return value if keys else None
