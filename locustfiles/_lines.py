"""Newline-delimited JSON: bytes in, each complete line out, however the bytes are cut. Pure.

Beside `_sse.EventDecoder`, with the same verbs. https://github.com/ndjson/ndjson-spec
"""

from __future__ import annotations

from locustfiles._sse import LONGEST_EVENT, PIECE_BYTES, EventError


class LineDecoder:
    """Decodes one stream. Empty lines are passed over."""

    __slots__ = ("_held", "_rest", "errors")

    def __init__(self) -> None:
        self._rest: list[bytes] = []  # pieces of a line that has not ended yet
        self._held = 0  # bytes that they take
        self.errors: list[tuple[int, bytes]] = []  # lines have no names: an error is told by what is in one

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that these bytes complete; raises EventError, after which nothing may be fed."""
        *lines, rest = data.split(b"\n")
        if lines and self._rest:
            lines[0] = b"".join(self._rest) + lines[0]
            self._rest, self._held = [], 0
        if rest:
            self._rest.append(rest)
            self._held += len(rest) + PIECE_BYTES
            if self._held > LONGEST_EVENT:
                self._rest = []
                raise EventError(f"a line of more than {LONGEST_EVENT >> 20} MiB")
        return [line for line in lines if line.strip()]

    def end(self) -> list[bytes]:
        """A last line without its line end: many servers leave that out."""
        return self.feed(b"\n")
