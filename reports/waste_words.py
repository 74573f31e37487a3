"""The categories of useless tokens (METRICS cost 2) in their order: what each is called, and its rule in words."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["request", "output", "input"]


class Category(msgspec.Struct, frozen=True):
    """One way to spend tokens for nothing, and the rule by which it is found."""

    title: str
    level: Level
    rule: str


CATEGORIES: dict[str, Category] = {
    "failed": Category("failed", "request", "All tokens of a request that failed, where the service told them."),
    "aborted": Category("aborted", "request", "All tokens of a request that was cut off by us, where told."),
    "truncated": Category("truncated", "request", "All tokens of a reply that ended at a limit nobody asked for."),
    "over_length": Category(
        "over-length",
        "request",
        "All tokens of a reply that ran into [tasks] max_tokens: its end is missing, so it is asked for again.",
    ),
    "retried": Category(
        "retried", "request", "The input of a request that was written again on a new connection, once for each time."
    ),
    "reasoning": Category(
        "discarded reasoning",
        "output",
        "Thinking that comes with the reply: a field of its own, or between think tags.",
    ),
    "echo": Category(
        "echo of the prompt",
        "output",
        "Ten words in a row of the prompt, unless it asks to quote, repeat, correct, rewrite, translate or extract.",
    ),
    "repetition": Category("verbatim repetition", "output", "Ten words in a row that stood earlier in the reply."),
    "opening": Category(
        "boilerplate opening",
        "output",
        "Sentences at the beginning that answer nothing: acknowledgements, announcements, words on being an AI. "
        "About two thirds of them are found.",
    ),
    "closing": Category(
        "boilerplate closing",
        "output",
        "Sentences at the end that answer nothing: offers, invitations, wishes, remarks on the answer as such. "
        "About two thirds of them are found.",
    ),
    "fences": Category("code fences", "output", "Lines that open or close fenced code."),
    "json_layout": Category(
        "JSON layout", "output", "White space between the signs of JSON: as it is against compact."
    ),
    "json_syntax": Category(
        "JSON syntax",
        "output",
        "Compact JSON against the same content as lines with bullets; none where it is shorter.",
    ),
    "white_space": Category(
        "white space",
        "output",
        "Outside JSON and fenced code: blanks at the ends of lines and of the text, second blanks and empty lines.",
    ),
    "shared": Category(
        "shared text not from cache",
        "input",
        "Worked examples, or what other prompts begin with too, less the tokens that were served from a cache.",
    ),
    "instructions": Category(
        "format instructions",
        "input",
        "Sentences that name the form of the answer: a format, a schema, a limit of length, what to leave out.",
    ),
    "prompt_space": Category("white space", "input", "As in replies: blanks and empty lines that say nothing."),
}
