"""Server-sent events: bytes in, the data of each complete event out, however the bytes are cut. Pure.

Every form of https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream: LF, CRLF and CR
(mixed), comments, several data lines, a byte-order mark, fields without a colon. Ids, retry times and event names carry
no token and are passed over, but events named "error" are set apart. Bytes stay bytes: UTF-8 cut in the middle is whole
again once its line is.
"""

from __future__ import annotations

BOM = b"\xef\xbb\xbf"
LONGEST_EVENT = 8 << 20  # bytes held back while an event is not complete
PIECE_BYTES = 64  # what holding a line, or a piece of one, takes beside its bytes


class EventError(ValueError):
    """An event larger than anybody sends."""


class EventDecoder:
    """Decodes one stream."""

    __slots__ = ("_after_cr", "_begun", "_between", "_data", "_failed", "_held", "_rest", "errors")

    def __init__(self) -> None:
        self._rest: list[bytes] = []  # pieces of a line that has not ended yet
        self._data: list[bytes] = []  # data lines of an event that has not ended yet
        self._held = 0  # bytes that both take
        self._failed = False  # that event is named "error"
        self._after_cr = False  # a LF that comes next is the other half of a CRLF
        self._begun = False  # past the first line, where a byte-order mark may stand
        self._between = False  # past the first line, and nothing is held, of whatever kind
        self.errors: list[tuple[int, bytes]] = []  # events named "error", each after so many of those `feed` returns

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads of the events that these bytes complete; raises EventError, after which nothing may be fed."""
        # Servers write whole events. When the line ends are just those between events, none is inside an event.
        if self._between and data.startswith(b"data: "):
            if data.endswith(b"\n\n"):
                if data.find(b"\r") < 0:
                    if data.find(b"\n") == len(data) - 2:
                        return [data[6:-2]]
                    events = data[6:-2].split(b"\n\ndata: ")
                    if data.count(b"\n") == 2 * len(events):
                        return events
            elif data.endswith(b"\r\n\r\n"):
                events = data[6:-4].split(b"\r\n\r\ndata: ")
                if data.count(b"\n") == data.count(b"\r") == 2 * len(events):
                    return events
        return self._feed_lines(data)

    def end(self) -> list[bytes]:
        """The event that the end of the stream has cut off, if any. The specification drops it."""
        return self._feed_lines(b"\n\n")

    def _feed_lines(self, data: bytes) -> list[bytes]:
        if not data:
            return []
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
        if data:
            self._after_cr = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = data.split(b"\n")
        events = self._take(lines) if lines else []
        if rest:
            self._rest.append(rest)
            self._held += len(rest) + PIECE_BYTES
        if self._held > LONGEST_EVENT:
            self._rest, self._data = [], []
            raise EventError(f"an event of more than {LONGEST_EVENT >> 20} MiB")
        self._between = not (self._held or self._failed or self._after_cr)
        return events

    def _take(self, lines: list[bytes]) -> list[bytes]:
        """Take complete lines, the first of which may have begun earlier."""
        if self._rest:
            lines[0] = b"".join(self._rest) + lines[0]
            self._rest = []
            self._held = sum(map(len, self._data)) + len(self._data) * PIECE_BYTES
        if not self._begun:
            lines[0], self._begun = lines[0].removeprefix(BOM), True
        events: list[bytes] = []
        for line in lines:
            if not line:
                self._dispatch(events)
            elif line.startswith(b"data:"):
                self._add(line[6:] if line.startswith(b" ", 5) else line[5:])
            else:
                self._field(line)
        return events

    def _dispatch(self, events: list[bytes]) -> None:
        if self._data:
            data = b"\n".join(self._data)
            if self._failed:
                self.errors.append((len(events), data))
            else:
                events.append(data)
            self._data, self._held = [], 0
        self._failed = False

    def _add(self, value: bytes) -> None:
        self._data.append(value)
        self._held += len(value) + PIECE_BYTES

    def _field(self, line: bytes) -> None:
        """Take a line that is not plainly data: a comment or another field."""
        name, _, value = line.partition(b":")
        if name == b"data":
            self._add(b"")
        elif name == b"event":
            self._failed = value.removeprefix(b" ") == b"error"
        elif name == b"error":  # no field of the specification: how llama.cpp of 2024 and 2025 sends an error
            self._failed = True
            self._add(value.removeprefix(b" "))
