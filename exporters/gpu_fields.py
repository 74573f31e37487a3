"""What is read of a GPU: one row for each call of NVML, with the series that it gives and how often it is asked.

Names are dcgm-exporter's where it has one (its etc/default-counters.csv and etc/dcp-metrics-included.csv), so that
dashboards and alerts work on either; their units are dcgm's too (MiB, W, mJ, MHz). The rest is ours, in base units.

Tiers, since calls differ in what they cost: `fast` (10 Hz) is what moves within a step; `steady` (1 Hz) is what a heat
sink or an administrator moves; `slow` (0.2 Hz) is what blocks (a PCIe reading takes 20 ms), or changes once a week.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

from exporters.exposition import Field, Reading
from exporters.gpu_processes import PROCESS_COUNT, PROCESS_MEMORY, processes, processes_v2
from exporters.gpu_words import Nvml, value_of

TierName = Literal["fast", "steady", "slow"]

MIB, MILLI, KIB, KB = 2**20, 1000, 1024, 1000
ALL_LINKS: Final = 0xFFFFFFFF  # scopeId of NVLink's throughput: all links of the GPU

GPU_UTIL = Field("DCGM_FI_DEV_GPU_UTIL", "gauge", "Share of time with any kernel running (in %).")
MEM_COPY_UTIL = Field("DCGM_FI_DEV_MEM_COPY_UTIL", "gauge", "Share of time in which memory was read or written (in %).")
FB_USED = Field("DCGM_FI_DEV_FB_USED", "gauge", "Framebuffer memory used (in MiB).")
FB_FREE = Field("DCGM_FI_DEV_FB_FREE", "gauge", "Framebuffer memory free (in MiB).")
FB_RESERVED = Field("DCGM_FI_DEV_FB_RESERVED", "gauge", "Framebuffer memory reserved by driver and firmware (in MiB).")
FB_TOTAL = Field("DCGM_FI_DEV_FB_TOTAL", "gauge", "Framebuffer memory in total (in MiB).")
POWER = Field("DCGM_FI_DEV_POWER_USAGE", "gauge", "Power draw (in W).")
POWER_LIMIT = Field("DCGM_FI_DEV_POWER_MGMT_LIMIT", "gauge", "Power limit that is set (in W).")
ENERGY = Field("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "counter", "Energy since the driver was loaded (in mJ).")
GPU_TEMP = Field("DCGM_FI_DEV_GPU_TEMP", "gauge", "GPU temperature (in C).")
MEMORY_TEMP = Field("DCGM_FI_DEV_MEMORY_TEMP", "gauge", "Memory temperature (in C).")
SM_CLOCK = Field("DCGM_FI_DEV_SM_CLOCK", "gauge", "SM clock frequency (in MHz).")
MEM_CLOCK = Field("DCGM_FI_DEV_MEM_CLOCK", "gauge", "Memory clock frequency (in MHz).")
REASONS = Field(
    "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", "gauge", "Why clocks are not higher: bits of nvmlClocksEventReasons."
)
THROTTLED = Field("tokenswarm_gpu_throttled", "gauge", "Whether this reason holds the clocks down now (1) or not (0).")
ENC_UTIL = Field("DCGM_FI_DEV_ENC_UTIL", "gauge", "Encoder utilization (in %).")
DEC_UTIL = Field("DCGM_FI_DEV_DEC_UTIL", "gauge", "Decoder utilization (in %).")
PCIE_TX = Field(
    "tokenswarm_gpu_pcie_transmit_bytes_per_second",
    "gauge",
    "PCIe sent by the GPU, over 20 ms (NVML's KB as 1,000 bytes).",
)
PCIE_RX = Field(
    "tokenswarm_gpu_pcie_receive_bytes_per_second",
    "gauge",
    "PCIe received by the GPU, over 20 ms (NVML's KB as 1,000 bytes).",
)
PCIE_REPLAY = Field("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "counter", "Total number of PCIe retries.")
NVLINK_TX = Field("tokenswarm_gpu_nvlink_transmit_bytes_total", "counter", "Payload sent over all NVLinks.")
NVLINK_RX = Field("tokenswarm_gpu_nvlink_receive_bytes_total", "counter", "Payload received over all NVLinks.")
LINK_ERRORS: Final = tuple(
    (f"NVML_FI_DEV_NVLINK_{name}_COUNT_TOTAL", Field(f"DCGM_FI_DEV_NVLINK_{name}_COUNT_TOTAL", "counter", text))
    for name, text in (
        ("CRC_FLIT_ERROR", "Total number of NVLink flow-control CRC errors."),
        ("CRC_DATA_ERROR", "Total number of NVLink data CRC errors."),
        ("REPLAY_ERROR", "Total number of NVLink retries."),
        ("RECOVERY_ERROR", "Total number of NVLink recovery errors."),
    )
)
ECC_SBE = Field("DCGM_FI_DEV_ECC_SBE_VOL_TOTAL", "counter", "Corrected ECC errors since the driver was loaded.")
ECC_DBE = Field("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "counter", "Uncorrected ECC errors since the driver was loaded.")
ROWS_BAD = Field(
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS", "counter", "Number of remapped rows for uncorrectable errors."
)
ROWS_OK = Field("DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "counter", "Number of remapped rows for correctable errors.")
ROWS_FAILED = Field("DCGM_FI_DEV_ROW_REMAP_FAILURE", "gauge", "Whether remapping of rows has failed.")
ROWS_PENDING = Field("tokenswarm_gpu_row_remap_pending", "gauge", "Whether rows wait for a reset to be remapped.")

# Bits of nvml.h's nvmlClocksEventReasons that are throttling; idle (0x1) and clocks set by hand (0x2) are none.
THROTTLES: Final = tuple(
    (bit, f'reason="{reason}"')
    for bit, reason in (
        (0x4, "sw_power_cap"), (0x8, "hw_slowdown"), (0x10, "sync_boost"), (0x20, "sw_thermal"), (0x40, "hw_thermal"),
        (0x80, "hw_power_brake"), (0x100, "display_clock"), (0x200, "board_limit"), (0x400, "reliability"),
    )
)  # fmt: skip


class Read(NamedTuple):
    """One call of NVML: what it gives, how often it is asked, and what to ask of a driver that lacks it."""

    call: str
    tier: TierName
    gives: tuple[Field, ...]
    take: Callable[[Nvml, Any], Sequence[Reading]]
    older: Callable[[Nvml, Any], Sequence[Reading]] | None = None
    slices: bool = False  # whether a MIG slice answers it too


def _utilization(nvml: Nvml, gpu: Any) -> Sequence[Reading]:
    rates = nvml.nvmlDeviceGetUtilizationRates(gpu)
    return (GPU_UTIL, "", rates.gpu), (MEM_COPY_UTIL, "", rates.memory)


def _memory(nvml: Nvml, gpu: Any) -> Sequence[Reading]:
    found = nvml.nvmlDeviceGetMemoryInfo(gpu, version=nvml.nvmlMemory_v2)
    return (
        (FB_USED, "", found.used / MIB),
        (FB_FREE, "", found.free / MIB),
        (FB_RESERVED, "", found.reserved / MIB),
        (FB_TOTAL, "", found.total / MIB),
    )


def _memory_v1(nvml: Nvml, gpu: Any) -> Sequence[Reading]:
    """The first version counts what is reserved as used, and does not tell how much."""
    found = nvml.nvmlDeviceGetMemoryInfo(gpu)
    return (FB_USED, "", found.used / MIB), (FB_FREE, "", found.free / MIB), (FB_TOTAL, "", found.total / MIB)


def _reasons(bits: int) -> Sequence[Reading]:
    return (REASONS, "", bits), *((THROTTLED, label, 1 if bits & bit else 0) for bit, label in THROTTLES)


def _clock(field: Field, constant: str) -> Callable[[Nvml, Any], Sequence[Reading]]:
    return lambda nvml, gpu: ((field, "", nvml.nvmlDeviceGetClockInfo(gpu, getattr(nvml, constant))),)


def _temperature(nvml: Nvml, gpu: Any) -> Sequence[Reading]:
    return ((GPU_TEMP, "", nvml.nvmlDeviceGetTemperatureV(gpu, nvml.NVML_TEMPERATURE_GPU)),)


def _temperature_v1(nvml: Nvml, gpu: Any) -> Sequence[Reading]:
    return ((GPU_TEMP, "", nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU)),)


def _memory_temperature(nvml: Nvml, gpu: Any) -> Sequence[Reading]:
    (found,) = nvml.nvmlDeviceGetFieldValues(gpu, [nvml.NVML_FI_DEV_MEMORY_TEMP])
    return ((MEMORY_TEMP, "", value_of(nvml, found)),)


def _pcie(field: Field, constant: str) -> Callable[[Nvml, Any], Sequence[Reading]]:
    return lambda nvml, gpu: ((field, "", nvml.nvmlDeviceGetPcieThroughput(gpu, getattr(nvml, constant)) * KB),)


def _nvlink(nvml: Nvml, gpu: Any) -> Sequence[Reading]:
    ways = nvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, nvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX
    sent, received = nvml.nvmlDeviceGetFieldValues(gpu, [(way, ALL_LINKS) for way in ways])
    return (NVLINK_TX, "", value_of(nvml, sent) * KIB), (NVLINK_RX, "", value_of(nvml, received) * KIB)


def _nvlink_errors(nvml: Nvml, gpu: Any) -> Sequence[Reading]:
    found = nvml.nvmlDeviceGetFieldValues(gpu, [getattr(nvml, name) for name, _ in LINK_ERRORS])
    return [(field, "", value_of(nvml, one)) for (_, field), one in zip(LINK_ERRORS, found, strict=True)]


def _ecc(field: Field, constant: str) -> Callable[[Nvml, Any], Sequence[Reading]]:
    return lambda nvml, gpu: (
        (field, "", nvml.nvmlDeviceGetTotalEccErrors(gpu, getattr(nvml, constant), nvml.NVML_VOLATILE_ECC)),
    )


def _rows(nvml: Nvml, gpu: Any) -> Sequence[Reading]:
    correctable, uncorrectable, pending, failed = nvml.nvmlDeviceGetRemappedRows(gpu)
    return (
        (ROWS_OK, "", correctable),
        (ROWS_BAD, "", uncorrectable),
        (ROWS_PENDING, "", pending),
        (ROWS_FAILED, "", failed),
    )


READS: Final[tuple[Read, ...]] = (
    Read("utilization", "fast", (GPU_UTIL, MEM_COPY_UTIL), _utilization),
    Read("memory", "fast", (FB_USED, FB_FREE, FB_RESERVED, FB_TOTAL), _memory, _memory_v1, slices=True),
    Read("power", "fast", (POWER,), lambda nvml, gpu: ((POWER, "", nvml.nvmlDeviceGetPowerUsage(gpu) / MILLI),)),
    Read("energy", "fast", (ENERGY,), lambda nvml, gpu: ((ENERGY, "", nvml.nvmlDeviceGetTotalEnergyConsumption(gpu)),)),
    Read("sm_clock", "fast", (SM_CLOCK,), _clock(SM_CLOCK, "NVML_CLOCK_SM")),
    Read("memory_clock", "fast", (MEM_CLOCK,), _clock(MEM_CLOCK, "NVML_CLOCK_MEM")),
    Read(
        "clock_reasons",
        "fast",
        (REASONS, THROTTLED),
        lambda nvml, gpu: _reasons(nvml.nvmlDeviceGetCurrentClocksEventReasons(gpu)),
        lambda nvml, gpu: _reasons(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu)),
    ),
    Read("temperature", "steady", (GPU_TEMP,), _temperature, _temperature_v1),
    Read("memory_temperature", "steady", (MEMORY_TEMP,), _memory_temperature),
    Read(
        "power_limit",
        "steady",
        (POWER_LIMIT,),
        lambda nvml, gpu: ((POWER_LIMIT, "", nvml.nvmlDeviceGetPowerManagementLimit(gpu) / MILLI),),
    ),
    Read(
        "encoder",
        "slow",
        (ENC_UTIL,),
        lambda nvml, gpu: ((ENC_UTIL, "", nvml.nvmlDeviceGetEncoderUtilization(gpu)[0]),),
    ),
    Read(
        "decoder",
        "slow",
        (DEC_UTIL,),
        lambda nvml, gpu: ((DEC_UTIL, "", nvml.nvmlDeviceGetDecoderUtilization(gpu)[0]),),
    ),
    Read("pcie_transmit", "slow", (PCIE_TX,), _pcie(PCIE_TX, "NVML_PCIE_UTIL_TX_BYTES")),
    Read("pcie_receive", "slow", (PCIE_RX,), _pcie(PCIE_RX, "NVML_PCIE_UTIL_RX_BYTES")),
    Read(
        "pcie_replay",
        "slow",
        (PCIE_REPLAY,),
        lambda nvml, gpu: ((PCIE_REPLAY, "", nvml.nvmlDeviceGetPcieReplayCounter(gpu)),),
    ),
    Read("nvlink", "slow", (NVLINK_TX, NVLINK_RX), _nvlink),
    Read("nvlink_errors", "slow", tuple(field for _, field in LINK_ERRORS), _nvlink_errors),
    Read("ecc_corrected", "slow", (ECC_SBE,), _ecc(ECC_SBE, "NVML_MEMORY_ERROR_TYPE_CORRECTED")),
    Read("ecc_uncorrected", "slow", (ECC_DBE,), _ecc(ECC_DBE, "NVML_MEMORY_ERROR_TYPE_UNCORRECTED")),
    Read("remapped_rows", "slow", (ROWS_OK, ROWS_BAD, ROWS_PENDING, ROWS_FAILED), _rows),
    Read("processes", "slow", (PROCESS_COUNT, PROCESS_MEMORY), processes, processes_v2, slices=True),
)
