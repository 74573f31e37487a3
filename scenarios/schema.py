"""Walks a parsed file beside the types of `scenario.py`, so that every mistake is found where it stands.

msgspec checks values but names neither the value nor a table's own key ("$.arms[...].url"); with the data in hand both
are known, and so is what would have been accepted.
"""

from __future__ import annotations

import datetime
import math
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect

from scenarios.scenario import Arm
from scenarios.values import READERS
from scenarios.wrong import MISSING, Where, Wrong, one_of, unknown


def read(value: Any, kind: Any, at: Where = ()) -> Any:
    """`value` as the type wants it (durations in seconds, rungs as a list); raises Wrong at the first wrong key."""
    if kind is Any:
        return _read_anything(value, at)
    for part in _union(kind):
        reader = _reader(part)
        if reader is not None:
            value = _written(value, reader, at)
        inner = _bare(part)
        if isinstance(value, dict) and _is_struct(inner):
            return _read_struct(value, inner, at)
        if isinstance(value, dict) and get_origin(inner) is dict:
            item = get_args(inner)[1]
            return _fitting({key: read(one, item, (*at, key)) for key, one in value.items()}, part, at)
        if isinstance(value, list) and get_origin(inner) is tuple:
            item = get_args(inner)[0]
            return _fitting([read(one, item, (*at, i)) for i, one in enumerate(value)], part, at)
    return _read_scalar(value, kind, at)


def accepted(kind: Any) -> str:
    """What a type accepts, in words."""
    return " or ".join(_worded(part) for part in _union(kind))


def _read_struct(table: dict[str, Any], kind: type[msgspec.Struct], at: Where) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    for key, value in table.items():
        if key not in hints:
            raise Wrong((*at, key), value, f"unknown key; {unknown(key, _keys(kind), _elsewhere(hints, key, at))}")
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in table:
            raise Wrong((*at, field.name), MISSING, f"expected {accepted(hints[field.name])}")
    return {key: read(value, hints[key], (*at, key)) for key, value in table.items()}


def _elsewhere(hints: dict[str, Any], key: str, at: Where) -> list[str]:
    """For a key at the top: the section that has it, as it would have to be written."""
    sections = [(name, part) for name, hint in hints.items() for part in _union(hint) if not at and _is_struct(part)]
    return [f"{name}.{key}" for name, part in sections if key in _keys(part)]


def _keys(kind: type[msgspec.Struct]) -> list[str]:
    """The keys of a table."""
    return list(kind.__struct_fields__)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _read_scalar(value: Any, kind: Any, at: Where) -> Any:
    finite = not isinstance(value, float) or math.isfinite(value)
    if isinstance(value, datetime.date | datetime.time) and str in _union(kind):
        return value.isoformat()
    try:
        if finite:
            return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        pass
    raise Wrong(at, value, f"expected {accepted(kind)}")


def _read_anything(value: Any, at: Where) -> Any:
    """A value that goes into a request body as it is: anything that JSON can say."""
    if isinstance(value, dict):
        return {key: _read_anything(one, (*at, key)) for key, one in value.items()}
    if isinstance(value, list):
        return [_read_anything(one, (*at, i)) for i, one in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise Wrong(at, value, "expected a finite number: JSON has no other")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise Wrong(at, value, "expected a number of at most 64 bits")
    if isinstance(value, datetime.date | datetime.time):
        raise Wrong(at, value, 'expected a JSON value; write a date as a string: "..."')
    return value


def _written(value: Any, reader: str, at: Where) -> Any:
    try:
        return READERS[reader][0](value)
    except ValueError as error:
        raise Wrong(at, value, str(error)) from None


def _fitting(value: Any, kind: Any, at: Where) -> Any:
    """The value, when its size fits as well (its items have been read)."""
    info = inspect.type_info(kind)
    if isinstance(info, inspect.Metadata):
        info = info.type
    if isinstance(info, inspect.DictType | inspect.VarTupleType) and len(value) < (info.min_length or 0):
        raise Wrong(at, value, f"expected at least one entry: {accepted(kind)}")
    return value


def _union(kind: Any) -> list[Any]:
    parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    return [part for part in parts if part is not NoneType]


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _reader(kind: Any) -> str | None:
    notes = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return next((note.extra["reads"] for note in notes if note.extra), None)


def _worded(kind: Any) -> str:
    reader = _reader(kind)
    if reader is not None:
        low = ", above 0" if reader == "seconds" and inspect.type_info(kind).type.gt == 0 else ""  # type: ignore[attr-defined]
        return READERS[reader][1] + low
    inner = _bare(kind)
    if _is_struct(inner):
        whose = "a table of its own, [arms.NAME]," if inner is Arm else "a table"
        return f"{whose} with {', '.join(_keys(inner))}"
    if get_origin(inner) is tuple:
        return f"a list, each {accepted(get_args(inner)[0])}"
    if get_origin(inner) is dict:
        return f"a table, each value {accepted(get_args(inner)[1])}"
    return _plain(inspect.type_info(kind))


def _plain(info: Any) -> str:
    """A number, a string, a choice or a switch in words."""
    if isinstance(info, inspect.LiteralType):
        return one_of(list(info.values))
    if isinstance(info, inspect.BoolType):
        return "true or false"
    if isinstance(info, inspect.IntType | inspect.FloatType):
        return ("a whole number" if isinstance(info, inspect.IntType) else "a number") + _range(info)
    return "a string"


def _range(info: inspect.IntType | inspect.FloatType) -> str:
    low = f"from {info.ge}" if info.ge is not None else f"above {info.gt}" if info.gt is not None else ""
    high = f"to {info.le}" if info.le is not None else f"to below {info.lt}" if info.lt is not None else ""
    return " " + " ".join(filter(None, (low, high))) if low or high else ""
