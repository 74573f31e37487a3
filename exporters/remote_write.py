"""Prometheus remote-write 1.0: pages of metrics -> requests (three protobuf messages in snappy), oldest first.

https://prometheus.io/docs/specs/prw/remote_write_spec/. The messages are so small (labels, samples, series of them)
that they are encoded here by hand: protobuf's own library and generated code would be forty times as much to trust.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Final

import cramjam

from exporters.delivery import Letter
from exporters.exposition import labels_of, lines_of

HEADERS: Final = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
MOST_SAMPLES: Final = 2000  # of one request
LABELS, SAMPLES, SERIES = b"\x0a", b"\x12", b"\x0a"  # TimeSeries.labels = 1, .samples = 2; WriteRequest.timeseries = 1
FIRST, SECOND = b"\x0a", b"\x12"  # Label.name = 1, .value = 2
VALUE, TIMESTAMP = b"\x09", b"\x10"  # Sample.value = 1 (double), .timestamp = 2 (int64, milliseconds)
STALE: Final = struct.pack("<Q", 0x7FF0000000000002)  # the NaN that ends a series


def varint(number: int) -> bytes:
    """A protobuf varint."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _part(tag: bytes, content: bytes) -> bytes:
    return tag + varint(len(content)) + content


def encoded_labels(labels: Mapping[str, str]) -> bytes:
    """Label messages in the order of their names, as the protocol asks; an empty label is none."""
    pairs = sorted((name.encode(), value.encode()) for name, value in labels.items() if value)
    return b"".join(_part(LABELS, _part(FIRST, name) + _part(SECOND, value)) for name, value in pairs)


class RemoteWrite:
    """Requests of one sender: a page's samples, and an end to each series of the page before that this one has not.

    Without that end, a step that is over would seem to last for five minutes more.
    """

    def __init__(self, path: str, more: Mapping[str, str]) -> None:
        """`more`: labels that every series gets, unless it has one of that name."""
        self._path, self._more = path, more
        self._labels: dict[str, bytes] = {}  # encoded, of the last page's series

    def letters(self, page: bytes, at_ms: int) -> Iterator[Letter]:
        """What to send of a page."""
        before, self._labels = self._labels, {}
        samples: list[tuple[bytes, bytes]] = []
        for series, value in lines_of(page):
            known = before.pop(series, None)
            labels = self._labels[series] = known or encoded_labels({**self._more, **labels_of(series)})
            samples.append((labels, struct.pack("<d", value)))
        samples += [(labels, STALE) for labels in before.values()]
        yield from self._requests(samples, at_ms)

    def end(self, at_ms: int) -> Iterator[Letter]:
        """What to send when there will be no more pages."""
        yield from self.letters(b"", at_ms)

    def _requests(self, samples: list[tuple[bytes, bytes]], at_ms: int) -> Iterator[Letter]:
        stamp = TIMESTAMP + varint(at_ms)
        for first in range(0, len(samples), MOST_SAMPLES):
            some = samples[first : first + MOST_SAMPLES]
            body = b"".join(_part(SERIES, labels + _part(SAMPLES, VALUE + value + stamp)) for labels, value in some)
            yield Letter("POST", self._path, bytes(cramjam.snappy.compress_raw(body)), HEADERS, len(some))
