"""Server-sent events: bytes in, the data of each complete event out, however the bytes are cut. Pure.

Every form of https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream: LF, CRLF and CR
(mixed), comments, several data lines, a byte-order mark, fields without a colon. Event names, ids and retry times carry
no token and are passed over. Bytes stay bytes: UTF-8 cut in the middle is whole again once its line is.
"""

from __future__ import annotations

BOM = b"\xef\xbb\xbf"
LONGEST_EVENT = 8 << 20


class EventError(ValueError):
    """An event larger than anybody sends."""


class EventDecoder:
    """Decodes one stream."""

    __slots__ = ("_data", "_rest", "_started")

    def __init__(self) -> None:
        self._rest = b""  # a line that has not ended yet
        self._data: list[bytes] = []  # the data lines of an event that has not ended yet
        self._started = False  # past the place where a byte-order mark may stand

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads of the events that these bytes complete."""
        if not self._rest and not self._data and self._started and data[-2:] == b"\n\n" and b"\r" not in data:
            events = data[:-2].split(b"\n\n")
            if all(event[:6] == b"data: " and b"\n" not in event for event in events):
                return [event[6:] for event in events]
        return self._feed_lines(data)

    def _feed_lines(self, data: bytes) -> list[bytes]:
        data = self._rest + data
        if not self._started:
            if BOM.startswith(data[:3]) and len(data) < 3:
                self._rest = data
                return []
            self._started = True
            data = data.removeprefix(BOM)
        lines, self._rest = _lines(data)
        if len(self._rest) + sum(map(len, self._data)) > LONGEST_EVENT:
            raise EventError(f"an event of more than {LONGEST_EVENT >> 20} MiB")
        return [event for line in lines if (event := self._line(line)) is not None]

    def _line(self, line: bytes) -> bytes | None:
        """Take one line; the event's payload when it was the empty line that ends one."""
        if not line:
            event, self._data = self._data, []
            return b"\n".join(event) if event else None
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
        return None


def _lines(data: bytes) -> tuple[list[bytes], bytes]:
    """Complete lines, and the rest; a CR at the very end may be half of a CRLF and stays in the rest."""
    if b"\r" not in data:
        *lines, rest = data.split(b"\n")
        return lines, rest
    tail = b"\r" if data.endswith(b"\r") else b""
    *lines, rest = data[: len(data) - len(tail)].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return lines, rest + tail
