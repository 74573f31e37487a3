"""What a service around a model tells of its inside ([arms.NAME.stages]): its stages, and the calls that it makes.

A stage's duration comes with its unit: by the end of its name (`x-queue-ms`, `timings.retrieve_s`) or after a colon
(`x-queue:ms`). `Server-Timing` is in milliseconds, as its specification says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from scenarios.kinds import Frozen
from scenarios.wrong import UNSHOWN, Where, Wrong, one_of

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
STAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
REST = "unexplained"  # what no stage explains
MOST_STAGES = 16  # names that one reply may tell of
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
BY_SUFFIX = re.compile(r"[-_.](us|ms|s)$")


class Stages(Frozen, frozen=True):
    """Where a reply tells how long each stage took, and of the calls that the service made to models for it.

    `headers` and `fields` name a stage and where it is: a header (or a trailer), or a dotted path or JSON pointer into
    the reply or into any event of a stream. `calls` is a path to a list of usage objects, one for each call;
    `calls_header` names a header with their number. What stands in `ignore` is no stage of its own: it contains others.
    """

    server_timing: bool = True
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    fields: dict[str, str] = msgspec.field(default_factory=dict)
    ignore: tuple[str, ...] = ("total",)
    calls: str = ""
    calls_header: str = ""

    @property
    def named(self) -> list[str]:
        """The stages that the scenario itself names."""
        return [*self.headers, *self.fields]


class Source(msgspec.Struct, frozen=True):
    """Where a duration is, and how many seconds one of its units has."""

    place: str
    seconds: float


def source_of(text: str) -> Source | None:
    """What `x-queue-ms`, `timings.retrieve:s` or `/timings/retrieve_ms` names; None without a unit."""
    place, colon, unit = text.rpartition(":")
    if colon and place and unit in UNITS:
        return Source(place, UNITS[unit])
    suffix = BY_SUFFIX.search(text)
    return Source(text, UNITS[suffix[1]]) if suffix else None


def check_stages(stages: Stages | None, at: Where) -> None:
    """Raise Wrong for a stage that could not be found, or whose unit nobody knows."""
    if stages is None:
        return
    at = (*at, "stages")
    for where, name, text in _sources(stages, at):
        if not STAGE_NAME.fullmatch(name) or name == REST:
            text = f'a stage\'s name is 1 to 40 of letters, digits, ".", "_", "-", and not "{REST}"'
            raise Wrong(where, UNSHOWN, text)
        source = source_of(text)
        if source is None:
            raise Wrong(where, text, f'expected a unit: one of {one_of(UNITS)} at its end, as "queue_ms" or "queue:ms"')
        if where[-2] == "headers":
            _check_header(source.place, where)
        else:
            _check_path(source.place, where)
    if stages.calls:
        _check_path(stages.calls, (*at, "calls"))
    if stages.calls_header:
        _check_header(stages.calls_header, (*at, "calls_header"))
    _check_names(stages, at)


def _sources(stages: Stages, at: Where) -> Iterator[tuple[Where, str, str]]:
    for key in ("headers", "fields"):
        for name, text in getattr(stages, key).items():
            yield (*at, key, name), name, text


def _check_names(stages: Stages, at: Where) -> None:
    twice = [name for name in stages.fields if name in stages.headers]
    if twice:
        raise Wrong((*at, "fields", twice[0]), UNSHOWN, "is a stage by its header already: expected one place for each")
    if len(stages.named) > MOST_STAGES:
        raise Wrong((*at, "fields"), UNSHOWN, f"expected at most {MOST_STAGES} stages, given: {len(stages.named)}")
    if stages.calls and stages.calls_header:
        raise Wrong((*at, "calls_header"), stages.calls_header, "calls is given too: expected one of them")


def _check_header(name: str, at: Where) -> None:
    if not HEADER_NAME.fullmatch(name):
        raise Wrong(at, name, 'not a header\'s name; expected, for example, "x-queue-ms"')


def _check_path(path: str, at: Where) -> None:
    if not path.startswith("/") and not all(path.split(".")):
        text = 'expected keys with dots between, such as "timings.retrieve_ms", or "/timings/retrieve_ms"'
        raise Wrong(at, path, text)
