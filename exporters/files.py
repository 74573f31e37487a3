"""The files of a run directory: what they are called, how each is replaced, appended to and locked.

Whatever the operating system refuses (disk full, no permission) comes out as RecordError, and what is on disk stays
readable: a JSON file is the old one or the new one, an appended file ends after a whole piece.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from exporters.sample import Step

FORMAT = 1  # of run.json and steps.json: 1 = first
MANIFEST, STEPS, RESPONSES, SUMMARY = "run.json", "steps.json", "responses.jsonl", "summary.json"


class RecordError(Exception):
    """A run that cannot be written or read; the text is one clear line."""


class BusyError(RecordError):
    """A run that another process is writing."""


class WorkerPart(msgspec.Struct, frozen=True, kw_only=True):
    """One worker's part of a step, and whether all of it has come.

    `sent` is how many requests it began in the window, as it says itself; ok, failed and aborted are those that were
    booked here. `rows_sent` and `rows_received` are of everything up to the step's end.
    """

    index: int
    users: int
    sent: int
    ok: int
    failed: int
    aborted: int
    rows_sent: int
    rows_received: int
    facts: dict[str, float]  # cpu, stall_s, ...

    @property
    def whole(self) -> bool:
        """Whether sent = ok + failed + aborted, and rows received = rows sent."""
        return self.sent == self.ok + self.failed + self.aborted and self.rows_sent == self.rows_received


class StepRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One step that is over: when, how long each phase took, whether it counts, and what its requests add up to."""

    step: Step
    started: str  # RFC 3339, UTC
    ended: str
    phases: dict[str, float]  # seconds of fill, settle, window, tail
    window_s: float | None
    open_ns: int | None  # wall clock of the window, for joining other samples
    close_ns: int | None
    valid: bool
    why_invalid: tuple[str, ...]
    marks: tuple[str, ...]
    tally: dict[str, Any]
    client: dict[str, float]
    workers: dict[str, WorkerPart]


class Appended:
    """A file that grows by whole pieces: one that does not fit is cut off again, and the next may go after it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self.size = os.fstat(self._file.fileno()).st_size

    def append(self, piece: bytes) -> None:
        """Write all of it, or nothing and raise OSError."""
        try:
            left = memoryview(piece)
            while left:
                left = left[self._file.write(left) :]
        except BaseException:
            os.ftruncate(self._file.fileno(), self.size)
            raise
        self.size += len(piece)

    def close(self) -> None:
        """Write no more."""
        self._file.close()


def replace_json(path: Path, data: Any, indent: int = -1) -> None:
    """Replace a JSON file; see `replace`."""
    replace(path, msgspec.json.format(msgspec.json.encode(data), indent=indent) + b"\n")


def replace(path: Path, data: bytes) -> None:
    """Write beside, sync, rename: a reader sees the old file or the new one, never half of it."""
    part = path.with_name(f"{path.name}.part")
    with refusals(path.parent), removed_on_failure(part):
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)


def read_manifest(directory: Path) -> dict[str, Any]:
    """run.json; RecordError when there is none, or of a format that this version does not read."""
    manifest = _read_json(directory / MANIFEST)
    if manifest is None:
        raise RecordError(f"{directory} holds no run: there is no {MANIFEST} in it")
    return manifest


def read_summary(directory: Path) -> dict[str, Any]:
    """summary.json, what the reports made of a run; RecordError when there is none of this format."""
    summary = _read_json(directory / SUMMARY)
    if summary is None:
        raise RecordError(f"{directory} has no {SUMMARY}: make it by `tokenswarm report {directory}`")
    return summary


def read_steps(directory: Path) -> list[StepRecord]:
    """The finished steps, in order."""
    wire = _read_json(directory / STEPS)
    try:
        return msgspec.convert(wire["steps"] if wire else [], list[StepRecord])
    except (KeyError, msgspec.ValidationError) as error:
        raise RecordError(f"{directory / STEPS} cannot be read by this version: {error}") from None


def _read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object of our format; None without the file."""
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise RecordError(f"{path} cannot be read: {error}") from None
    found = data.get("format") if isinstance(data, dict) else None
    if found != FORMAT:
        raise RecordError(f"{path} has format {found!r}: this version reads format {FORMAT}")
    return dict(data)


def lock(directory: Path) -> int:
    """A lock on a directory, as an open file; gone when that is closed, at the latest with this process."""
    with refusals(directory):
        descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise BusyError(f"{directory} is being written by another process: wait for its end, or stop it") from None
    except OSError:
        pass  # a file system without locks: whoever writes there twice is on their own
    return descriptor


@contextlib.contextmanager
def locked_unless_failed(directory: Path) -> Iterator[int]:
    """A lock that stays after the block, unless the block failed."""
    descriptor = lock(directory)
    try:
        yield descriptor
    except BaseException:
        os.close(descriptor)
        raise


@contextlib.contextmanager
def refusals(directory: Path) -> Iterator[None]:
    """An operating system's refusal as one line."""
    try:
        yield
    except OSError as error:
        raise RecordError(f"cannot write the run to {directory}: {error.strerror or error}") from None


@contextlib.contextmanager
def removed_on_failure(part: Path) -> Iterator[None]:
    """A file that did not become whole does not stay: it would take the space that the next attempt needs."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
