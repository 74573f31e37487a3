"""A copy of a run in an object store, or on any file system that pyarrow knows, kept up to date while the run lasts.

Object stores cannot append. What a stream of rows has gained since the last time becomes a part of its own,
`requests.<stream>.<part>.arrows`, which is a stream by itself; small files are replaced. A copy of a run that was
killed is therefore a run directory like any other: download it, and `tokenswarm report` reads it.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
import pyarrow.fs as fs

from exporters.files import MANIFEST
from exporters.rows import PARQUET, STREAM_HEAD, converted, stream_of

REPLACED: Final = (PARQUET, "steps.json", "responses.jsonl", "run.json")  # at every step; rows of a resumed run first
LAST: Final = (  # when the run is over
    "chunks.parquet", "server.parquet", "gpu.parquet", *REPLACED, "locust.log", "summary.json", "report.md",
    "report.html", "junit.xml",
)  # fmt: skip
PARAMETERS: Final = {  # others may be secrets
    "region", "scheme", "endpoint_override", "tls_ca_file_path", "project_id", "retry_limit_seconds",
}  # fmt: skip
PIECE: Final = 8 << 20  # bytes held at once
PROBE: Final = ".tokenswarm"
PART: Final = re.compile(r"requests\.(\d+)\.(\d+)\.arrows")


class CopyError(Exception):
    """A copy that cannot be made; the text is one clear line without secrets."""


class Copy:
    """One run's copy, at `<uri>/<name of the run directory>`."""

    def __init__(self, directory: Path, uri: str) -> None:
        """Try the store; CopyError when it takes nothing, or another run is there."""
        check_address(uri)
        self._directory = directory
        self._copied: dict[str, int] = {}  # bytes of each stream
        self._seen: dict[str, tuple[int, int]] = {}  # time and size of each file when it was copied
        with _refusals(f"cannot copy to {shown(uri)}: "):
            self._store, root = fs.FileSystem.from_uri(uri) if "://" in uri else (fs.LocalFileSystem(), uri)
            self._root = f"{root.rstrip('/')}/{directory.resolve().name}"
            self._store.create_dir(self._root, recursive=True)
            self._put(PROBE, (b"tokenswarm writes here\n",))
            self._store.delete_file(f"{self._root}/{PROBE}")
            self._parts = self._known_parts()
            there = self._started_there()
        if there is not None and there != _started(directory):
            raise CopyError(f"{shown(uri)} holds another run called {directory.name}: choose another --out or URI")

    def step(self, sizes: Mapping[str, int]) -> None:
        """Copy what is new; `sizes`: bytes of each stream of rows up to the end of a whole batch."""
        with _refusals():
            for name, size in sizes.items():
                self._copy_rows(name, size)
            self._copy_files(REPLACED)

    def finish(self) -> None:
        """Copy the final files."""
        with _refusals():
            self._copy_files(LAST)

    def _copy_rows(self, name: str, size: int) -> None:
        begin = self._copied.get(name, len(STREAM_HEAD))
        if size <= begin or name in converted(self._directory):  # the run is over: its Parquet file goes instead
            return
        number = int(name.split(".")[1]) if name.count(".") == 2 else 0
        count = sum(stream_of(part) == name for part in self._parts)
        part = f"requests.{number}.{count + 1:06d}.arrows"
        self._put(part, chain((STREAM_HEAD,), _pieces(self._directory / name, begin, size)))
        self._parts.append(part)
        self._copied[name] = size

    def _copy_files(self, names: Iterable[str]) -> None:
        """Replace those that have changed; the parts whose rows are in the Parquet file by now go."""
        for path in (self._directory / name for name in names):
            if path.exists():
                now = path.stat()
                if self._seen.get(path.name) != (now.st_mtime_ns, now.st_size):
                    self._put(path.name, _pieces(path))
                    self._seen[path.name] = now.st_mtime_ns, now.st_size  # one that changed meanwhile goes once more
        done = converted(self._directory)
        for part in [part for part in self._parts if stream_of(part) in done]:
            self._store.delete_file(f"{self._root}/{part}")
            self._parts.remove(part)

    def _put(self, name: str, pieces: Iterable[bytes]) -> None:
        """Replace a file. Object stores show it when it is whole; on a disk it gets its name when it is."""
        local = self._store.type_name == "local"
        target = f"{self._root}/{name}"
        path = f"{target}.copying" if local else target
        with self._store.open_output_stream(path, compression=None) as sink:
            for piece in pieces:
                sink.write(piece)
        if local:
            self._store.move(path, target)

    def _started_there(self) -> str | None:
        """When the run began that is there; None when there is none."""
        path = f"{self._root}/{MANIFEST}"
        if self._store.get_file_info(path).type != fs.FileType.File:
            return None
        with self._store.open_input_stream(path, compression=None) as source:
            return _began(source.read())

    def _known_parts(self) -> list[str]:
        """Parts that are there already: of the master whose run this one resumes."""
        found = self._store.get_file_info(fs.FileSelector(self._root))
        return sorted(info.base_name for info in found if PART.fullmatch(info.base_name))


def check_address(uri: str) -> None:
    """Raise CopyError for an address that no copy can go to, or that holds a secret; nothing of that is shown."""
    parts = urlsplit(uri)
    if "://" not in uri and not uri.startswith("/"):
        raise CopyError(
            "expected s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX, "
            "file:///PATH or an /absolute/path"
        )
    before = parts.netloc.rpartition("@")[0]
    login = bool(before) and not (parts.scheme.startswith("abfs") and ":" not in before)  # there it is the container
    if login or {key for key, _ in parse_qsl(parts.query)} - PARAMETERS:
        raise CopyError(
            "the address holds a login or an unknown parameter: credentials come from the environment "
            f"(AWS_ACCESS_KEY_ID, ...), parameters are {', '.join(sorted(PARAMETERS))}"
        )


def shown(uri: str) -> str:
    """An address as it may be printed."""
    return uri.split("?", 1)[0]


def _pieces(path: Path, begin: int = 0, end: int = sys.maxsize) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(begin)
        while begin < end and (piece := file.read(min(PIECE, end - begin))):
            begin += len(piece)
            yield piece


def _started(directory: Path) -> str | None:
    """When the run in a directory began; None when it has not."""
    try:
        return _began((directory / MANIFEST).read_bytes())
    except FileNotFoundError:
        return None


def _began(manifest: bytes) -> str:
    try:
        return str(json.loads(manifest).get("started"))
    except ValueError:
        return "unreadable"


@contextlib.contextmanager
def _refusals(what: str = "") -> Iterator[None]:
    """A store's refusal as a CopyError of one line."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        text = str(error).split("\n", 1)[0] or type(error).__name__
        clean = "".join(letter if letter.isprintable() else "?" for letter in text)[:300]
        raise CopyError(f"{what}{clean}") from None
