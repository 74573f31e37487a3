"""Rows as Arrow columns: packed by the workers, a stream of batches while a run lasts, one Parquet file afterwards.

The schema follows from Sample's annotations, so there is no second list of columns. A packed batch is a message of the
Arrow IPC stream format: appending it to a file that begins with the schema's message makes a stream that is readable
at any length, without decoding anything.
"""

from __future__ import annotations

import os
import types
import typing
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from exporters.files import RecordError, removed_on_failure
from exporters.sample import Sample

PARQUET = "requests.parquet"
ROWS_PER_GROUP = 65_536
ROWS_PER_JOIN = 4_096  # joined early: thousands of small buffers held at once cost more page faults than all the rest
CONVERTED = b"tokenswarm.streams"  # Parquet metadata: names of the streams whose rows are in the file
CUT = "-cut"  # marks the step of rows whose step was cut short and is done again

NARROW = {"attempt": pa.int16(), "status": pa.int16(), "sent_ns": pa.int64()}  # other integers are 32 bits wide
TYPES: dict[object, pa.DataType] = {str: pa.string(), int: pa.int32(), float: pa.float64()}


def _column(name: str, annotation: object) -> pa.Field:
    kinds = [annotation]
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        kinds = [kind for kind in typing.get_args(annotation) if kind is not types.NoneType]
    kind = str if typing.get_origin(kinds[0]) is typing.Literal else kinds[0]
    return pa.field(name, NARROW.get(name, TYPES[kind]))


SCHEMA = pa.schema([_column(name, kind) for name, kind in typing.get_type_hints(Sample).items()])
# On their way and in streams, texts are views: 16 bytes that repeat and compress to nothing, where each of a dozen
# columns of the same text would have offsets that all differ (178 B a row at 100 rows; 138 B with views).
STREAM_SCHEMA = pa.schema(
    [field.with_type(pa.string_view()) if pa.types.is_string(field.type) else field for field in SCHEMA]
)
STREAM_HEAD: bytes = STREAM_SCHEMA.serialize().to_pybytes()
PREFIX = 8  # of an IPC message: a marker, the length of its metadata

# Buffers are compressed by themselves, so any Arrow reader reads the file. LZ4 takes 0.05 ms for 100 rows, zstd 0.7 ms
# for a tenth less: too long for a process that stamps chunks. A few rows are smaller as they are.
COMPRESSED_FROM = 8
LZ4 = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
PLAIN = pa.ipc.IpcWriteOptions()
# Piece by piece: what would be read ahead stays in memory (0.2 GiB of 3 million rows), and takes twice as long.
IN_PIECES = ds.ParquetFileFormat(
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(
        use_buffered_stream=True, buffer_size=1 << 18, pre_buffer=False
    )
)
ONE_THREAD = pa.ipc.IpcReadOptions(use_threads=False)  # handing out buffers this small takes longer than reading them


def pack(samples: Sequence[Sample]) -> bytes:
    """One Arrow IPC record batch without its schema: packed columns in the order of Sample's fields."""
    return _message(_batch(samples), LZ4 if len(samples) >= COMPRESSED_FROM else PLAIN)


def _batch(samples: Sequence[Sample]) -> pa.RecordBatch:
    columns = zip(*map(msgspec.structs.astuple, samples), strict=True) if samples else ((),) * len(SCHEMA)
    arrays = [_array(column, field.type) for column, field in zip(columns, STREAM_SCHEMA, strict=True)]
    return pa.record_batch(arrays, schema=STREAM_SCHEMA)


def _message(batch: pa.RecordBatch, options: pa.ipc.IpcWriteOptions) -> bytes:
    """The batch alone, cut out of a stream: pyarrow compresses nowhere else."""
    sink = pa.BufferOutputStream()
    stream = pa.ipc.new_stream(sink, STREAM_SCHEMA, options=options)
    stream.write_batch(batch)
    return sink.getvalue()[len(STREAM_HEAD) :].to_pybytes()  # type: ignore[no-any-return]


def head_size(packed: bytes) -> int:
    """How long the head of one whole record batch is, at the cost of a look; RecordError when it is none.

    Heads of a schema differ in length by what a batch leaves out, not by its values.
    """
    try:
        message = pa.ipc.read_message(pa.py_buffer(packed))
    except (pa.ArrowException, OSError, EOFError) as error:
        raise RecordError(f"a worker sent rows that cannot be read: {_line(error)}") from None
    head = len(packed) - (message.body.size if message.body else 0)
    if message.type != "record batch" or head != PREFIX + message.metadata.size:
        raise RecordError(f"a worker sent rows that cannot be read: {message.type} of {len(packed)} bytes")
    return head


def unpack(packed: bytes) -> pa.RecordBatch:
    """The batch that `pack` made; RecordError when it is none."""
    try:
        return pa.ipc.read_record_batch(pa.py_buffer(packed), STREAM_SCHEMA).cast(SCHEMA)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise RecordError(f"a worker sent rows that cannot be read: {_line(error)}") from None


def _array(column: Sequence[object], type_: pa.DataType) -> pa.Array:
    """A column; a service that claims 10^12 tokens or sends half a surrogate must not cost the batch its other rows."""
    try:
        return pa.array(column, type=type_)
    except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):
        return pa.array([_fitting(value, type_) for value in column], type=type_)


def _fitting(value: object, type_: pa.DataType) -> object:
    """The value; absent when it is no number of this width, with question marks for what is no text."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and pa.types.is_integer(type_) and value.bit_length() >= type_.bit_width:
        return None
    return value


# -- streams


def read_stream(path: Path) -> Iterator[pa.RecordBatch]:
    """The whole batches of a stream, up to where it was cut."""
    try:
        # Mapped, all of the file would count as this process's memory.
        with pa.input_stream(str(path), compression=None, buffer_size=1 << 20) as file:
            reader = pa.ipc.open_stream(file, options=ONE_THREAD)
            while True:
                yield reader.read_next_batch()
    except (StopIteration, pa.ArrowInvalid, OSError):
        return


def next_stream(directory: Path) -> Path:
    """A stream file that this run has never had."""
    numbers = [_number(name)[0] for name in {path.name for path in _all_streams(directory)} | converted(directory)]
    number = max(numbers, default=-1) + 1
    return directory / (f"requests.{number}.arrows" if number else "requests.arrows")


def _all_streams(directory: Path) -> list[Path]:
    return sorted(directory.glob("requests*.arrows"), key=lambda path: _number(path.name))


def _number(name: str) -> tuple[int, int]:
    """`requests.arrows` is the first, then comes `requests.1.arrows`; of a copy `requests.1.000002.arrows`, a part."""
    parts = name.split(".")
    return (int(parts[1]) if len(parts) > 2 else 0), (int(parts[2]) if len(parts) > 3 else 0)


def stream_of(name: str) -> str:
    """The stream that a file of rows is, or is a part of."""
    number, _ = _number(name)
    return f"requests.{number}.arrows" if number else "requests.arrows"


def converted(directory: Path) -> set[str]:
    """Streams whose rows are in the Parquet file: a kill between its renaming and their removal leaves them behind."""
    try:
        metadata = pq.read_schema(directory / PARQUET).metadata or {}
    except (OSError, pa.ArrowException):
        return set()
    return set(metadata.get(CONVERTED, b"").decode().split())


# -- all rows of a run


def read_rows(directory: Path) -> pa.Table:
    """All rows of a run, in the order of their arrival: the Parquet file's, then those of streams not in it."""
    return pa.concat_tables([SCHEMA.empty_table(), *_tables(directory)])


def window_rows(directory: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of the rows that were sent in a step's window, some ten thousand rows at a time."""
    return _selected(directory, columns, (pc.field("phase") == "window") & pc.field("step").is_valid())


def step_rows(directory: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of the rows of steps, in any phase, some ten thousand rows at a time."""
    return _selected(directory, columns, pc.field("step").is_valid())


def warm_up_rows(directory: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of the rows of warm-ups, which belong to no step."""
    return _selected(directory, columns, pc.field("phase") == "warmup")


def _selected(directory: Path, columns: Sequence[str], inside: pc.Expression) -> Iterator[pa.Table]:
    if (directory / PARQUET).exists():
        for batch in _parquet(directory, columns=list(columns), filter=inside):
            yield pa.Table.from_batches([batch])
    for table in _streamed(directory):
        yield table.filter(inside).select(list(columns))


def _parquet(directory: Path, **wanted: Any) -> Iterator[pa.RecordBatch]:
    """The rows of the Parquet file; columns that it does not have yet are empty."""
    try:
        file = ds.dataset(directory / PARQUET, schema=SCHEMA, format=IN_PIECES)
        # Threads would read ahead: 0.5 GiB more.
        yield from file.scanner(**wanted, batch_size=ROWS_PER_GROUP, use_threads=False).to_batches()
    except (OSError, pa.ArrowException) as error:
        raise RecordError(f"{directory / PARQUET} cannot be read: {_line(error)}") from None


def convert_rows(directory: Path, finished: Collection[str] | None = None) -> None:
    """All rows into one Parquet file, then the streams go; raises OSError and leaves everything as it was.

    With `finished` (ids of steps), rows of any other step are marked as cut: that step will be done again, under the
    same id, and must not find requests of an earlier attempt among its own.
    """
    streams = _all_streams(directory)
    if not streams and finished is None:
        return
    target, part = directory / PARQUET, directory / f"{PARQUET}.part"
    names = " ".join(sorted(converted(directory) | {stream_of(path.name) for path in streams}))
    strings = [field.name for field in SCHEMA if pa.types.is_string(field.type) and field.name != "request_id"]
    schema = SCHEMA.with_metadata({CONVERTED: names.encode()})
    with removed_on_failure(part):
        with part.open("wb") as file:
            with pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=strings) as writer:
                for table in _tables(directory):
                    writer.write_table(_with_cuts(table, finished).replace_schema_metadata(schema.metadata))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    for path in streams:
        path.unlink()


def _tables(directory: Path) -> Iterator[pa.Table]:
    if (directory / PARQUET).exists():
        kept = (pa.Table.from_batches([batch]) for batch in _parquet(directory))
        yield from _joined(kept, ROWS_PER_GROUP)
    yield from _streamed(directory)


def _streamed(directory: Path) -> Iterator[pa.Table]:
    """The rows of streams that are not in the Parquet file."""
    done = converted(directory)
    for stream in _all_streams(directory):
        if stream_of(stream.name) not in done:
            yield from _groups(read_stream(stream))


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches of some rows as tables of many, so that neither memory nor the file suffers from their number."""
    small = (pa.Table.from_batches([batch]) for batch in batches)
    joined = (table.cast(SCHEMA) for table in _joined(small, ROWS_PER_JOIN))
    yield from _joined(joined, ROWS_PER_GROUP)


def _joined(tables: Iterable[pa.Table], at_least: int) -> Iterator[pa.Table]:
    """The same rows, so many at a time in one piece."""
    waiting: list[pa.Table] = []
    rows = 0
    for table in tables:
        waiting.append(table)
        rows += table.num_rows
        if rows >= at_least:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


def _with_cuts(table: pa.Table, finished: Collection[str] | None) -> pa.Table:
    if finished is None:
        return table
    step = table.column("step")
    known = pc.is_in(step, value_set=pa.array(sorted(finished), pa.string()))
    keep = pc.or_(pc.or_(known, pc.is_null(step)), pc.fill_null(pc.ends_with(step, CUT), False))
    marked = pc.if_else(keep, step, pc.binary_join_element_wise(step, CUT, ""))
    return table.set_column(table.schema.get_field_index("step"), SCHEMA.field("step"), marked)


def _line(error: BaseException) -> str:
    return str(error).split("\n", 1)[0]
