"""Echo and repetition: ten words in a row that stood in the prompt, or earlier in the reply."""

from __future__ import annotations

import re

from reports.waste_edits import Edit
from reports.waste_places import joined, words

ROW = 10  # words: shorter rows are shared by chance, and by naming the same thing
ASKED = re.compile(r"\b(quote|repeat|correct|rewrite|rephrase|translate|extract|proofread|copy|verbatim)\b", re.I)
BEGINS = 300  # characters of a prompt that say what is asked


def echo(prompt: str, text: str) -> list[Edit]:
    """Rows of the prompt's words; none where the prompt asks for them."""
    if ASKED.search(prompt[:BEGINS]):
        return []
    asked = [word for _, word in words(prompt)]
    return _edits(text, {tuple(asked[at : at + ROW]) for at in range(len(asked) - ROW + 1)}, False)


def repetition(text: str) -> list[Edit]:
    """Rows that stood earlier in the text: the second time, and every further one."""
    return _edits(text, set(), True)


def _edits(text: str, known: set[tuple[str, ...]], learning: bool) -> list[Edit]:
    found = words(text)
    flags = []
    for at in range(len(found) - ROW + 1):
        row = tuple(word for _, word in found[at : at + ROW])
        flags.append(row in known)
        if learning:
            known.add(row)
    return [Edit(found[start][0][0], found[end - 1][0][1]) for start, end in joined(flags, ROW)]
