"""Figures of engines and GPUs from their samples: means, high waters, counters, energy; absent rather than wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.files import StepRecord
from exporters.sample import Step
from exporters.server import ENGINE, GPU, MEMORY
from reports.memory import Held
from reports.sampled import at, distinct, gpu_figures, server_figures

S = 1_000_000_000
STEP = Step(id="s", workload="matrix", arm="a", block=1, cell=None, concurrency=1)
RECORD = StepRecord(
    step=STEP, started="", ended="", phases={}, window_s=10.0, open_ns=100 * S, close_ns=110 * S, valid=True,
    why_invalid=(), marks=(), tally={}, client={}, workers={},
)  # fmt: skip


def board(hz: float, power: Callable[[float], float], **columns: object) -> pd.DataFrame:
    """One GPU, sampled from 2 s before the window to 2 s after it; its counter is the integral of its power."""
    seconds = np.arange(98.0, 112.0 + 1e-9, 1 / hz)
    fine = np.arange(98.0, 112.0, 1e-4)
    energy = np.concatenate([[0.0], np.cumsum([power(t) * 1e-4 for t in fine])])
    frame = pd.DataFrame({name: np.full(len(seconds), np.nan) for name in GPU})
    frame["at_ns"], frame["error_s"] = (seconds * S).astype("int64"), 0.001
    frame["gpu"], frame["instance"], frame["arm"] = "GPU-a", "h:9400", "a"
    frame["power_w"] = [power(t) for t in seconds]
    frame["energy_j"] = np.interp(seconds, np.append(fine, 112.0), energy)
    return frame.assign(**columns)


def inside(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[(frame["at_ns"] >= RECORD.open_ns) & (frame["at_ns"] <= RECORD.close_ns)]


def ramp(t: float) -> float:
    return 100.0 + 20.0 * (t - 98.0)


@pytest.mark.parametrize("hz", [1.0, 2.0, 10.0])
@pytest.mark.parametrize("source", ["counter", "power"])
def test_energy_of_a_window_is_the_integral_of_its_power(hz: float, source: str) -> None:
    """Within 0.1 % of 2400 J, from the counter and, without one, from the power; it says which."""
    frame = board(hz, ramp, **({} if source == "counter" else {"energy_j": np.nan}))
    figures = gpu_figures([inside(frame)], frame, RECORD)
    assert figures["energy_from"] == source
    assert figures["energy_j"] == pytest.approx(10 * ramp(105.0), rel=1e-3)
    assert figures["power_w"] == pytest.approx(ramp(105.0), rel=0.02)


def test_energy_is_absent_when_the_window_is_not_covered() -> None:
    """A counter that went back (a reset), or samples that begin after the window has: nothing is made up."""
    frame = board(2, ramp)
    back = frame.assign(energy_j=frame["energy_j"][::-1].to_numpy(), power_w=np.nan)
    late = frame[frame["at_ns"] > 101 * S]
    assert "energy_j" not in gpu_figures([inside(back)], back, RECORD)
    assert "energy_j" not in gpu_figures([inside(late)], late, RECORD)


def test_gpus_add_up_or_are_averaged_as_they_should() -> None:
    """Two GPUs: power and energy add up, busy is the mean, memory the high water of the fuller one."""
    one = board(2, lambda _: 100.0, busy=1.0, memory_used_bytes=60.0, memory_free_bytes=40.0, throttled=4.0)
    other = board(2, lambda _: 300.0, busy=0.5, memory_used_bytes=20.0, memory_free_bytes=60.0)
    other = other.assign(gpu="GPU-b", throttled=1.0, memory_reserved_bytes=20.0)
    figures = gpu_figures([inside(one), inside(other)], pd.concat([one, other]), RECORD)
    assert figures["power_w"] == pytest.approx(400.0)
    assert figures["energy_j"] == pytest.approx(4000.0, rel=1e-3)
    assert figures["busy"] == pytest.approx(0.75)
    assert figures["memory_used_share"] == pytest.approx(0.6)
    assert figures["throttled_share"] == pytest.approx(0.5)  # 1: idle, which holds no clock down
    assert figures["gpus"] == 2


def test_a_source_that_is_not_renewed_is_one_sample() -> None:
    """Asked at 2 Hz, renewed every 30 s: one distinct sample; renewed each time: as many as were taken."""
    frame = board(2, ramp)
    stale = frame.assign(power_w=250.0, energy_j=1.0)
    assert distinct(inside(stale)) == 1
    assert distinct(inside(frame)) == len(inside(frame)) == 21
    assert distinct(inside(frame).iloc[:0]) == 0


def engine(**columns: object) -> pd.DataFrame:
    frame = pd.DataFrame({name: np.full(21, np.nan) for name in (*ENGINE, *MEMORY)})
    frame["at_ns"], frame["error_s"] = np.arange(100 * S, 110 * S + 1, S // 2), 0.002
    return frame.assign(**columns)


def test_what_an_engine_counted_is_last_minus_first() -> None:
    """Over two instances: sums of counters and of running requests; hit share from the counters, not a mean."""
    up = np.linspace(0, 200, 21)
    one = engine(running=3.0, waiting=0.0, kv_used_share=0.2, output_tokens=1000 + up)
    one = one.assign(prefix_queries=up, prefix_hits=up / 4, reserved_share=0.9)
    other = engine(running=1.0, waiting=2.0, kv_used_share=0.6, output_tokens=up / 2)
    other = other.assign(prefix_queries=up, prefix_hits=0.0)
    assert server_figures([one, other]) == {
        "instances": 2, "samples": 21, "error_s": 0.002, "running": 4.0, "running_max": 3.0, "waiting": 2.0,
        "waiting_max": 2.0, "kv_used_share": pytest.approx(0.4), "kv_used_share_max": 0.6, "output_tokens": 300.0,
        "prefix_hit_share": 0.125, "memory_reserved_share": pytest.approx(0.9),
    }  # fmt: skip


def test_what_an_engine_does_not_tell_is_absent() -> None:
    """No figure is 0 for want of a source."""
    assert server_figures([engine(running=1.0)]) == {
        "instances": 1, "samples": 21, "error_s": 0.002, "running": 1.0, "running_max": 1.0,
    }  # fmt: skip


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20), share=st.floats(0, 1))
def test_a_quantity_between_samples_lies_between_them(values: list[float], share: float) -> None:
    """On the line through its neighbours; None outside of all samples, and samples without a value do not matter."""
    times = np.arange(len(values), dtype=float)
    when = share * (len(values) - 1)
    found = at(times, np.array(values), when)
    low, high = int(np.floor(when)), int(np.ceil(when))
    assert min(values[low], values[high]) - 1e-6 <= found <= max(values[low], values[high]) + 1e-6
    assert at(times, np.array(values), len(values) + 1.0) is None
    assert at(np.append(times, 99.0), np.append(values, np.nan), when) == pytest.approx(found)


def test_held_tokens_are_those_of_requests_past_their_first_token() -> None:
    """100 in, 60 out from second 1 to 7: nothing is live before its first token; blocks are counted whole."""
    held = Held.at(np.array([0.5, 1.0, 4.0, 6.9, 8.0]) * S, 16.0)
    row = {"sent_ns": 0.0, "ttft_s": 1.0, "e2e_s": 7.0, "end_s": 7.5, "input_tokens": 100.0, "output_tokens": 60.0}
    for piece in (row, {**row, "ttft_s": np.nan, "e2e_s": np.nan, "end_s": 0.6}):  # one that failed holds nothing
        held.add({name: np.array([value]) for name, value in piece.items()})
    assert held.live.tolist() == pytest.approx([0, 100, 130, 159, 0])
    assert held.paged.tolist() == [0, 112, 144, 160, 0]
    assert held.flying.tolist() == [2, 1, 1, 1, 0]
