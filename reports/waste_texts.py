"""Useless tokens within the kept texts of the tasks: each rule's finds, counted, for every reply that was looked at.

Tokens are counted by the bundled vocabulary. Those of a reply are scaled to what the service counted of it; those of a
prompt are not, since a chat's template adds to them. A request that came to nothing (failed, cut short) is useless
as a whole, counted with the requests, and nothing of it is counted here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from reports.units import plain
from reports.vocabulary import tokens
from reports.waste_asks import fronts
from reports.waste_edits import Edit, savings
from reports.waste_figures import Found, Looked
from reports.waste_rules import LONGEST, Reply, in_prompt, in_reply
from reports.waste_spread import numbered

EXAMPLES, EXAMPLE = 3, 120  # how many, and characters of one

Line = Mapping[str, Any]  # of responses.jsonl


class Read(msgspec.Struct, frozen=True):
    """One reply: by category its useless tokens (of output, of input), an example of each that it has; its totals."""

    output: dict[str, float]
    input: dict[str, float]
    examples: dict[str, str]
    totals: tuple[float, float, float]  # input, cached, output


def of_texts(lines: Sequence[Line], blocks: Mapping[str, int]) -> tuple[list[Found], Looked] | None:
    """The categories of texts over the kept replies of one arm; None where none was kept."""
    lines = [line for line in lines if line.get("step") in blocks]
    if not lines:
        return None
    front = fronts(_text(line, "prompt") for line in lines)
    read = [_read(line, front[_text(line, "prompt")]) for line in lines]
    given, cached, made = (np.array([one.totals[at] for one in read]) for at in range(3))
    prompts = numbered([str(line.get("prompt_id")) for line in lines])
    looked = Looked(prompts, np.array([blocks[line["step"]] for line in lines]), given, cached, made)
    return [_found(name, read) for name in (*read[0].output, *read[0].input)], looked


def _found(name: str, read: Sequence[Read]) -> Found:
    nothing = np.zeros(len(read))
    values = np.array([one.output.get(name, one.input.get(name, 0.0)) for one in read])
    of_output = name in read[0].output
    hit = np.array([name in one.examples for one in read])
    shown = tuple(dict.fromkeys(one.examples[name] for one in read if one.examples.get(name)))[:EXAMPLES]
    return Found(name, nothing if of_output else values, values if of_output else nothing, hit, examples=shown)


def _read(line: Line, front: int) -> Read:
    prompt, text, thought = (_text(line, name) for name in ("prompt", "text", "reasoning"))
    reply = Reply(prompt, text, thought, front)
    whole = line.get("outcome") == "ok" and line.get("finish_reason") != "length"
    in_text, in_asked = in_reply(reply), in_prompt(reply)
    counted, scale = tokens(text) + tokens(thought), 1.0
    told = line.get("output_tokens")
    if told is not None and counted:
        scale = told / counted
    output = {name: saved * scale for name, saved in savings(text, in_text).items()}
    output["reasoning"] += _thought(line, tokens(thought) * scale)
    asked = _asked(prompt, in_asked, line)
    found = {**_examples(text, in_text), **_examples(prompt, in_asked)}
    if thought:
        found["reasoning"] = plain(thought, EXAMPLE)
    totals = _number(line, "input_tokens"), _number(line, "cached_tokens"), _number(line, "output_tokens")
    if not whole:
        output, asked, found = dict.fromkeys(output, 0.0), dict.fromkeys(asked, 0.0), {}
    return Read(output, asked, found, totals)


def _asked(prompt: str, edits: Mapping[str, Sequence[Edit]], line: Line) -> dict[str, float]:
    """Of the prompt, as the model was sent it; what a cache served of the shared text is not useless."""
    saved: dict[str, float] = dict(savings(prompt, edits))
    saved["shared"] = max(saved["shared"] - (line.get("cached_tokens") or 0), 0.0)
    told = line.get("input_tokens")
    most = math.fsum(saved.values())
    return saved if told is None or most <= told else {name: value * told / most for name, value in saved.items()}


def _thought(line: Line, counted: float) -> float:
    """Tokens of the field of reasoning: as the service tells them, else counted."""
    told = line.get("reasoning_tokens")
    return counted if told is None or not line.get("reasoning") else float(told)


def _examples(text: str, edits: Mapping[str, Sequence[Edit]]) -> dict[str, str]:
    """Of each category that found anything its longest find, short and safe to print; white space is not shown."""
    longest = {name: max(found, key=lambda one: one.end - one.start) for name, found in edits.items() if found}
    return {name: plain(text[edit.start : edit.end].strip(), EXAMPLE) for name, edit in longest.items()}


def _number(line: Line, name: str) -> float:
    return float("nan") if line.get(name) is None else float(line[name])


def _text(line: Line, name: str) -> str:
    return str(line.get(name) or "")[:LONGEST]


def kept_of(lines: Iterable[Line], arm: str) -> list[Line]:
    """The kept texts of one arm's tasks."""
    return [line for line in lines if line.get("workload") == "task" and line.get("arm") == arm]
