"""/metrics in vLLM's names (vLLM docs, usage/metrics), as text format 0.0.4."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from simulator.engine import Engine, Job

# Bucket bounds in seconds, as vLLM has them for these histograms, shortened.
BOUNDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)


class Histogram:
    """Counts by bound, and the sum."""

    def __init__(self) -> None:
        self.counts, self.sum = [0] * (len(BOUNDS) + 1), 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(BOUNDS, value)] += 1
        self.sum += value


class Metrics:
    """What a simulator has served."""

    def __init__(self) -> None:
        self.prompt_tokens = self.generation_tokens = self.requests = self.succeeded = 0
        self.ttft, self.e2e, self.queue = Histogram(), Histogram(), Histogram()

    def finished(self, job: Job, now: float) -> None:
        """Book a request that was served to its end."""
        self.succeeded += 1
        self.prompt_tokens += job.prompt_tokens
        self.e2e.add(now - job.arrived_s)
        self.ttft.add((job.first_s or now) - job.arrived_s)
        self.queue.add((job.started_s or now) - job.arrived_s)

    def text(self, engine: Engine, model: str) -> bytes:
        """The page."""
        label = f'{{model_name="{model}"}}'
        gauges = {
            "num_requests_running": len(engine.running),
            "num_requests_waiting": len(engine.waiting),
            "kv_cache_usage_perc": engine.kv_share,
        }
        counters = {
            "prompt_tokens_total": self.prompt_tokens,
            "generation_tokens_total": self.generation_tokens,
            "request_success_total": self.succeeded,
            "num_preemptions_total": engine.preemptions,
            "prefix_cache_queries_total": engine.prefix_queries,
            "prefix_cache_hits_total": engine.prefix_hits,
        }
        lines = [line for name, value in gauges.items() for line in _plain(name, "gauge", label, value)]
        lines += [line for name, value in counters.items() for line in _plain(name, "counter", label, value)]
        for name, histogram in (
            ("time_to_first_token_seconds", self.ttft),
            ("e2e_request_latency_seconds", self.e2e),
            ("request_queue_time_seconds", self.queue),
        ):
            lines += _histogram(name, model, histogram)
        return ("\n".join(lines) + "\n").encode()


def _plain(name: str, kind: str, label: str, value: float) -> Iterator[str]:
    yield f"# HELP vllm:{name} Simulated."
    yield f"# TYPE vllm:{name} {kind}"
    yield f"vllm:{name}{label} {value}"


def _histogram(name: str, model: str, histogram: Histogram) -> Iterator[str]:
    yield f"# HELP vllm:{name} Simulated."
    yield f"# TYPE vllm:{name} histogram"
    running = 0
    for bound, count in zip([*map(str, BOUNDS), "+Inf"], histogram.counts, strict=True):
        running += count
        yield f'vllm:{name}_bucket{{model_name="{model}",le="{bound}"}} {running}'
    yield f'vllm:{name}_count{{model_name="{model}"}} {running}'
    yield f'vllm:{name}_sum{{model_name="{model}"}} {histogram.sum}'
