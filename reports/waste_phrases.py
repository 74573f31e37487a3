"""Boilerplate: sentences at the beginning and at the end of a reply that answer nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reports.waste_edits import Edit
from reports.waste_places import Place, fenced, inside, sentences


def _one_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.I)


OPENS = _one_of(  # from the beginning of a sentence
    r"(?:sure(?: thing)?|certainly|of course|absolutely|okay|alright|awesome)\b(?! to\b)",
    r"(?:definitely|gladly|understood|got it)\b(?! to\b)",
    r"no problem\b",
    r"(?:that'?s |that is |what )?(?:an? )?(?:very |really )?(?:great|good|excellent|interesting|fantastic) "
    r"(?:question|point|idea|choice)",
    r"thanks?(?: you)?\b.{0,60}(?:for|reaching|asking|sharing|question)",
    r"i(?:'d| would|'m| am|'ll| will)? (?:be )?(?:more than )?(?:happy|glad|delighted) to\b",
    r"i (?:can|will|'ll) (?:certainly |definitely )?(?:help|assist|provide)\b|i'll provide you\b",
    r"you asked\b|your question\b|to answer your question\b",
    r"(?:here(?:'s| is| are)|below(?: is| are|,| you)|(?:the )?following (?:is|are))\b.*[:.]",
    r".*\b(?:here (?:is|are)|here's)\b[^.]*:",
    r".*\bi'?m (?:always |just )?(?:here|happy) to help\b|.*\bit'?s great that you\b",
    r"you are a helpful\b",
)
AS_AI = re.compile(r"as an? (?:ai|artificial intelligence|large language|language model|assistant)\b[^,.:]*[,.:]", re.I)
ANNOUNCES = _one_of(  # in a first sentence that ends with a colon
    r"\b(?:following|below|several|consider|recommend|you(?:'ll| will| can| could)|here|find|it is|is|are)\b",
)
CLOSES = _one_of(  # anywhere in a last sentence
    r"\blet me know\b|\bfeel free\b|\b(?:don't|do not) hesitate\b|\bis there anything else\b|\banything else\b.*\?",
    r"\bif you (?:have|need|want|'d like|would like|require)\b.*\b(?:question|help|assist|more|else|further|me to)",
    r"\b(?:happy|glad|here) to (?:help|assist)\b|\bwould you like me to\b|\bdo you want me to\b",
    r"\breach out\b|\bcontact us\b",
    r"^please (?:adjust|go ahead|let|note that this|review|contact)\b",
    r"^(?:this|the) (?:is a )?(?:poem|story|summary|translation|function|script|example)\b.* (?:is )?about\b",
    r"\bhopes? (?:this|that|it|these)\b.*\bhelp",
    r"\bgood luck\b|\bbest of luck\b|\bhappy (?:coding|cooking|reading|travels?|learning|gardening)\b",
    r"\byou'?ve got this\b|\benjoy (?:your|the)\b",
    r"\bhave a (?:great|nice|good|wonderful|lovely)\b|^(?:kind|best|warm)?\s*regards\b|^sincerely\b|^yours\b",
    r"^(?:this|these|that|the above|the)\s(?:\w+\s)?"
    r"(?:json|table|list|array|object|response|answer|reply|output|summary)\b"
    r".*\b(?:above|contains?|follows?|shows?|should|represents?|is an?|is labeled|are just)\b",
    r"^the (?:table|list|json|code|answer|text) above\b|^these are (?:just|only)\b",
    r"^i(?:'ve| have)? (?:made|created|listed|written|provided|included|formatted|used)\b",
)
GREETS = re.compile(
    r"(?:dear|hello|hi|hey|good (?:morning|day|evening))\b[^.!?\n]{0,40}[,!]?$", re.I
)  # wanted in a letter
LONGEST = 40  # words of a sentence of boilerplate


def opening(text: str) -> list[Edit]:
    """From the first sign to the end of the last sentence of boilerplate at the beginning."""
    start = len(text) - len(text.lstrip())
    disclaimed = AS_AI.match(text, start)
    if disclaimed:
        return [Edit(start, disclaimed.end())]
    places = sentences(text)
    if places and GREETS.match(text[slice(*places[0])]):
        start = places.pop(0)[1]
    end = start
    for number, (begin, stop) in enumerate(places[:5]):
        sentence = text[begin:stop]
        if not _is_prose(text, begin) or not (OPENS.match(sentence) or _announces(sentence, text, stop, number)):
            break
        end = stop
    return [Edit(start, end)] if end > start else []


def _announces(sentence: str, text: str, stop: int, number: int) -> bool:
    """A sentence of four words or more that ends its line with a colon, before what it announces."""
    alone = text[stop : stop + 1] in ("\n", "") and sentence.endswith(":") and number < 2
    counted = len(sentence.split())
    return alone and 4 <= counted <= LONGEST and sentence[0].isupper() and bool(ANNOUNCES.search(sentence))


def closing(text: str) -> list[Edit]:
    """From the first sentence of boilerplate at the end to the last sign; a name may stand under the regards."""
    places = sentences(text)
    begin = len(text)
    for number, place in enumerate(reversed(places[1:])):
        if not (_closes(text, place) or (number < 2 and _signs(text, places, len(places) - 1 - number))):
            break
        begin = place[0]
    return [Edit(begin, len(text.rstrip()))] if begin < len(text.rstrip()) else []


def _closes(text: str, place: Place) -> bool:
    sentence = text[place[0] : place[1]]
    return _is_prose(text, place[0]) and len(sentence.split()) <= LONGEST and bool(CLOSES.search(sentence))


def _signs(text: str, places: Sequence[Place], number: int) -> bool:
    """Whether a short line stands right under a line of regards."""
    before = text[slice(*places[number - 1])] if number else ""
    return len(text[slice(*places[number])].split()) <= 4 and bool(
        re.match(r"(?:kind|best|warm)?\s*regards", before, re.I)
    )


def _is_prose(text: str, at: int) -> bool:
    return not inside(at, [place for place, _ in fenced(text)])
