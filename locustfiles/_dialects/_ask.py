"""What every dialect is given and gives back: an Ask, a Usage, and the protocol of a dialect and its replies."""

from __future__ import annotations

from array import array
from typing import Protocol

import msgspec

from locustfiles._dialects._seen import Seen
from locustfiles._prompts import Prompt


class Ask(msgspec.Struct, frozen=True):
    """One request before it is bytes. `extra` is JSON members without braces, encoded once per run."""

    model: str
    prompt: Prompt
    nonce: bytes
    max_tokens: int
    force_length: bool
    stream: bool
    extra: bytes
    conversation: tuple[int, int] | None = None  # number and turn of the user's, counted from 0
    uncached: bool = False  # nothing of it begins like another request: what a prefix cache is compared with


class Usage(msgspec.Struct, frozen=True):
    """Tokens as the server counts them; None = not told."""

    input: int | None
    output: int | None
    cached: int | None = None
    reasoning: int | None = None


class Reply(Protocol):
    """A sink of the wire that knows what it reads. It never raises; what is wrong is told in `error`."""

    chunks: array[int]
    text: list[str]
    reasoning: list[str]
    tool_calls: list[str]
    answers: int  # what it brings that is no text: vectors, scores
    finish_reason: str | None
    model: str | None
    error: str | None  # what an error object says, or why the reply cannot be read: one clean line
    malformed: int  # events that cannot be read
    first_visible_ns: int | None
    first_chunk_tokens: int | None
    streamed: bool  # it came as events
    done: bool  # the API's own end, or a whole non-streamed reply
    status: int
    headers: dict[str, str]
    head: bytes  # the first bytes of the body, for messages
    seen: Seen | None  # what is kept of it for the paths to a service's stages

    @property
    def missing(self) -> tuple[str, ...]:
        """The paths of a scenario's mapping that matched nothing."""

    @property
    def usage(self) -> Usage | None:
        """Tokens as the server counts them, if it told."""

    def begin(self, status: int, headers: dict[str, str]) -> None:
        """The head of the reply."""

    def feed(self, data: bytes, at_ns: int) -> None:
        """A piece of the body."""

    def close(self) -> None:
        """The message is complete."""


class Dialect(Protocol):
    """One API: how to ask, and how to read the answer."""

    name: str
    generates: bool  # answers with tokens; else with vectors or scores
    streams: bool  # may be asked to stream
    verified: bool  # tested against a recording of a real server

    def path(self, ask: Ask) -> str:
        """Where it is asked, below the arm's URL."""

    def body(self, ask: Ask) -> tuple[bytes, ...]:
        """The request's body in pieces; the prompt is spliced, never encoded again."""

    def headers(self, key: str | None) -> dict[str, str]:
        """Request headers, with the key where this API wants it."""

    def reply(self, chunks: array[int], stream: bool) -> Reply:
        """An empty reply that stamps its content chunks into `chunks`."""
