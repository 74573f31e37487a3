"""Samples as Arrow columns: the schema follows from Sample's annotations, so there is no second list of columns."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence

import msgspec
import pyarrow as pa

from exporters.sample import Sample

SMALL = {
    "block": pa.int32(),
    "concurrency": pa.int32(),
    "worker": pa.int32(),
    "attempt": pa.int16(),
    "status": pa.int16(),
}
TYPES: dict[object, pa.DataType] = {str: pa.string(), int: pa.int64(), float: pa.float64()}


def _column(name: str, annotation: object) -> pa.Field:
    kinds = [annotation]
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        kinds = [kind for kind in typing.get_args(annotation) if kind is not types.NoneType]
    kind = str if typing.get_origin(kinds[0]) is typing.Literal else kinds[0]
    if kind is int and name not in SMALL and not name.endswith("_ns"):
        return pa.field(name, pa.int32())
    return pa.field(name, SMALL.get(name, TYPES[kind]))


SCHEMA = pa.schema([_column(name, kind) for name, kind in typing.get_type_hints(Sample).items()])


def pack(samples: Sequence[Sample]) -> bytes:
    """One Arrow IPC record batch without its schema: packed columns in the order of Sample's fields."""
    columns = zip(*map(msgspec.structs.astuple, samples), strict=True) if samples else ((),) * len(SCHEMA)
    arrays = [pa.array(column, type=field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.record_batch(arrays, schema=SCHEMA).serialize().to_pybytes()  # type: ignore[no-any-return]


def unpack(packed: bytes) -> pa.RecordBatch:
    """The batch that `pack` made."""
    return pa.ipc.read_record_batch(pa.py_buffer(packed), SCHEMA)
