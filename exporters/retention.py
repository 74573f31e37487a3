"""Which runs of a directory are kept: the newest, and the newest that passed, to compare with."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from exporters.files import MANIFEST, BusyError, RecordError, lock


class Kept(NamedTuple):
    """A run directory, when it began (RFC 3339, UTC: they sort as text), and whether it passed."""

    directory: Path
    started: str
    passed: bool


def surplus(runs: Iterable[Kept], keep: int) -> list[Path]:
    """The runs to remove: all but the `keep` newest and the newest that passed."""
    newest = sorted(runs, key=lambda run: run.started, reverse=True)
    good = next((run for run in newest if run.passed), None)
    return [run.directory for run in newest[keep:] if run is not good]


def runs_in(place: Path) -> list[Kept]:
    """The run directories of a directory. One without a readable manifest is none."""
    try:
        found = [_kept(path.parent) for path in place.glob(f"*/{MANIFEST}")]
    except OSError as error:
        raise RecordError(f"cannot read {place}: {error.strerror}") from None
    return [run for run in found if run is not None]


def _kept(directory: Path) -> Kept | None:
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
        started = str(manifest["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Kept(directory, started, _passed(directory))


def _passed(directory: Path) -> bool:
    """Whether its report says pass; without a report it proved nothing."""
    try:
        verdict = json.loads((directory / "summary.json").read_text(encoding="utf-8"))["verdict"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(verdict.get("status") == "pass")


def prune(place: Path, keep: int) -> list[Path]:
    """Remove what is too much of it, but no run that is being written; what was removed."""
    return [directory for directory in surplus(runs_in(place), keep) if _removed(directory)]


def _removed(directory: Path) -> bool:
    try:
        held = lock(directory)
    except BusyError:
        return False
    try:
        shutil.rmtree(directory)
    except OSError as error:
        raise RecordError(f"cannot remove {directory}: {error.strerror}") from None
    finally:
        os.close(held)
    return True
