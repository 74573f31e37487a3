"""Warnings that travel with the figures; each says what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from reports.figures import bunching, clock, tokens
from reports.measured import Measured

CROWDED = 1 / 8  # share of E2E that TTFT takes: 2 x TTFT / E2E x N others are near by chance
BUNCHED, MANY_TOKENS, CACHED_SHARE, LENGTH_MISS, COUNT_DIFFERENCE = 0.5, 1.2, 0.01, 0.02, 0.02


def warnings(steps: Sequence[Measured]) -> list[dict[str, Any]]:
    """One entry per doubt, with the number of steps that it concerns."""
    found: dict[str, dict[str, Any]] = {}
    for step in steps:
        for code, text, advice in _doubts(step):
            entry = found.setdefault(code, {"code": code, "text": text, "advice": advice, "steps": []})
            entry["steps"].append(step.record.step.id)
    return [{**entry, "text": f"{entry['text']} ({_counted(entry['steps'])})"} for entry in found.values()]


def _counted(steps: Sequence[str]) -> str:
    return steps[0] if len(steps) == 1 else f"{len(steps)} steps, first {steps[0]}"


Doubt = tuple[str, str, str]


def _doubts(step: Measured) -> Iterator[Doubt]:
    for rule in RULES:
        doubt = rule(step)
        if doubt is not None:
            yield doubt


def _invalid(step: Measured) -> Doubt | None:
    if step.record.valid:
        return None
    what, _, advice = step.record.why_invalid[0].partition("; ")
    return "invalid " + what.split(":")[0], f"a step does not count: {what}", advice or "see the reason"


def _few(step: Measured) -> Doubt | None:
    if "few" not in step.record.marks:
        return None
    return "few", "the window was cut at its maximum, with fewer requests than asked", "raise [window] max"


def _bunched(step: Measured) -> Doubt | None:
    share, ttft, e2e = bunching(step), step.mean("ttft_s"), step.mean("e2e_s")
    if share is None or ttft is None or e2e is None or share <= BUNCHED:
        return None
    if ttft / e2e >= CROWDED:  # so long a TTFT has N/4 others near it even when users are spread evenly
        return None
    text = "users send in lockstep: their prefills queue behind each other and TTFT is pessimistic"
    return "bunching", text, "add or raise [matrix] output_jitter, for example 0.1"


def _several_tokens(step: Measured) -> Doubt | None:
    per_chunk = tokens([step]).get("tokens_per_chunk")
    if (
        per_chunk is None
        or per_chunk <= MANY_TOKENS
        or not len(step.columns["tpot_s"][~np.isnan(step.columns["tpot_s"])])
    ):
        return None
    text = "chunks carry several tokens: TPOT assumes one in the first chunk, and gaps are per chunk"
    return "tokens per chunk", text, "ask for per-chunk usage (stream_options.continuous_usage_stats) in extra_body"


def _counted_by_client(step: Measured) -> Doubt | None:
    if tokens([step]).get("counted_by") != "client":
        return None
    return (
        "counted by client",
        "the service sends no usage: tokens are the client's estimate",
        "turn usage on in the service",
    )


def _count_differs(step: Measured) -> Doubt | None:
    ours, theirs = step.columns["client_output_tokens"], step.columns["output_tokens"]
    both = ~np.isnan(ours) & ~np.isnan(theirs) & ~np.isnan(step.columns["input_tokens"])
    if not both.any() or abs(ours[both].sum() / theirs[both].sum() - 1) <= COUNT_DIFFERENCE:
        return None
    text = f"client and server count output tokens differently ({ours[both].sum() / theirs[both].sum() - 1:+.0%})"
    return (
        "count difference",
        text,
        "the server's count is used; set [prompts] tokenizer to the model's own for a closer one",
    )


def _cached(step: Measured) -> Doubt | None:
    cached, given = np.nansum(step.columns["cached_tokens"]), np.nansum(step.columns["input_tokens"])
    if step.record.step.cell is None or not given or cached / given <= CACHED_SHARE:
        return None
    text = f"{cached / given:.0%} of the input came from the prefix cache, though every prompt begins with a nonce"
    return "prefix cache", text, "look for a long template or another client with the same prompts"


def _length_missed(step: Measured) -> Doubt | None:
    asked, made = step.columns["requested_tokens"][step.ok], step.columns["output_tokens"][step.ok]
    both = ~np.isnan(asked) & ~np.isnan(made)
    if step.record.step.cell is None or not both.any() or abs(made[both].sum() / asked[both].sum() - 1) <= LENGTH_MISS:
        return None
    text = f"output lengths were missed by {made[both].sum() / asked[both].sum() - 1:+.0%}"
    return "length", text, "compare only with runs of the same miss, or use a service that takes ignore_eos"


def _user_clock(step: Measured) -> Doubt | None:
    if clock([step]) in (None, "kernel"):
        return None
    return (
        "clock",
        "some stamps are this process's own, not the kernel's",
        "run on Linux without a sandboxed network stack",
    )


RULES: tuple[Callable[[Measured], Doubt | None], ...] = (
    _invalid, _few, _bunched, _several_tokens, _counted_by_client, _count_differs, _cached, _length_missed, _user_clock,
)  # fmt: skip
