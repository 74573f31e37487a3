"""Engines to simulate. The real pairs are derived from public peak figures, not measured; each says from which.

Decode reads all weights once a step: weights / (bandwidth x 0.8). Each KV token adds its bytes / (bandwidth x 0.8).
Prefill is compute-bound: peak FLOP/s x 0.5 / (2 x parameters).
"""

from __future__ import annotations

from simulator.engine import Profile
from simulator.kv import BLOCK_TOKENS

EFFICIENCY, MFU = 0.8, 0.5


class Hardware:
    """Peak figures of one accelerator, or of several that share a model."""

    def __init__(self, flops: float, bandwidth: float, memory: float) -> None:
        self.flops, self.bandwidth, self.memory = flops, bandwidth, memory


# Dense (no sparsity) BF16 peak of the tensor cores, memory bandwidth, memory. The documents of NVIDIA that have them
# are named first, but only secondary sources could be seen, which are named after "Seen".
#
# A10G: NVIDIA's data sheet for AWS (NVIDIA_AWS_A10G_DataSheet, February 2022), BF16: 70 TF, 140 with sparsity.
# Seen: Baseten, "NVIDIA A10 vs A10G for ML model inference", ops_to_byteA10G: 70 TF (FP16), 600 GB/s; 24 GB. Not 125
# TF, which is the A10's.
A10G = Hardware(70e12, 600e9, 24e9)
# L4: NVIDIA's product page "L4 Tensor Core GPU", BFLOAT16 Tensor Core: 242 TFLOPS with sparsity, half of it without.
# Seen: gpu-specs on GitHub, column L4, BF16 Tensor Core: 121, with sparsity 242; 24 GB; 300 GB/s.
L4 = Hardware(121e12, 300e9, 24e9)
# H100: NVIDIA's data sheet "H100 Tensor Core GPU", column SXM, BFLOAT16 Tensor Core: 1,979 TFLOPS with sparsity.
# Seen: HPC Tech's page "NVIDIA H100", column SXM: 1,979 "with sparsity. Specifications 1/2 lower without
# sparsity", 80 GB, 3,350 GB/s; dense 989.4 in G. Lockwood's notes on the H100.
H100X4 = Hardware(4 * 989e12, 4 * 3350e9, 4 * 80e9)


def derived(name: str, hardware: Hardware, parameters: float, kv_bytes: float, max_model_len: int) -> Profile:
    """The profile of a model in 16-bit weights; `kv_bytes` are those of one token in all layers."""
    weights, useful = 2 * parameters, hardware.bandwidth * EFFICIENCY
    pool = 0.9 * hardware.memory - weights
    return Profile(
        name=name,
        overhead_s=0.0005,
        prefill_per_s=hardware.flops * MFU / (2 * parameters),
        decode_s=weights / useful,
        per_sequence_s=0.00002,
        per_kv_token_s=kv_bytes / useful,
        max_batch=256,
        kv_blocks=int(pool / kv_bytes / BLOCK_TOKENS),
        prefill_budget=2048,
        prefill_chunk=1024,
        max_model_len=max_model_len,
    )


# KV bytes per token = 2 (K and V) x layers x KV heads x head size x 2 bytes. Layers, KV heads and head size are in the
# config.json of Llama-3.1-8B (32, 8, 4096 / 32) and of Llama-3.1-70B (80, 8, 8192 / 64), seen in derived models that
# keep it. Parameters: the shapes there add up to 8,030,261,248 and 70,553,706,496; model cards round to 8.03 and 70.6.
PROFILES = {
    profile.name: profile
    for profile in (
        derived("llama-3.1-8b-a10g", A10G, 8.03e9, 2 * 32 * 8 * 128 * 2, 16_384),
        derived("llama-3.1-8b-l4", L4, 8.03e9, 2 * 32 * 8 * 128 * 2, 16_384),
        derived("llama-3.1-70b-h100x4", H100X4, 70.6e9, 2 * 80 * 8 * 128 * 2, 32_768),
        # Nobody's hardware: small and fast, with a knee between 4 and 16 users, for demos and tests.
        Profile(
            name="small",
            overhead_s=0.0002,
            prefill_per_s=40_000,
            decode_s=0.0025,
            per_sequence_s=0.0003,
            per_kv_token_s=0.0000002,
            max_batch=12,
            kv_blocks=1024,
            prefill_budget=512,
            prefill_chunk=256,
            max_model_len=8192,
        ),
    )
}
