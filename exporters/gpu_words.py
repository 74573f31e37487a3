"""The words of the GPU exporter: a series' name, a reading of it, why a call of NVML failed."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

Nvml = Any
"""pynvml, or a simulated one: functions and constants by pynvml's names, which bear no types."""


class Field(NamedTuple):
    """One name on the page."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str


Reading = tuple[Field, str, float]
"""A value, with labels beside those of its GPU (as text, `name="value"`, or nothing)."""

FAILURES: Final = {
    1: "uninitialized", 2: "invalid_argument", 3: "not_supported", 4: "no_permission", 6: "not_found",
    7: "insufficient_size", 8: "insufficient_power", 9: "driver_not_loaded", 10: "timeout", 11: "irq_issue",
    12: "library_not_found", 13: "function_not_found", 14: "corrupted_inforom", 15: "gpu_is_lost",
    16: "reset_required", 17: "operating_system", 18: "lib_rm_version_mismatch", 20: "memory",
    25: "argument_version_mismatch", 999: "unknown",
}  # fmt: skip
"""nvmlReturn_t -> our word for it, a closed set (nvml.h)."""
TIMEOUT = "timeout"
ABSENT: Final = frozenset({"not_supported", "function_not_found", "no_permission", "argument_version_mismatch"})
"""Not failures of the moment: this GPU or driver does not tell, so that it is asked again rarely."""
LOST: Final = frozenset({"gpu_is_lost", "reset_required", "uninitialized", "driver_not_loaded"})
"""The handle is of no use any more: NVML has to be opened again."""


def reason_of(error: Exception) -> str:
    """Why a call failed, in a word of FAILURES, or `other` (NVML's, unknown to us), or `unexpected` (not NVML's)."""
    value = getattr(error, "value", None)
    return FAILURES.get(value, "other") if isinstance(value, int) else "unexpected"


_UNION: Final = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")  # by nvmlValueType_t


def value_of(nvml: Nvml, field: Any) -> float:
    """The number in an nvmlFieldValue_t. Raises NVML's error when the driver gave one instead."""
    if field.nvmlReturn:
        raise nvml.NVMLError(field.nvmlReturn)
    return float(getattr(field.value, _UNION[field.valueType]))


def labels(**pairs: str) -> str:
    """Labels as they stand between braces, escaped as the text format asks."""
    return ",".join(f'{name}="{escaped(value)}"' for name, value in pairs.items())


def escaped(value: str) -> str:
    """A label's value: printable, at most 200 letters, with the three escapes of the text format."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in value[:200])
    return clean.replace("\\", "\\\\").replace('"', '\\"')
