"""One page of /metrics -> the few figures a run needs, whichever engine or GPU exporter wrote it. Pure.

Engines name the same thing differently; each figure lists the names that it goes by. Sources: vLLM's usage/metrics,
SGLang's references/production_metrics, text-generation-inference's reference/metrics, the README of llama.cpp's server,
and NVIDIA/dcgm-exporter's etc/default-counters.csv (as read in 2026).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

MIB, MILLI, MEGA, PERCENT = 2.0**20, 1e-3, 1e6, 0.01


class Figure(NamedTuple):
    """A figure of an engine: the names of its series, and how those of several engines on one page add up."""

    names: tuple[str, ...]
    together: Literal["sum", "mean"] = "sum"
    counts: bool = False  # a counter: it never goes back while its process lives


ENGINE: Final[dict[str, Figure]] = {
    "running": Figure((
        "vllm:num_requests_running", "sglang:num_running_reqs", "tgi_batch_current_size",
        "llamacpp:requests_processing",
    )),
    "waiting": Figure((
        "vllm:num_requests_waiting", "sglang:num_queue_reqs", "tgi_queue_size", "llamacpp:requests_deferred",
    )),
    "kv_used_share": Figure((
        "vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "sglang:token_usage", "llamacpp:kv_cache_usage_ratio",
    ), "mean"),
    "preemptions": Figure(("vllm:num_preemptions_total", "sglang:num_retracted_reqs_total"), counts=True),
    "prefix_hits": Figure((
        "vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total", "sglang:cached_tokens_total",
    ), counts=True),
    "prefix_queries": Figure((
        "vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total",
    ), counts=True),
    "input_tokens": Figure((
        "vllm:prompt_tokens_total", "sglang:prompt_tokens_total", "tgi_request_input_length_sum",
        "llamacpp:prompt_tokens_total",
    ), counts=True),
    "output_tokens": Figure((
        "vllm:generation_tokens_total", "sglang:generation_tokens_total", "tgi_request_generated_tokens_sum",
        "llamacpp:tokens_predicted_total",
    ), counts=True),
    "requests": Figure((
        "vllm:request_success_total", "sglang:num_requests_total", "tgi_request_success",
    ), counts=True),
    "queued_s": Figure((
        "vllm:request_queue_time_seconds_sum", "sglang:queue_time_seconds_sum", "tgi_request_queue_duration_sum",
    ), counts=True),
    "queued": Figure((
        "vllm:request_queue_time_seconds_count", "sglang:queue_time_seconds_count", "tgi_request_queue_duration_count",
    ), counts=True),
    "prefilled_s": Figure(("vllm:request_prefill_time_seconds_sum",), counts=True),
    "prefilled": Figure(("vllm:request_prefill_time_seconds_count",), counts=True),
}  # fmt: skip
COUNTERS: Final = tuple(name for name, figure in ENGINE.items() if figure.counts)
MEMORY: Final = ("pool_tokens", "block_tokens", "reserved_share", "slots")  # of an engine, as it is configured
ANOTHER_S: Final = 1.0  # /proc/stat rounds the boot time, so some clients' start of one process moves by a second
STARTED, POOL = "process_start_time_seconds", "vllm:cache_config_info"


class GpuFigure(NamedTuple):
    """A figure of one GPU: the name of its series, and what one of its units is in ours."""

    name: str
    unit: float = 1.0


GPU: Final[dict[str, GpuFigure]] = {
    "busy": GpuFigure("DCGM_FI_DEV_GPU_UTIL", PERCENT),
    "memory_used_bytes": GpuFigure("DCGM_FI_DEV_FB_USED", MIB),
    "memory_free_bytes": GpuFigure("DCGM_FI_DEV_FB_FREE", MIB),
    "memory_reserved_bytes": GpuFigure("DCGM_FI_DEV_FB_RESERVED", MIB),
    "power_w": GpuFigure("DCGM_FI_DEV_POWER_USAGE"),
    "power_limit_w": GpuFigure("DCGM_FI_DEV_POWER_MGMT_LIMIT"),
    "energy_j": GpuFigure("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", MILLI),
    "sm_clock_hz": GpuFigure("DCGM_FI_DEV_SM_CLOCK", MEGA),
    "temperature_c": GpuFigure("DCGM_FI_DEV_GPU_TEMP"),
    "throttled": GpuFigure("DCGM_FI_DEV_CLOCK_THROTTLE_REASONS"),  # a bit field
}
IDLE_BITS: Final = 0x1 | 0x2  # GPU idle, clocks set by hand: no throttling (nvml.h, nvmlClocksEventReasons)

ENGINE_NAMES: Final = frozenset(name for figure in ENGINE.values() for name in figure.names) | {STARTED, POOL}
GPU_NAMES: Final = frozenset(figure.name for figure in GPU.values())


class PageError(ValueError):
    """A page that is no Prometheus text, or that names nothing we know; the text is one clear line."""


def engine_figures(page: str) -> dict[str, float]:
    """The figures of an engine's page by our names; one that the engine does not tell is absent."""
    series: dict[str, list[Sample]] = {}
    for sample in _samples(page, ENGINE_NAMES):
        series.setdefault(sample.name, []).append(sample)
    found: dict[str, float] = {}
    for ours, figure in ENGINE.items():
        name = next((name for name in figure.names if name in series), None)
        if name is not None:
            values = [sample.value for sample in series[name]]
            found[ours] = sum(values) / (len(values) if figure.together == "mean" else 1)
    if not found:
        raise PageError("names no figure of an engine that is known here")
    if STARTED in series:
        found["started_s"] = series[STARTED][0].value
    return {**found, **_pool(series.get(POOL, ()))}


def gpu_figures(page: str) -> dict[str, dict[str, float]]:
    """The figures of every GPU (or MIG slice) on an exporter's page, by UUID (and slice)."""
    ours = {figure.name: (name, figure.unit) for name, figure in GPU.items()}
    found: dict[str, dict[str, float]] = {}
    for sample in _samples(page, GPU_NAMES):
        name, unit = ours[sample.name]
        found.setdefault(_gpu(sample.labels), {})[name] = sample.value * unit
    if not found:
        raise PageError("names no figure of a GPU (dcgm-exporter's, or of `tokenswarm gpu-exporter`)")
    return found


def went_back(before: Mapping[str, float], now: Mapping[str, float]) -> bool:
    """Whether an engine has restarted between two readings: a counter is lower, or the process is another."""
    if abs(now.get("started_s", 0.0) - before.get("started_s", now.get("started_s", 0.0))) > ANOTHER_S:
        return True
    return any(now[name] < before[name] for name in COUNTERS if name in now and name in before)


def _samples(page: str, wanted: frozenset[str]) -> Iterator[Sample]:
    """The samples with these names; other lines (most are buckets of histograms) are not even parsed."""
    lines = (line for line in page.splitlines() if _name(line) in wanted)
    try:
        for family in text_string_to_metric_families("\n".join(lines) + "\n"):
            yield from (sample for sample in family.samples if sample.name in wanted)
    except (ValueError, KeyError, IndexError) as error:
        raise PageError(f"is no Prometheus text: {error}") from None


def _name(line: str) -> str:
    return line.split("{", 1)[0].split(" ", 1)[0]


def _pool(configured: Iterable[Sample]) -> dict[str, float]:
    """Tokens that fit into the KV pool (blocks x tokens of a block, over all engines of the page) and into a block;
    and the share of each GPU's memory that the engine may take for itself, where it tells that (the mean)."""
    engines = [one.labels for one in configured]
    blocks, sizes = _numbers(engines, "num_gpu_blocks"), _numbers(engines, "block_size")
    pool = sum(count * size for count, size in zip(blocks, sizes, strict=True)) if blocks and sizes else 0.0
    found = {"pool_tokens": pool, "block_tokens": sizes[0]} if pool else {}
    reserved = _numbers(engines, "gpu_memory_utilization")
    return found | ({"reserved_share": sum(reserved) / len(reserved)} if reserved else {})


def _numbers(engines: Sequence[Mapping[str, str]], label: str) -> list[float]:
    """What a label says of each engine; empty when one of them says nothing, or no number."""
    try:
        return [float(labels[label]) for labels in engines]
    except (KeyError, ValueError):
        return []


def _gpu(labels: Mapping[str, str]) -> str:
    name = labels.get("UUID") or labels.get("gpu") or "0"
    return f"{name}/{labels['GPU_I_ID']}" if labels.get("GPU_I_ID") else name


READERS: Final[dict[str, Callable[[str], dict[str, dict[str, float]]]]] = {
    "server": lambda page: {"": engine_figures(page)},
    "gpu": gpu_figures,
}
"""By kind of target: its page -> {GPU, or "" for an engine: figures}."""
