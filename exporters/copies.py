"""A copy of a run in an object store, or on any file system that pyarrow knows, kept up to date while the run lasts.

Object stores cannot append. What a stream of rows has gained since the last time becomes a part of its own,
`requests.<stream>.<part>.arrows`, which is a stream by itself; small files are replaced. A copy of a run that was
killed is therefore a run directory like any other: download it, and `tokenswarm report` reads it.
"""

from __future__ import annotations

import contextlib
import re
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
PARAMETERS: Final = {"region", "scheme", "endpoint_override", "retry_limit_seconds"}  # others would be secrets
PIECE: Final = 8 << 20  # bytes held at once
PROBE: Final = ".tokenswarm"
PART: Final = re.compile(r"requests\.(\d+)\.(\d+)\.arrows")


class CopyError(Exception):
    """A copy that cannot be made; the text is one clear line without secrets."""


class Copy:
    """One run's copy, at `<uri>/<name of the run directory>`."""

    def __init__(self, directory: Path, uri: str) -> None:
        check_address(uri)
        self._directory = directory
        self._copied: dict[str, int] = {}  # bytes of each stream
        self._seen: dict[str, tuple[int, int]] = {}  # time and size of each file when it was copied
        with _refusals(f"cannot copy to {shown(uri)}: "):
            self._store, root = fs.FileSystem.from_uri(uri) if "://" in uri else (fs.LocalFileSystem(), uri)
            self._root = f"{root.rstrip('/')}/{directory.name}"
            self._store.create_dir(self._root, recursive=True)
            self._put(PROBE, (b"tokenswarm writes here\n",))
            self._store.delete_file(f"{self._root}/{PROBE}")
            self._parts = self._known_parts()

    @property
    def of_a_run(self) -> bool:
        """Whether a run is there already."""
        found = self._store.get_file_info(f"{self._root}/{MANIFEST}")
        return bool(found.type == fs.FileType.File)

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
        if size <= begin:
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
                    self._put(path.name, _pieces(path, 0, now.st_size))
                    self._seen[path.name] = now.st_mtime_ns, now.st_size
        done = converted(self._directory)
        for part in [part for part in self._parts if stream_of(part) in done]:
            self._store.delete_file(f"{self._root}/{part}")
            self._parts.remove(part)

    def _put(self, name: str, pieces: Iterable[bytes]) -> None:
        with self._store.open_output_stream(f"{self._root}/{name}", compression=None) as sink:
            for piece in pieces:
                sink.write(piece)

    def _known_parts(self) -> list[str]:
        """Parts that are there already: of the master whose run this one resumes."""
        found = self._store.get_file_info(fs.FileSelector(self._root))
        return sorted(info.base_name for info in found if PART.fullmatch(info.base_name))


def check_address(uri: str) -> None:
    """Raise CopyError for an address that no copy can go to, or that holds a secret; nothing of that is shown."""
    parts = urlsplit(uri)
    if "://" not in uri and not uri.startswith("/"):
        raise CopyError("expected s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, file:///PATH or an /absolute/path")
    if "@" in parts.netloc or {key for key, _ in parse_qsl(parts.query)} - PARAMETERS:
        raise CopyError(
            "the address holds a login or an unknown parameter: credentials come from the environment "
            f"(AWS_ACCESS_KEY_ID, ...), parameters are {', '.join(sorted(PARAMETERS))}"
        )


def shown(uri: str) -> str:
    """An address as it may be printed."""
    return uri.split("?", 1)[0]


def _pieces(path: Path, begin: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(begin)
        while begin < end and (piece := file.read(min(PIECE, end - begin))):
            begin += len(piece)
            yield piece


@contextlib.contextmanager
def _refusals(what: str = "") -> Iterator[None]:
    """A store's refusal as a CopyError of one line."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        text = str(error).split("\n", 1)[0] or type(error).__name__
        clean = "".join(letter if letter.isprintable() else "?" for letter in text)[:300]
        raise CopyError(f"{what}{clean}") from None
