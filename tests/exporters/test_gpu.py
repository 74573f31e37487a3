"""`tokenswarm gpu-exporter` as the process it is, over a double of NVML that answers what a test asks for."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters.gpu_fields import READS
from exporters.server import gpu_figures
from tests.exporters.nvml import Exporting, build, environment, exporting, put, samples, value

# Names, and whether they count, as in dcgm-exporter's etc/default-counters.csv and etc/dcp-metrics-included.csv.
DCGM = {
    "DCGM_FI_DEV_SM_CLOCK": "gauge", "DCGM_FI_DEV_MEM_CLOCK": "gauge", "DCGM_FI_DEV_MEMORY_TEMP": "gauge",
    "DCGM_FI_DEV_GPU_TEMP": "gauge", "DCGM_FI_DEV_POWER_USAGE": "gauge",
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": "counter", "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": "counter",
    "DCGM_FI_DEV_GPU_UTIL": "gauge", "DCGM_FI_DEV_MEM_COPY_UTIL": "gauge", "DCGM_FI_DEV_ENC_UTIL": "gauge",
    "DCGM_FI_DEV_DEC_UTIL": "gauge", "DCGM_FI_DEV_XID_ERRORS": "gauge", "DCGM_FI_DEV_FB_FREE": "gauge",
    "DCGM_FI_DEV_FB_USED": "gauge", "DCGM_FI_DEV_FB_RESERVED": "gauge", "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": "counter",
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": "counter", "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": "counter",
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": "counter", "DCGM_FI_DEV_ROW_REMAP_FAILURE": "gauge",
    "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL": "counter",
    "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL": "counter",
    "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL": "counter",
    "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL": "counter",
    # DCGM's fields that are in neither file, but that dcgm-exporter gives when it is asked to:
    "DCGM_FI_DEV_FB_TOTAL": "gauge", "DCGM_FI_DEV_POWER_MGMT_LIMIT": "gauge",
    "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS": "gauge",
}  # fmt: skip
LABELS = (
    'gpu="0",UUID="GPU-00000000-0000-0000-0000-000000000000",pci_bus_id="00000000:00:1A.0",device="nvidia0",'
    'modelName="NVIDIA Double"{slice},Hostname="node-a",DCGM_FI_DRIVER_VERSION="580.95.05"'
)
# Fields of nvmlDeviceGetFieldValues: memory temperature, NVLink sent and received in KiB, its four error counts.
LINKED = ("* field.82 61", "* field.138 2000", "* field.139 3000", *(f"* field.{n} {n}" for n in (38, 45, 52, 59)))
EVERYTHING = (*LINKED, "* reasons 68", "* power_w 321.5", "* used_mib 40960")
STALLED = "tokenswarm_gpu_call_stalled_seconds"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="module")
def old_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("old-nvml"), "-DOLD_DRIVER")


@pytest.fixture(scope="module")
def whole(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporting]:
    """One GPU that answers everything."""
    with exporting(library, tmp_path_factory.mktemp("whole"), *EVERYTHING) as exporter:
        exporter.until(lambda page: "DCGM_FI_DEV_XID_ERRORS{" in page)
        yield exporter


def test_every_value_arrives_in_the_unit_of_its_name(whole: Exporting) -> None:
    """What NVML says is on the page: MiB, W, MHz and degrees as dcgm-exporter has them, bytes in names of ours."""
    page = whole.page()
    expected = {
        "DCGM_FI_DEV_GPU_UTIL": 42, "DCGM_FI_DEV_MEM_COPY_UTIL": 17, "DCGM_FI_DEV_FB_USED": 40960,
        "DCGM_FI_DEV_FB_RESERVED": 512, "DCGM_FI_DEV_FB_FREE": 81920 - 40960 - 512, "DCGM_FI_DEV_FB_TOTAL": 81920,
        "DCGM_FI_DEV_POWER_USAGE": 321.5, "DCGM_FI_DEV_POWER_MGMT_LIMIT": 700, "DCGM_FI_DEV_GPU_TEMP": 55,
        "DCGM_FI_DEV_MEMORY_TEMP": 61, "DCGM_FI_DEV_SM_CLOCK": 1410, "DCGM_FI_DEV_MEM_CLOCK": 1215,
        "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS": 68, "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": 3, "DCGM_FI_DEV_XID_ERRORS": 0,
        "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": 1, "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": 2, "DCGM_FI_DEV_ENC_UTIL": 5,
        "DCGM_FI_DEV_DEC_UTIL": 6, "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": 4, "DCGM_FI_DEV_ROW_REMAP_FAILURE": 0,
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": 5, "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL": 38,
        "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL": 45, "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL": 52,
        "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL": 59, "tokenswarm_gpu_pcie_transmit_bytes_per_second": 7000,
        "tokenswarm_gpu_pcie_receive_bytes_per_second": 8000, "tokenswarm_gpu_row_remap_pending": 0,
        "tokenswarm_gpu_nvlink_transmit_bytes_total": 2000 * 1024,
        "tokenswarm_gpu_nvlink_receive_bytes_total": 3000 * 1024, "tokenswarm_gpu_processes": 1,
        "tokenswarm_gpu_process_memory_bytes": 100 * 2**20, "tokenswarm_gpu_up": 1,
    }  # fmt: skip
    throttled = {one.labels["reason"] for one in samples(page, "tokenswarm_gpu_throttled") if one.value}

    assert {name: value(page, name) for name in expected} == expected
    assert throttled == {"sw_power_cap", "hw_thermal"}


def test_names_kinds_and_labels_are_those_of_dcgm_exporter(whole: Exporting) -> None:
    """Every DCGM name is one of dcgm-exporter's, with its kind; labels are the same, in the same order."""
    page = whole.page()
    kinds = dict(line.split()[2:4] for line in page.splitlines() if line.startswith("# TYPE DCGM"))
    told = next(line for line in page.splitlines() if line.startswith("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{"))
    xid = next(line for line in page.splitlines() if line.startswith("DCGM_FI_DEV_XID_ERRORS{"))
    named = LABELS.format(slice="")

    assert kinds == DCGM
    assert told.split("{", 1)[1].rsplit("}", 1)[0] == named
    assert xid == f'DCGM_FI_DEV_XID_ERRORS{{{named},err_code="0",err_msg="No Error"}} 0'


def test_the_table_names_all_that_it_gives(whole: Exporting) -> None:
    """Each field of the table of reads is on the page of a GPU that answers everything, and documented there."""
    page = whole.page()
    names = {field.name for read in READS for field in read.gives}

    assert names - {one.name for one in samples(page)} == set()
    assert {name for name in names if f"# HELP {name} " not in page} == set()
    assert value(page, "tokenswarm_gpu_read_absent") is None


def test_the_sampler_of_a_run_reads_it(whole: Exporting) -> None:
    """The page gives a run every figure of a GPU, in base units."""
    (figures,) = gpu_figures(whole.page()).values()

    assert figures["busy"] == pytest.approx(0.42)
    assert figures["memory_used_bytes"] == 40960 * 2**20
    assert figures["power_w"] == 321.5
    assert figures["sm_clock_hz"] == 1.41e9
    assert figures["throttled"] == 68
    assert {"energy_j", "power_limit_w", "temperature_c", "memory_free_bytes", "memory_reserved_bytes"} <= set(figures)


def test_promtool_finds_fault_with_dcgm_s_names_alone(whole: Exporting) -> None:
    """`promtool check metrics` parses the page; of our own names it minds nothing but the labels taken from dcgm."""
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=whole.page(), capture_output=True, text=True, timeout=30, check=False
    )
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("DCGM_")]

    assert [line for line in complaints if line and "label names should be written in 'snake_case'" not in line] == []


def test_a_process_is_told_by_its_program_alone(whole: Exporting) -> None:
    """No folder and no arguments (they may hold keys) get onto the page; quotes and backslashes are escaped."""
    page = whole.page()

    assert 'pid="4000000",process="engine\\"\\\\4000000"' in page
    assert "secret" not in page
    assert samples(page, "tokenswarm_gpu_process_memory_bytes")[0].labels["process"] == 'engine"\\4000000'


def test_what_a_gpu_does_not_support_is_absent_and_health_says_so(library: Path, tmp_path: Path) -> None:
    """No series instead of a zero, for the one GPU that lacks it; an error of the moment is counted, and no value."""
    lines = ("* count 2", "1 error.nvmlDeviceGetPowerUsage 3", "0 error.nvmlDeviceGetUtilizationRates 999")
    with exporting(library, tmp_path, *lines) as exporter:
        errors = "tokenswarm_gpu_read_errors_total"
        page = exporter.until(lambda page: (value(page, errors, gpu="0") or 0) >= 5)
        exporter.answers("* count 2")
        after = exporter.until(lambda page: value(page, "DCGM_FI_DEV_GPU_UTIL", gpu="0") == 42)

    assert value(page, "DCGM_FI_DEV_POWER_USAGE", gpu="0") == 100
    assert value(page, "DCGM_FI_DEV_POWER_USAGE", gpu="1") is None
    assert value(page, "tokenswarm_gpu_read_absent", gpu="1", call="power", reason="not_supported") == 1
    assert value(page, errors, gpu="1") is None
    assert value(page, "DCGM_FI_DEV_GPU_UTIL", gpu="0") is None
    assert value(page, "DCGM_FI_DEV_GPU_UTIL", gpu="1") == 42
    assert samples(page, errors)[0].labels["reason"] == "unknown"
    assert value(after, "DCGM_FI_DEV_POWER_USAGE", gpu="1") is None  # asked again after ten minutes


def test_a_gpu_that_is_lost_comes_back(library: Path, tmp_path: Path) -> None:
    """Lost: its values go, `up` is 0 and the reason is there; the others stay; NVML is opened anew to get it back."""
    with exporting(library, tmp_path, "* count 2") as exporter:
        exporter.answers("* count 2", "1 lost 1")
        page = exporter.until(lambda page: value(page, "tokenswarm_gpu_up", gpu="1") == 0)
        exporter.until(lambda page: value(page, "tokenswarm_gpu_unlisted", gpu="1", reason="gpu_is_lost") == 1)
        during = exporter.until(lambda page: value(page, "tokenswarm_gpu_up", gpu="0") == 1)
        exporter.answers("* count 2")
        after = exporter.until(lambda page: value(page, "DCGM_FI_DEV_GPU_UTIL", gpu="1") == 42)

    assert value(page, "DCGM_FI_DEV_GPU_UTIL", gpu="1") is None
    assert value(page, "tokenswarm_gpu_read_errors_total", gpu="1", tier="fast", reason="gpu_is_lost") >= 1
    assert value(during, "DCGM_FI_DEV_GPU_UTIL", gpu="0") == 42
    assert value(during, "tokenswarm_gpu_up", gpu="1") == 0
    assert value(after, "tokenswarm_gpu_up", gpu="1") == 1
    assert value(after, "tokenswarm_gpu_unlisted") is None


def test_gpus_come_and_go(library: Path, tmp_path: Path) -> None:
    """A GPU that is plugged in is read, one that is taken out leaves no series behind."""
    with exporting(library, tmp_path, "* count 1") as exporter:
        exporter.answers("* count 3")
        three = exporter.until(lambda page: value(page, "DCGM_FI_DEV_GPU_UTIL", gpu="2") == 42)
        exporter.answers("* count 1")
        one = exporter.until(lambda page: value(page, "tokenswarm_gpu_listed") == 1)

    assert value(three, "tokenswarm_gpu_listed") == 3
    assert 'gpu="1"' not in one
    assert value(one, "DCGM_FI_DEV_GPU_UTIL", gpu="0") == 42


def test_a_call_that_takes_five_seconds_holds_up_no_scrape(library: Path, tmp_path: Path) -> None:
    """Scrapes are answered meanwhile; what is old is gone after a second; health names the call; then all is back."""
    with exporting(library, tmp_path, "* count 2") as exporter:
        exporter.answers("* count 2", "1 sleep.nvmlDeviceGetPowerUsage 5000")
        page = exporter.until(lambda page: (value(page, STALLED, gpu="1", tier="fast", call="power") or 0) > 1)
        exporter.answers("* count 2")
        took = []
        for _ in range(50):
            began = time.perf_counter()
            exporter.page()
            took.append(time.perf_counter() - began)
        after = exporter.until(lambda page: value(page, "DCGM_FI_DEV_POWER_USAGE", gpu="1") == 100)

    assert sorted(took)[25] < 0.02
    assert value(page, "DCGM_FI_DEV_POWER_USAGE", gpu="1") is None
    assert value(page, "DCGM_FI_DEV_GPU_UTIL", gpu="0") is None  # the other GPU's is as old: one thread reads both
    assert value(page, "DCGM_FI_DEV_GPU_TEMP", gpu="1") == 55  # another tier, which is not held up
    assert value(page, "tokenswarm_gpu_up", gpu="1") == 0
    assert value(after, STALLED) is None
    assert value(after, "tokenswarm_gpu_tier_missed_total", tier="fast") >= 10


def test_a_driver_that_lacks_functions_is_asked_in_the_older_way(old_library: Path, tmp_path: Path) -> None:
    """Memory, temperature, processes and throttling come from older calls; what has none is absent, and said so."""
    with exporting(old_library, tmp_path, "* reasons 4", "* used_mib 2000") as exporter:
        page = exporter.until(lambda page: (value(page, "tokenswarm_gpu_sampled_energy_joules_total") or 0) > 10)
    absent = {one.labels["call"]: one.labels["reason"] for one in samples(page, "tokenswarm_gpu_read_absent")}

    assert value(page, "DCGM_FI_DEV_FB_USED") == 2512  # reserved memory counts as used there
    assert value(page, "DCGM_FI_DEV_FB_RESERVED") is None
    assert value(page, "DCGM_FI_DEV_GPU_TEMP") == 55
    assert value(page, "tokenswarm_gpu_throttled", reason="sw_power_cap") == 1
    assert value(page, "tokenswarm_gpu_processes") == 1
    assert value(page, "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION") is None
    missing = ("energy", "memory_temperature", "nvlink", "nvlink_errors", "remapped_rows")
    assert absent == dict.fromkeys(missing, "function_not_found")


def test_sixteen_gpus_and_many_processes_stay_few_series(library: Path, tmp_path: Path) -> None:
    """Every GPU is told apart by number, UUID and bus; beyond the 16 largest processes there is one sum."""
    with exporting(library, tmp_path, "* count 16", "3 processes 20") as exporter:
        page = exporter.page()
    held = [one for one in samples(page, "tokenswarm_gpu_process_memory_bytes") if one.labels["gpu"] == "3"]
    others = [one.value for one in held if one.labels["pid"] == "other"]

    for label in ("gpu", "UUID", "pci_bus_id", "device"):
        assert len({one.labels[label] for one in samples(page, "DCGM_FI_DEV_GPU_UTIL")}) == 16
    assert len(held) == 17
    assert others == [(100 + 101 + 102 + 103) * 2**20]  # the smallest four of 100 ... 119 MiB
    assert value(page, "tokenswarm_gpu_processes", gpu="3") == 20


def test_mig_slices_bear_their_parent_s_labels_and_their_own(library: Path, tmp_path: Path) -> None:
    """A slice has memory and processes, under GPU_I_PROFILE and GPU_I_ID; what only the whole GPU has stays there."""
    with exporting(library, tmp_path, "* slices 2") as exporter:
        page = exporter.page()
    used = [line for line in page.splitlines() if line.startswith("DCGM_FI_DEV_FB_USED{")]
    sliced = [LABELS.format(slice=f',GPU_I_PROFILE="1g.10gb",GPU_I_ID="{number}"') for number in (7, 8)]

    assert used == [
        f"DCGM_FI_DEV_FB_USED{{{LABELS.format(slice='')}}} 1000.0",
        *(f"DCGM_FI_DEV_FB_USED{{{labels}}} 100.0" for labels in sliced),
    ]
    assert len(samples(page, "DCGM_FI_DEV_POWER_USAGE")) == 1
    assert value(page, "tokenswarm_gpu_listed") == 1
    assert len(gpu_figures(page)) == 3


def test_an_xid_is_told_with_its_meaning_and_counted(library: Path, tmp_path: Path) -> None:
    """NVML's event becomes the last XID of its GPU alone, and one more in the count of its kind."""
    with exporting(library, tmp_path, "* count 2") as exporter:
        exporter.until(lambda page: value(page, "DCGM_FI_DEV_XID_ERRORS", gpu="1") == 0)
        exporter.answers("* count 2", "1 xid 48", "1 xid_number 1")
        exporter.until(lambda page: value(page, "DCGM_FI_DEV_XID_ERRORS", gpu="1") == 48)
        exporter.answers("* count 2", "1 xid 79", "1 xid_number 2")
        page = exporter.until(lambda page: value(page, "DCGM_FI_DEV_XID_ERRORS", gpu="1") == 79)

    assert value(page, "DCGM_FI_DEV_XID_ERRORS", gpu="0") == 0
    assert value(page, "DCGM_FI_DEV_XID_ERRORS", err_code="79", err_msg="GPU has fallen off the bus") == 79
    assert value(page, "tokenswarm_gpu_xid_events_total", gpu="1", xid="48") == 1
    assert value(page, "tokenswarm_gpu_xid_events_total", gpu="1", xid="79") == 1


def test_a_driver_that_comes_later_is_found(library: Path, tmp_path: Path) -> None:
    """Without NVML the endpoint serves health that says why, and keeps trying; a driver that goes takes all values."""
    with exporting(library, tmp_path, "* error.nvmlInit 9") as exporter:
        away = exporter.until(lambda page: value(page, "tokenswarm_gpu_nvml_state", state="driver_not_loaded") == 1)
        exporter.answers("* count 1")
        there = exporter.until(lambda page: value(page, "DCGM_FI_DEV_GPU_UTIL") == 42)
        exporter.answers("* error.nvmlInit 9", "* error.nvmlDeviceGetCount_v2 9")
        gone = exporter.until(lambda page: value(page, "tokenswarm_gpu_nvml_up") == 0)

    assert value(away, "tokenswarm_gpu_nvml_up") == 0
    assert "DCGM_" not in away
    assert value(there, "tokenswarm_gpu_nvml_up") == 1
    assert "DCGM_FI_DEV" not in gone


def test_a_machine_without_the_library_still_serves_health(tmp_path: Path) -> None:
    """No libnvidia-ml.so.1 at all: the page says so."""
    with exporting(None, tmp_path) as exporter:
        page = exporter.until(lambda page: value(page, "tokenswarm_gpu_nvml_state", state="library_not_found") == 1)

    assert value(page, "tokenswarm_gpu_nvml_up") == 0
    assert "DCGM_" not in page


@pytest.mark.parametrize(("has_nvml", "code"), [(True, 0), (False, 2)])
def test_once_prints_the_page(has_nvml: bool, code: int, library: Path, tmp_path: Path) -> None:
    """`--once` prints data and health, and fails in one clear line when NVML is not there."""
    put(tmp_path / "values", ["* count 2"])
    words = [sys.executable, "-m", "tokenswarm", "gpu-exporter", "--once"]
    place = environment(library if has_nvml else None, tmp_path / "values")
    done = subprocess.run(words, env=place, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == code
    assert len(samples(done.stdout, "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL")) == (2 if has_nvml else 0)
    assert value(done.stdout, "tokenswarm_gpu_nvml_up") == int(has_nvml)
    assert ("NVML is not there: library_not_found" in done.stderr) == (not has_nvml)


def test_energy_is_the_integral_of_power(library: Path, tmp_path: Path) -> None:
    """Where a GPU has no energy counter, the sampled power over two seconds adds up to the same, within 5 %."""
    lines = (
        "* count 2",
        "* power_w 300",
        "* swing_w 200",
        "* swing_s 1",
        "1 error.nvmlDeviceGetTotalEnergyConsumption 3",
    )
    names = ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "tokenswarm_gpu_sampled_energy_joules_total")
    with exporting(library, tmp_path, *lines) as exporter:
        before = exporter.page()
        target = value(before, names[1], gpu="1") + 600
        after = exporter.until(lambda page: value(page, names[1], gpu="1") >= target)
    counted = (value(after, names[0], gpu="0") - value(before, names[0], gpu="0")) / 1000
    sampled = [value(after, names[1], gpu=gpu) - value(before, names[1], gpu=gpu) for gpu in "01"]

    assert value(after, names[0], gpu="1") is None
    assert sampled == pytest.approx([counted, counted], rel=0.05)
