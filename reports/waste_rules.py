"""The rules of waste in their order: what each finds in a reply, or in a prompt (CONTRIBUTING says how to add one)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from reports import waste_json
from reports.waste_asks import instructions, shared
from reports.waste_edits import Edit
from reports.waste_phrases import closing, opening
from reports.waste_rows import echo, repetition
from reports.waste_space import fences, white_space
from reports.waste_thinking import thinking

LONGEST = 50_000  # characters that are read of a text; the rest is taken to be like them


class Reply(msgspec.Struct, frozen=True):
    """One kept text of a task: what was asked, what came; `front` characters of the prompt are other prompts' too."""

    prompt: str
    text: str
    reasoning: str = ""
    front: int = 0


def in_reply(reply: Reply) -> dict[str, Sequence[Edit]]:
    """What each category finds in the text; an earlier one takes precedence. `reasoning`: only what is in the text."""
    thought = thinking(reply.text)
    said = _blanked(reply.text, thought)  # thinking is one category, whatever it holds
    known = waste_json.found(said)
    apart = [one.place for one in known] + [(edit.start, edit.end) for edit in thought]
    return {
        "reasoning": thought,
        "echo": echo(reply.prompt, said),
        "repetition": repetition(said),
        "opening": opening(said, reply.prompt),
        "closing": closing(said, reply.prompt),
        "fences": fences(said),
        "json_layout": waste_json.layout(said, known),
        "json_syntax": waste_json.syntax(known),
        "white_space": white_space(reply.text, apart),
    }


def in_prompt(reply: Reply) -> dict[str, Sequence[Edit]]:
    """What each category finds in the prompt."""
    return {
        "shared": shared(reply.prompt, min(reply.front, len(reply.prompt))),
        "instructions": instructions(reply.prompt),
        "prompt_space": white_space(reply.prompt),
    }


def _blanked(text: str, edits: Sequence[Edit]) -> str:
    """The text with blanks in place of what the edits take away, so that everything else stays where it is."""
    for edit in edits:
        text = text[: edit.start] + " " * (edit.end - edit.start) + text[edit.end :]
    return text
