"""Agreement with llama.cpp's own timings: medians of 60 requests, 2 at a time on 4 slots."""

from __future__ import annotations

import locust  # noqa: F401 (patches sockets for gevent first)

from benchmarks.real_engine import agreement, measure, predicted_total
from simulator.process import served


def main() -> None:
    """Print the ratios."""
    with served("simulator.llamacpp", ("--slots", "4")) as url:
        before = predicted_total(url)
        pairs = measure(url, 60, 2)
        counted = predicted_total(url) - before
    figures = agreement(pairs)
    print(
        f"TTFT {figures['ttft_s'] * 1e3:.2f} ms, engine {figures['engine_ttft_s'] * 1e3:.2f}: {figures['ttft_ratio']:.4f}"
    )
    print(
        f"TPOT {figures['tpot_s'] * 1e3:.3f} ms, engine {figures['engine_tpot_s'] * 1e3:.3f}: {figures['tpot_ratio']:.4f}"
    )
    ours = sum(pair.completion_tokens for pair in pairs)
    print(
        f"chunks == completion_tokens in {figures['chunks_equal_tokens']} of {len(pairs)}; {ours} tokens, engine {counted}"
    )


if __name__ == "__main__":
    main()
