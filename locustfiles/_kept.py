"""A text that is kept: one line of `responses.jsonl`, with what it cost; of a task also what was asked."""

from __future__ import annotations

import json
from typing import Any

from exporters.sample import Sample
from locustfiles._booking import Exchange
from locustfiles._dialects._ask import Ask
from locustfiles._dialects._texts import text_of


def kept(exchange: Exchange, sample: Sample) -> dict[str, Any]:
    """The line. The matrix' prompts are filler, of which the seed tells as much."""
    reply = exchange.reply
    return {
        "request_id": sample.request_id, "workload": sample.workload, "step": sample.step, "arm": sample.arm,
        "prompt_id": sample.prompt_id, "outcome": sample.outcome, "finish_reason": sample.finish_reason,
        "input_tokens": sample.input_tokens, "cached_tokens": sample.cached_tokens,
        "output_tokens": sample.output_tokens, "reasoning_tokens": sample.reasoning_tokens,
        **({"prompt": prompt_of(exchange.ask)} if sample.workload == "task" else {}),
        "reasoning": "".join(reply.reasoning), "text": "".join(reply.text),
    }  # fmt: skip


def prompt_of(ask: Ask) -> str:
    """What was asked, as one text: the messages' texts, parted by empty lines."""
    before, after = text_of(ask.prompt)
    text: str = json.loads(b'"' + before + ask.nonce + after + b'"')
    return text
