"""Pages of engines and GPU exporters: the same figures by whatever name, and a clear refusal of anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.server import COUNTERS, ENGINE, PageError, engine_figures, gpu_figures, went_back

# As the engines' documentation has them (2026); of vLLM two engines of one data-parallel page.
VLLM = """# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 4.0
vllm:num_requests_waiting{engine="0",model_name="m"} 1.0
vllm:num_requests_waiting{engine="1",model_name="m"} 0.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.75
# TYPE vllm:prompt_tokens counter
vllm:prompt_tokens_total{engine="0",model_name="m"} 1000.0
vllm:prompt_tokens_total{engine="1",model_name="m"} 24.0
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 5.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="m"} 6.0
vllm:cache_config_info{block_size="16",engine="0",gpu_memory_utilization="0.9",num_gpu_blocks="1000"} 1.0
vllm:cache_config_info{block_size="16",engine="1",gpu_memory_utilization="0.8",num_gpu_blocks="500"} 1.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.001",model_name="m"} 7.0
process_start_time_seconds 1.7e+09
"""
LLAMACPP = """# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed.
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 90
llamacpp:tokens_predicted_total 80
llamacpp:requests_processing 2
llamacpp:requests_deferred 5
"""
DCGM = """# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).
# TYPE DCGM_FI_DEV_GPU_UTIL gauge
DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-a",device="nvidia0",modelName="L4",Hostname="h"} 97
DCGM_FI_DEV_GPU_UTIL{gpu="1",UUID="GPU-b",device="nvidia1",modelName="L4",Hostname="h"} 0
DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-a",device="nvidia0",modelName="L4",Hostname="h"} 20480
DCGM_FI_DEV_FB_USED{gpu="1",UUID="GPU-b",GPU_I_PROFILE="1g.6gb",GPU_I_ID="7",device="nvidia1"} 512
# TYPE DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION counter
DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0",UUID="GPU-a",device="nvidia0",modelName="L4",Hostname="h"} 5000
"""


def test_a_page_of_several_engines_adds_up() -> None:
    """Running, waiting and counters are sums, the KV share a mean, the pool is blocks x tokens of all."""
    assert engine_figures(VLLM) == {
        "running": 7.0, "waiting": 1.0, "kv_used_share": 0.5, "input_tokens": 1024.0, "requests": 11.0,
        "started_s": 1.7e9, "pool_tokens": 24_000.0, "block_tokens": 16.0, "reserved_share": pytest.approx(0.85),
    }  # fmt: skip


@pytest.mark.parametrize("label", ["num_gpu_blocks", "block_size", "gpu_memory_utilization"])
@pytest.mark.parametrize("value", ["None", ""])
def test_what_one_engine_of_a_page_does_not_tell_is_absent(label: str, value: str) -> None:
    """vLLM writes None where nothing is configured: neither a pool nor a share is made of the other engine's alone."""
    page = VLLM.replace(f'{label}="16"', f'{label}="{value}"', 1) if label == "block_size" else VLLM
    page = page.replace(f'{label}="1000"', f'{label}="{value}"').replace(f'{label}="0.9"', f'{label}="{value}"')
    found = engine_figures(page)

    assert ("pool_tokens" in found) == (label == "gpu_memory_utilization")
    assert ("reserved_share" in found) == (label != "gpu_memory_utilization")


def test_another_engine_has_the_same_figures_by_other_names() -> None:
    """What llama.cpp does not tell is absent, not 0."""
    assert engine_figures(LLAMACPP) == {
        "running": 2.0, "waiting": 5.0, "input_tokens": 90.0, "output_tokens": 80.0,
    }  # fmt: skip


def test_every_known_name_is_read() -> None:
    """Each engine's name of each figure alone makes that figure."""
    for ours, figure in ENGINE.items():
        for name in figure.names:
            assert engine_figures(f"{name} 3\n") == {ours: 3.0}


def test_gpus_are_told_apart_and_in_base_units() -> None:
    """By UUID, a MIG slice by its number too; MiB, %, mJ become bytes, shares, J."""
    assert gpu_figures(DCGM) == {
        "GPU-a": {"busy": pytest.approx(0.97), "memory_used_bytes": 20480 * 2.0**20, "energy_j": 5.0},
        "GPU-b": {"busy": 0.0},
        "GPU-b/7": {"memory_used_bytes": 512 * 2.0**20},
    }


@given(page=st.one_of(st.text(max_size=300), st.lists(st.sampled_from(VLLM.splitlines())).map("\n".join)))
def test_any_page_is_read_or_refused(page: str) -> None:
    """Figures, or one clear line; never another exception."""
    for read in (engine_figures, gpu_figures):
        told = ""
        try:
            figures: object = read(page)
        except PageError as error:
            figures, told = None, str(error)
        assert bool(figures) != bool(told)
        assert "\n" not in told


BROKEN = ["", "<html>", 'vllm:num_requests_running{engine="0} 3\n', "vllm:kv_cache_usage_perc x\n"]


@pytest.mark.parametrize("page", BROKEN)
def test_a_page_that_is_none(page: str) -> None:
    """HTML, an empty page, a broken label or value of a figure that we know."""
    with pytest.raises(PageError):
        engine_figures(page)


@given(
    before=st.dictionaries(st.sampled_from(COUNTERS), st.integers(0, 1000)),
    more=st.dictionaries(st.sampled_from(COUNTERS), st.integers(0, 1000)),
)
def test_counters_that_grow_are_no_restart(before: dict[str, int], more: dict[str, int]) -> None:
    """The same process counts up; one counter that is lower, or another start time, is another process."""
    now = {name: value + more.get(name, 0) for name, value in before.items()}
    assert not went_back(before, now)
    assert not went_back({**before, "started_s": 1e9}, {**now, "started_s": 1e9 + 0.5})
    assert went_back({**before, "started_s": 1e9}, {**now, "started_s": 1e9 + 5})
    for name in now:
        assert went_back({**before, name: now[name] + 1}, now)
