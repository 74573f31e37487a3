"""The load generator's own machine: CPU used, CPU taken away."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporters.host import STEAL_LIMIT, HostReading, read_host


def reading(**changes: object) -> HostReading:
    return HostReading(**{"wall_s": 0.0, "cpu_s": 0.0, "throttled": 0, "steal_s": 0.0, **changes})


def test_cpu_is_seconds_per_second() -> None:
    """Three CPU seconds in two of the wall's are 150 %."""
    facts, faults = reading(wall_s=2.0, cpu_s=3.0).since(reading())

    assert facts["cpu"] == 1.5
    assert faults == ()


def test_throttling_in_a_window_is_a_fault() -> None:
    """One throttled period is enough, and the text says what to do."""
    _, faults = reading(wall_s=1.0, throttled=5).since(reading(throttled=4))

    assert len(faults) == 1
    assert "1 periods" in faults[0]
    assert "CPU limit" in faults[0]


@pytest.mark.parametrize(("share", "count"), [(STEAL_LIMIT * 0.9, 0), (STEAL_LIMIT * 1.1, 1)])
def test_steal_beyond_the_limit_is_a_fault(monkeypatch: pytest.MonkeyPatch, share: float, count: int) -> None:
    """The share is of all CPUs' time."""
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    facts, faults = reading(wall_s=10.0, steal_s=share * 40).since(reading())

    assert facts["steal"] == pytest.approx(share)
    assert len(faults) == count


def test_files_that_are_not_there_are_not_zero(tmp_path: Path) -> None:
    """Without cgroup and /proc files nothing is claimed."""
    seen = read_host([tmp_path / "none"], tmp_path / "none")

    assert seen.throttled is None
    assert seen.steal_s is None


def test_files_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    """nr_throttled of cpu.stat, the eighth figure of /proc/stat's first line in clock ticks."""
    cgroup, stat = tmp_path / "cpu.stat", tmp_path / "stat"
    cgroup.write_text("usage_usec 5\nnr_periods 7\nnr_throttled 3\nthrottled_usec 9\n")
    stat.write_text("cpu  1 2 3 4 5 6 7 800 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\n")
    seen = read_host([tmp_path / "none", cgroup], stat)

    assert seen.throttled == 3
    assert seen.steal_s == pytest.approx(8.0)
