"""What a prompt spends on the form of the answer, and on text that other prompts begin with too."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from reports.waste_edits import Edit
from reports.waste_places import sentences

NUMBER = r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|twelve|a single|single)"
FORMAT = re.compile(
    r"(?<![.\w])(?:(?:geo)?json|csv|xml|yaml|html|markdown|table|tabulate|(?:tab|comma)[- ]separated|bullets?"
    r"|bullet(?:ed)? (?:lists?|points?)|numbered|checklist|headings?|code block|one (?:per|line)|schema)\b"
    r"|\bkeys?\s+[\"'`\w]+|\bcolumns?\b|\buse this (?:form|format)\b|^format:"
    r"|\b(?:tabelle|stichpunkte?|aufzählung|überschriften?|tableau|liste à puces|tabla|viñetas|tabella|elenco)\b",
    re.I,
)
LENGTH = re.compile(
    rf"\b{NUMBER}[- ](?:\w+ ){{0,1}}(?:words?|sentences?|(?<!subject )lines?|paragraphs?|characters?|bullets?)\b"
    r"|\bshort paragraph\b|\bbriefly\b|\bbe brief\b|\bkeep (?:each|it|the) .{0,20}short\b|\bin one word\b",
    re.I,
)
WITHOUT = re.compile(
    r"\b(?:code|json|label|table|list|answer|number|word)s? only\b(?! (?:from|using|with)\b)|\bwith (?:the )?\w+ only\b"
    r"|\bonly the (?!manual|excerpt|text|context|source|document)\w+\b|\bjust the (?:code|answer|number|word|result)\b"
    r"|\b(?:nur|ohne) (?:\w+ )?(?:code|zahl|wort|antwort|erklärung)\b|\bsans explication\b"
    r"|\bno explanations?\b|\bnothing else\b|\bwithout (?:any )?(?:explanation|comment)s?\b",
    re.I,
)
ABOUT = re.compile(
    r"(?:explain|what|why|how|is|are|does|do|(?:can|could|should)(?! you)|describe|define)\b", re.I
)  # asks of a format, not for it
ANSWERED = re.compile(r"^(?:a|answer|output|class|label|result|response|translation)[ \t]*:[ \t]*\S", re.I | re.M)
ASKED = re.compile(r"^(?:q|question|input|message|text|example|review|sentence)\b[^\n:]{0,20}:", re.I | re.M)
OPEN = re.compile(r"^(?:a|answer|output|class|label|result|response|translation)[ \t]*:\s*\Z", re.I | re.M)
LEFT_OPEN = re.compile(r"^([A-Z]\w{1,20}):\s*\Z", re.M)  # "Call:" at the very end, for the answer
SHARED = 20  # words that two prompts begin with, for a text that they share


def instructions(prompt: str) -> list[Edit]:
    """Sentences that name the form of the answer: a format, a limit of length, what to leave out."""
    return [Edit(start, end) for start, end in sentences(prompt) if _is_of_form(prompt[start:end])]


def _is_of_form(sentence: str) -> bool:
    if LENGTH.search(sentence) or WITHOUT.search(sentence):
        return True
    named = FORMAT.search(sentence)
    return named is not None and not ABOUT.match(sentence)


def shared(prompt: str, front: int) -> list[Edit]:
    """What stands at the front of other prompts too, or else the worked examples before the question."""
    if front:
        return [Edit(0, front)]
    if worked := _worked(prompt):
        return [worked]
    answered = list(ANSWERED.finditer(prompt))
    asked = ASKED.search(prompt)
    if asked is None or not answered or (len(answered) < 2 and OPEN.search(prompt) is None):
        return []
    last = answered[-1]
    end = prompt.find("\n", last.end())
    return [Edit(asked.start(), len(prompt) if end < 0 else end)] if asked.start() < last.start() else []


def _worked(prompt: str) -> Edit | None:
    """Examples whose answers bear the label that the prompt ends with: from the first one's paragraph to the last."""
    left_open = LEFT_OPEN.search(prompt)
    answered = re.compile(rf"^{left_open[1]}:[ \t]*\S[^\n]*", re.M) if left_open else None
    found = list(answered.finditer(prompt)) if answered else []
    if not found:
        return None
    before = prompt.rfind("\n\n", 0, found[0].start())
    return Edit(0 if before < 0 else before + 2, found[-1].end())


def fronts(prompts: Iterable[str]) -> dict[str, int]:
    """Of each prompt how many characters, whole words, it begins with like another one; 0 below twenty words."""
    known = sorted(set(prompts))
    found = dict.fromkeys(known, 0)
    for one, other in pairwise(known):
        common = _common(one, other)
        for prompt in (one, other):
            found[prompt] = max(found[prompt], common)
    return found


def _common(one: str, other: str) -> int:
    length = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    cut = max(one.rfind(mark, 0, length) for mark in ("\n", " "))
    return cut + 1 if len(one[: cut + 1].split()) >= SHARED else 0
