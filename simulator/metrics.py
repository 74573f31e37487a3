"""/metrics: some of vLLM's, in its names, labels and buckets, as Prometheus text format 0.0.4.

Compared in 2026 with vLLM's vllm/v1/metrics/loggers.py, buckets.py and the FINISH_REASON_STRINGS of v1/engine. One
difference is wanted: a client that goes away counts as `abort` here, while vLLM leaves that at 0 (its issue 31503).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

from simulator.engine import Emission, Job, Load
from simulator.kv import BLOCK_TOKENS

# Bucket bounds in seconds: vLLM's time_to_first_token, inter_token_latency and request_latency.
FIRST = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0,
    640.0, 2560.0,
)  # fmt: skip
TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
REQUEST = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
)  # fmt: skip
RESERVED = 0.98  # share of the simulated GPU's memory that is weights and pool (simulator/gpu.py)
FINISHES = ("stop", "length", "abort", "error", "repetition")


def token_bounds(max_model_len: int) -> tuple[float, ...]:
    """vLLM's request_tokens: 1, 2, 5, 10, ... as far as the context reaches."""
    series = (mantissa * 10**power for power in range(len(str(max_model_len))) for mantissa in (1, 2, 5))
    return tuple(float(bound) for bound in series if bound <= max_model_len)


class Histogram:
    """Counts by upper bound, and the sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds, self.counts, self.sum = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def rows(self, name: str, labels: str) -> Iterator[str]:
        """Cumulative buckets, count and sum."""
        running = 0
        for bound, count in zip([*map(str, self.bounds), "+Inf"], self.counts, strict=True):
            running += count
            yield f'{name}_bucket{{{labels},le="{bound}"}} {running}'
        yield f"{name}_count{{{labels}}} {running}"
        yield f"{name}_sum{{{labels}}} {self.sum}"


class Metrics:
    """What a simulator has served since `started_s` (UNIX time), with a context of `max_model_len` tokens."""

    def __init__(self, max_model_len: int, kv_blocks: int, started_s: float) -> None:
        self._kv_blocks, self._started_s = kv_blocks, started_s
        tokens = token_bounds(max_model_len)
        self.prompt_tokens = self.generation_tokens = 0
        self.finishes = Counter[str]()
        self._gap = Histogram(TOKEN)
        self._previous: dict[int, float] = {}  # job -> its latest token
        self.histograms = {
            "vllm:time_to_first_token_seconds": Histogram(FIRST),
            "vllm:inter_token_latency_seconds": self._gap,
            "vllm:request_time_per_output_token_seconds": Histogram(TOKEN),
            "vllm:e2e_request_latency_seconds": Histogram(REQUEST),
            "vllm:request_queue_time_seconds": Histogram(REQUEST),
            "vllm:request_inference_time_seconds": Histogram(REQUEST),
            "vllm:request_prefill_time_seconds": Histogram(REQUEST),
            "vllm:request_decode_time_seconds": Histogram(REQUEST),
            "vllm:request_prompt_tokens": Histogram(tokens),
            "vllm:request_generation_tokens": Histogram(tokens),
        }

    def token(self, emission: Emission) -> None:
        """Book one token: its prompt with the first, its request with the last."""
        job, at_s = emission.job, emission.at_s
        self.generation_tokens += 1
        if emission.number == 0:
            self.prompt_tokens += job.prompt_tokens
            self.histograms["vllm:time_to_first_token_seconds"].add(at_s - job.arrived_s)
        else:
            self._gap.add(at_s - self._previous[job.id])
        if emission.last:
            self._previous.pop(job.id, None)
            self._finished(job, at_s)
        else:
            self._previous[job.id] = at_s

    def aborted(self, job: Job) -> None:
        """Book a request whose client went away."""
        self._previous.pop(job.id, None)
        self.finishes["abort"] += 1

    def _finished(self, job: Job, at_s: float) -> None:
        started = job.arrived_s if job.started_s is None else job.started_s
        first = at_s if job.first_s is None else job.first_s
        self.finishes[job.finish] += 1
        for name, value in (
            ("e2e_request_latency_seconds", at_s - job.arrived_s),
            ("request_queue_time_seconds", started - job.arrived_s),
            ("request_inference_time_seconds", at_s - started),
            ("request_prefill_time_seconds", first - started),
            ("request_decode_time_seconds", at_s - first),
            ("request_time_per_output_token_seconds", (at_s - first) / max(1, job.generated - 1)),
            ("request_prompt_tokens", job.prompt_tokens),
            ("request_generation_tokens", job.generated),
        ):
            self.histograms[f"vllm:{name}"].add(value)

    def text(self, load: Load, model: str) -> bytes:
        """The page."""
        escaped = model.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return ("\n".join(self._lines(load, f'engine="0",model_name="{escaped}"')) + "\n").encode()

    def _lines(self, load: Load, labels: str) -> Iterator[str]:
        for kind, values in (("gauge", _gauges(load)), ("counter", self._counters(load))):
            for name, value in values.items():
                yield from _head(name, kind)
                yield f"vllm:{name}{{{labels}}} {value}"
        yield from _head("cache_config_info", "gauge")
        pool = f'block_size="{BLOCK_TOKENS}",gpu_memory_utilization="{RESERVED}",num_gpu_blocks="{self._kv_blocks}"'
        yield f"vllm:cache_config_info{{{labels},{pool}}} 1.0"
        yield "# HELP process_start_time_seconds Start time of the process since unix epoch in seconds."
        yield "# TYPE process_start_time_seconds gauge"
        yield f"process_start_time_seconds {self._started_s}"
        yield from _head("request_success_total", "counter")
        for finish in FINISHES:
            yield f'vllm:request_success_total{{{labels},finished_reason="{finish}"}} {self.finishes[finish]}'
        for name, histogram in self.histograms.items():
            yield from _head(name.removeprefix("vllm:"), "histogram")
            yield from histogram.rows(name, labels)

    def _counters(self, load: Load) -> dict[str, int]:
        return {
            "prompt_tokens_total": self.prompt_tokens,
            "generation_tokens_total": self.generation_tokens,
            "num_preemptions_total": load.preemptions,
            "prefix_cache_queries_total": load.prefix_queries,
            "prefix_cache_hits_total": load.prefix_hits,
        }


def _gauges(load: Load) -> dict[str, float]:
    return {
        "num_requests_running": load.running,
        "num_requests_waiting": load.waiting,
        "kv_cache_usage_perc": load.kv_share,
    }


def _head(name: str, kind: str) -> Iterator[str]:
    yield f"# HELP vllm:{name} As vLLM's, of a simulated engine."
    yield f"# TYPE vllm:{name} {kind}"
