"""Warnings that travel with the figures: `text` says what was seen and what it means, `advice` what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy import stats

from reports.figures import bunching, clock, tokens
from reports.fleet import sick_worker
from reports.measured import Measured, Values
from reports.units import duration, kind
from scenarios.places import swaps
from scenarios.scenario import Scenario

CROWDED = 0.25  # chance that N/4 others fall within one TTFT of a request, in lockstep or not: binomial, 2 TTFT / E2E
BUNCHED, MANY_TOKENS, CACHED_SHARE, LENGTH_MISS, COUNT_DIFFERENCE = 0.5, 1.2, 0.01, 0.02, 0.02


def warnings(steps: Sequence[Measured], expected: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One entry per doubt, with the number of steps that it concerns; `expected`: what was asked for is no doubt."""
    found: dict[str, dict[str, Any]] = {}
    for step in steps:
        for code, text, advice in _doubts(step):
            if code in expected:
                continue
            entry = found.setdefault(code, {"code": code, "text": text, "advice": advice, "steps": []})
            entry["steps"].append(step.record.step.id)
    return [
        {
            **entry,
            "text": _sentence(f"{entry['text']} ({_counted(entry['steps'])})"),
            "advice": _sentence(entry["advice"]),
        }
        for entry in found.values()
    ]


def scenario_warnings(scenario: Scenario) -> list[dict[str, Any]]:
    """Doubts about a whole run, from what was asked."""
    if scenario.compare.order != "parallel":
        return []
    text = "The arms were measured at once, each on hardware of its own: their difference includes the hardware's."
    if swaps(scenario):
        text += " They changed places half way, so that it falls on both alike and widens the intervals."
    advice = "Measure them in turn on the same hardware where a difference of a few per cent matters."
    return [{"code": "parallel arms", "text": text, "advice": advice, "steps": []}]


def copy_warnings(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Copies after steps that failed; what was missing went with the next one, or did not."""
    copies = manifest.get("copies") or {}
    if not copies.get("failures"):
        return []
    last = f"the last one: {copies['error']}" if copies["error"] else "the last one was made"
    text = f"{copies['failures']} copies to {copies['to']} failed while the run lasted ({last})."
    advice = "See that all of it is there: `tokenswarm report DIR --copy-to URI` copies what is missing."
    return [{"code": "copies failed", "text": text, "advice": advice, "steps": []}]


def _sentence(text: str) -> str:
    """Text and advice are printed one after the other."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


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
    why = step.record.why_invalid[0] if step.record.why_invalid else "no reason was recorded"
    what, _, advice = why.partition("; ")
    text = f"a step does not count, for this reason: {what}"
    return f"invalid: {kind(why)}", text, advice or "the steps and their reasons are listed under “Invalid steps”"


def _few(step: Measured) -> Doubt | None:
    if "few" not in step.record.marks:
        return None
    text = "the window was closed at its longest, with fewer requests than asked: quantiles are coarse"
    return "few", text, "raise [window] max, or lower [window] min_requests and turns"


def _bunched(step: Measured) -> Doubt | None:
    share, ttft, e2e = bunching(step), step.mean("ttft_s"), step.mean("e2e_s")
    if share is None or ttft is None or e2e is None or share <= BUNCHED:
        return None
    others = step.record.step.concurrency - 1
    by_chance = stats.binom.sf(np.ceil((others + 1) / 4) - 1, others, min(2 * ttft / e2e, 1.0))
    if by_chance >= CROWDED:  # so long a TTFT has N/4 others near it when users are independent, too
        return None
    text = (
        "users send in lockstep: their prompts queue behind each other, so TTFT is longer than with independent users"
    )
    return "bunching", text, "add or raise [matrix] output_jitter, for example 0.1"


def _several_tokens(step: Measured) -> Doubt | None:
    per_chunk = tokens([step]).get("tokens_per_chunk")
    if per_chunk is None or per_chunk <= MANY_TOKENS or np.isnan(step.columns["tpot_s"]).all():
        return None
    text = f"a chunk carries {per_chunk:.1f} tokens: TPOT assumes one in the first chunk, and gaps are per chunk"
    advice = "ask for usage with every chunk: extra_body = { stream_options = { continuous_usage_stats = true } }"
    return "tokens per chunk", text, advice


def _counted_by_client(step: Measured) -> Doubt | None:
    if tokens([step]).get("counted_by") != "client":
        return None
    return (
        "counted by client",
        "the service reports no token counts (usage): tokens were counted here, by [prompts] tokenizer",
        "turn usage on in the service, or name the model's own tokenizer",
    )


def _count_differs(step: Measured) -> Doubt | None:
    ours, theirs = step.columns["client_output_tokens"], step.columns["output_tokens"]
    both = ~np.isnan(ours) & ~np.isnan(theirs) & ~np.isnan(step.columns["input_tokens"])
    off = _off(ours[both], theirs[both])
    if off is None or abs(off) <= COUNT_DIFFERENCE:
        return None
    text = f"client and server count output tokens differently ({off:+.0%})"
    return (
        "count difference",
        text,
        "the server's count is used; set [prompts] tokenizer to the model's own for a closer one",
    )


def _cached(step: Measured) -> Doubt | None:
    cached, given = np.nansum(step.columns["cached_tokens"]), np.nansum(step.columns["input_tokens"])
    if step.record.step.cell is None or not given or cached / given <= CACHED_SHARE:
        return None
    text = (
        f"{cached / given:.0%} of the input came from the service's prefix cache, though every prompt begins with "
        "words of its own: TTFT is shorter than with new prompts"
    )
    return "prefix cache", text, "look for a long chat template, [prompts] shared_prefix, or another client"


def _length_missed(step: Measured) -> Doubt | None:
    asked, made = step.columns["requested_tokens"][step.ok], step.columns["output_tokens"][step.ok]
    both = ~np.isnan(asked) & ~np.isnan(made)
    off = _off(made[both], asked[both])
    if step.record.step.cell is None or off is None or abs(off) <= LENGTH_MISS:
        return None
    text = f"replies were {off:+.0%} longer than asked, so E2E is that of another length"
    return (
        "length",
        text,
        "compare only with runs of the same miss, or let the service take ignore_eos (an exact length)",
    )


def _off(values: Values, expected: Values) -> float | None:
    """Relative difference of two sums; None without any."""
    return float(values.sum() / expected.sum() - 1) if expected.sum() else None


def _user_clock(step: Measured) -> Doubt | None:
    if clock([step]) in (None, "kernel"):
        return None
    return (
        "clock",
        "some times of arrival are those of reading, not of the network: our own delays are part of them",
        "run on Linux, outside of a sandbox that replaces the network stack",
    )


def _sick_worker(step: Measured) -> Doubt | None:
    sick = sick_worker(step)
    if sick is None:
        return None
    text = (
        f"worker {sick.index} is not like the others: it reads {duration(sick.lag_s)} late (the others "
        f"{duration(sick.others_lag_s)}); without it the step's TTFT {sick.quantile} is {duration(sick.without_s)} "
        f"instead of {duration(sick.ttft_s)}"
    )
    return f"worker {sick.index}", text, "look at that machine: its CPU, its network, what else runs there"


RULES: tuple[Callable[[Measured], Doubt | None], ...] = (
    _invalid, _few, _bunched, _several_tokens, _counted_by_client, _count_differs, _cached, _length_missed, _user_clock,
    _sick_worker,
)  # fmt: skip
