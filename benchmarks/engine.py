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
    for name in ("ttft", "tpot"):
        ours, theirs = figures[f"{name}_s"] * 1e3, figures[f"engine_{name}_s"] * 1e3
        print(f"{name.upper()} {ours:.3f} ms, engine {theirs:.3f} ms: ratio {figures[f'{name}_ratio']:.4f}")
    made = sum(pair.completion_tokens for pair in pairs)
    equal = figures["chunks_equal_tokens"]
    print(f"chunks == completion_tokens in {equal} of {len(pairs)}; {made} tokens, engine {counted}")


if __name__ == "__main__":
    main()
