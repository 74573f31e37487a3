"""Coverage-guided fuzzing of what servers send: `make fuzz`, or `python tests/fuzz/replies.py CORPUS -runs=100000`.

An input is four bytes of choices (dialect, status, content type, cuts) and the bytes of a reply. It is read as a whole
and cut in pieces: both must tell the same, end in an outcome of the closed set with one clean line, and raise nothing.
The same bytes then stand for a whole HTTP message: framing may refuse them with a FramingError, and nothing else.
"""

from __future__ import annotations

import random
import sys
import typing
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "locustfiles")]

with atheris.instrument_imports(include=["locustfiles"]):
    from dialect_pieces import EVENTS, FIXTURES, JSON, LINES, kind_of, read, told

    from exporters.sample import Outcome, Timeline
    from locustfiles._dialects import DIALECTS, Reply
    from locustfiles._framing import Framing, FramingError
    from locustfiles._outcome import classify

APIS, STATUSES, KINDS = sorted(DIALECTS), (200, 200, 200, 400, 500), (EVENTS, JSON, LINES, {})
CHOICES = 4  # bytes before a reply's own
OUTCOMES = set(typing.get_args(Outcome))


def pieces(body: bytes, cuts: int) -> list[bytes]:
    """The body cut at up to eight places, as one byte of the input says."""
    draws = random.Random(cuts)
    places = sorted(draws.randrange(len(body) + 1) for _ in range(1 + cuts % 8))
    return [body[start:stop] for start, stop in zip([0, *places], [*places, len(body)], strict=True)]


def check_reply(data: bytes) -> None:
    """One reply in one dialect, whole and cut."""
    api, status, kind = APIS[data[0] % len(APIS)], STATUSES[data[1] % len(STATUSES)], KINDS[data[2] % len(KINDS)]
    body = data[CHOICES:]
    whole = read(api, body, status=status, headers=kind)
    cut = read(api, *pieces(body, data[3]), status=status, headers=kind)
    outcome, error = classify(whole, None, 5)

    assert told(whole) == told(cut), (told(whole), told(cut))
    assert classify(cut, None, 5) == (outcome, error)
    assert outcome in OUTCOMES
    assert (error is None) == (outcome == "ok")
    assert error is None or (1 <= len(error) <= 200 and error.isprintable()), error
    assert list(cut.chunks) == sorted(cut.chunks)


def framed(api: str, message: list[bytes]) -> tuple[object, ...]:
    """What an HTTP message, in pieces, becomes: how it ended, and what was told."""
    timeline = Timeline()
    reply: Reply = DIALECTS[api].reply(timeline.chunks, True)
    framing = Framing(reply, timeline)
    try:
        for at, piece in enumerate(message):
            if piece and not framing.done:
                framing.take(piece, at)
        ended = framing.eof()
    except FramingError:
        return ("refused",)
    return ended, reply.status, told(reply), classify(reply, None, 5)


def check_message(data: bytes) -> None:
    """The same bytes as an HTTP message: refused, or the same however they come."""
    message = data[CHOICES:]
    api = APIS[data[0] % len(APIS)]
    ways = [framed(api, [message]), framed(api, pieces(message, data[3]))]
    if ("refused",) not in ways:  # a whole message followed by rubbish is refused or not, as they come together or not
        assert ways[0] == ways[1], ways


def check(data: bytes) -> None:
    """Everything that one input is tried for."""
    if len(data) > CHOICES:
        check_reply(data)
        check_message(data)


def sow(corpus: Path) -> None:
    """Every recorded reply in every dialect, and as an HTTP message, to begin with."""
    corpus.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(sorted(FIXTURES.glob("*.*json")) + sorted(FIXTURES.glob("*.sse"))):
        kind, body = KINDS.index(kind_of(path.name)), path.read_bytes()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n"
        message = head % (KINDS[kind]["content-type"].encode(), len(body)) + body
        for api in range(len(APIS)):
            (corpus / f"{number}-{api}").write_bytes(bytes([api, 0, kind, number]) + body)
        (corpus / f"{number}-message").write_bytes(bytes([number % len(APIS), 0, kind, number]) + message)


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        sow(Path(sys.argv[1]))
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
