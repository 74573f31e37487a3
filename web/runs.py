"""Earlier runs, as the page lists them, and two of them compared: by processes of their own, or the hub would block."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from exporters.files import MANIFEST, RecordError, read_manifest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")
MOST_LISTED = 100
REPORT = "report.html"
KINDS = ("scenario", "server", "gpu", "clock", "generator")  # what may differ, as `tokenswarm compare` calls it


class Verdict(msgspec.Struct):
    """What a summary says first."""

    status: str = ""


class Head(msgspec.Struct):
    """What is read of a summary."""

    verdict: Verdict = msgspec.field(default_factory=Verdict)


class Refused(Exception):  # noqa: N818 (an answer to a person)
    """Two runs that are not compared; the text says why."""


class Runs:
    """The runs in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, float], dict[str, Any]] = {}  # what was read, until the file changes

    def listing(self) -> list[dict[str, Any]]:
        """The newest first: id, scenario, times, how it ended, its verdict, whether there is a report."""
        try:
            folders = sorted((each for each in self._folder.iterdir() if NAME.fullmatch(each.name)), reverse=True)
        except OSError:
            return []
        found = (self._read(folder) for folder in folders[:MOST_LISTED])
        return [run for run in found if run is not None]

    def _read(self, folder: Path) -> dict[str, Any] | None:
        try:
            key = folder.name, (folder / MANIFEST).stat().st_mtime + (_age(folder / REPORT) or 0.0)
            if key not in self._known:
                self._known[key] = _told(folder)
            return self._known[key]
        except (OSError, RecordError):
            return None

    def folder(self, name: str) -> Path | None:
        """The folder of a run that is here; None for any other name."""
        folder = self._folder / name
        return folder if NAME.fullmatch(name) and (folder / MANIFEST).is_file() else None

    def report(self, name: str) -> Path | None:
        """The report of a run; None without one."""
        folder = self.folder(name)
        return folder / REPORT if folder is not None and (folder / REPORT).is_file() else None

    def compared(self, base: str, candidate: str, anyway: bool) -> bytes:
        """`tokenswarm compare` of two runs as a page; Refused with its own words."""
        folders = [self.folder(name) for name in (base, candidate)]
        if None in folders:
            raise Refused("one of the two runs is not here any more: choose others")
        differs = [part for kind in KINDS if anyway for part in ("--differs", kind)]
        with tempfile.TemporaryDirectory() as made:
            page = Path(made) / "compare.html"
            command = [
                sys.executable,
                "-m",
                "tokenswarm",
                "compare",
                *map(str, folders),
                "--markdown",
                str(page),
                *differs,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode or not page.is_file():
                said = (done.stderr.strip().splitlines() or ["it could not be done"])[-1]
                raise Refused(said.removeprefix("tokenswarm: "))
            return page.read_bytes()


def _age(path: Path) -> float | None:
    return path.stat().st_mtime if path.exists() else None


def _told(folder: Path) -> dict[str, Any]:
    manifest = read_manifest(folder)
    return {
        "id": folder.name,
        "scenario": (manifest.get("scenario") or {}).get("name", ""),
        "started": manifest.get("started"),
        "ended": manifest.get("ended"),
        "stopped": manifest.get("stopped"),
        "verdict": _verdict(folder),
        "report": (folder / REPORT).is_file(),
    }


def _verdict(folder: Path) -> str | None:
    try:
        return msgspec.json.decode((folder / "summary.json").read_bytes(), type=Head).verdict.status or None
    except (OSError, msgspec.DecodeError):
        return None
