"""The words of the GPU exporter: NVML, and why a call of it failed."""

from __future__ import annotations

from typing import Any, Final

Nvml = Any
"""pynvml, or a simulated one: functions and constants by pynvml's names, which bear no types."""


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
