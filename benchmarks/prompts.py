"""Prompt pools: time to build 1,000 prompts for each cell of the default matrix, and how far their tokens are off.

python -m benchmarks.prompts          must hold: < 20 s, 0 tokens off
"""

from __future__ import annotations

import time

from locustfiles._prompts import Prompt, build_pool, nonce
from locustfiles._tokens import Tokenizer, load_tokenizer
from scenarios.scenario import Matrix

PROMPTS = 1000


def misses(pool: list[Prompt], tokenizer: Tokenizer, size: int) -> int:
    """Tokens off, summed over the pool, each prompt re-encoded with a nonce of its own."""
    contents = (prompt.before + nonce(key) + prompt.after for key, prompt in enumerate(pool))
    return sum(abs(tokenizer.count(content.decode()) - size) for content in contents)


def main() -> bool:
    """Print the figures; True if they hold."""
    start = time.perf_counter()
    tokenizer = load_tokenizer("o200k_base")
    loaded = time.perf_counter() - start
    matrix = Matrix()
    pools = [
        (size, build_pool(size, PROMPTS, seed, tokenizer, 0.0))
        for size in matrix.input.values()
        for seed, _ in enumerate(matrix.output)
    ]
    took = time.perf_counter() - start
    off = sum(misses(pool, tokenizer, size) for size, pool in pools)
    characters = sum(len(prompt.after) for _, pool in pools for prompt in pool)
    keys = range(100_000)
    start = time.perf_counter()
    for key in keys:
        nonce(key)
    per_nonce = (time.perf_counter() - start) / len(keys)
    print(f"prompts  {sum(len(pool) for _, pool in pools):,} built in {took:.2f} s (vocabulary {loaded:.2f} s) < 20 s")
    print(
        f"prompts  {off} tokens off in all, {characters / 1e6:.0f} MB of text; a nonce takes {per_nonce * 1e6:.2f} us"
    )
    return took < 20 and off == 0


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)
