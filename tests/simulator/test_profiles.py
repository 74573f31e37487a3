"""The profiles: physically possible, and the small one good for a demo."""

from __future__ import annotations

import random

import msgspec
import pytest

from simulator.engine import Engine
from simulator.kv import BLOCK_TOKENS
from simulator.profiles import PROFILES
from tests.simulator.engines import closed_loop, job, run


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
def test_the_longest_request_fits_in_the_pool(profile) -> None:
    """What the context allows never has to be refused for memory, and decoding never starves prefill of its budget."""
    assert profile.kv_blocks * BLOCK_TOKENS >= profile.max_model_len
    assert 0 < profile.prefill_chunk <= profile.prefill_budget


@pytest.mark.parametrize(
    ("name", "tpot_ms", "prefill_per_s"),
    [
        ("llama-3.1-8b-a10g", 33.5, 2180),  # 16.06 GB / (600 GB/s x 0.8); 35 TFLOP/s / 16.06 GFLOP
        ("llama-3.1-8b-l4", 66.9, 3767),
        ("llama-3.1-70b-h100x4", 13.2, 14008),
    ],
)
def test_real_pairs_follow_from_their_data_sheets(name: str, tpot_ms: float, prefill_per_s: float) -> None:
    """Weights over useful bandwidth, peak over two operations per parameter: computed by hand."""
    assert PROFILES[name].decode_s * 1000 == pytest.approx(tpot_ms, rel=0.01)
    assert PROFILES[name].prefill_per_s == pytest.approx(prefill_per_s, rel=0.01)


def test_the_small_profile_answers_in_tens_to_hundreds_of_milliseconds() -> None:
    """16 to 256 tokens on an idle engine, noise and all."""
    for made, least, most in ((16, 0.02, 0.1), (64, 0.1, 0.3), (256, 0.5, 1.0)):
        one = job(1, 128, made)
        run(Engine(PROFILES["small"], random.Random(1)), [(0.0, one)])
        assert least < (one.latest_s or 0.0) < most


def test_the_small_profile_has_its_knee_between_4_and_16_users() -> None:
    """Doubling users gains more than half up to 4, almost nothing from 16 on."""
    small = msgspec.structs.replace(PROFILES["small"], noise=0.0)
    rate = {users: closed_loop(Engine(small), users, 128, 32, 30.0) for users in (1, 2, 4, 8, 16, 32)}

    assert rate[4] / rate[2] > 1.5
    assert rate[32] / rate[16] < 1.05
    assert rate[16] / rate[8] < rate[4] / rate[2]
