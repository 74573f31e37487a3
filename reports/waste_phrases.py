"""Boilerplate: sentences at the beginning and at the end of a reply that answer nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reports.waste_edits import Edit
from reports.waste_places import WORD, Place, fenced, inside, sentences, words


def _one_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.I)


OPENS = _one_of(  # from the beginning of a sentence
    r"(?:sure(?: thing)?|certainly|of course|absolutely|okay|alright|awesome)\b(?! to\b)",
    r"(?:definitely|gladly|understood|got it|will do|makes sense|sounds good|good call)\b(?! to\b)",
    r"(?:great|perfect|excellent|wonderful|nice|yes|yep)(?:!|,? (?:of course|sure|absolutely|happy to|let's)\b)",
    r"no (?:problem|worries)\b|as (?:requested|you (?:asked|requested))\b",
    r"what an? (?:great|lovely|fun|nice|interesting)\b",
    r"(?:klar|gerne|natürlich|selbstverständlich|hier (?:ist|sind|kommt)|voici|bien sûr|avec plaisir)\b",
    r"(?:claro|por supuesto|aquí (?:está|están|tienes?)|certo|ecco|com certeza|aqui está)\b",
    r"(?:that'?s |that is |what )?(?:an? )?(?:very |really )?(?:great|good|excellent|interesting|fantastic) "
    r"(?:question|point|idea|choice)",
    r"i(?:'d| would|'m| am|'ll| will)? (?:be )?(?:more than )?(?:happy|glad|delighted) to\b",
    r"i (?:can|will|'ll) (?:certainly |definitely )?(?:help|assist|provide)\b",
    r"i(?:'ll| will) (?:provide|explain|walk|break|go|give|show|outline|list|summari[sz]e|write|create|start|do)\b",
    r"(?:okay,? |alright,? |so,? )?let(?:'s| us| me) (?:start|begin|take|look|break|explain|dive|walk|go|explore|solve|"
    r"work|figure|tackle|clarify|help)\b",
    r"(?:happy|glad|delighted) (?:to (?:help|assist)|you asked)\b",
    r"you asked\b|your question\b|to answer your question\b",
    r"(?:here(?:'s| is| are)|below(?: is| are|,| you)|(?:the )?following (?:is|are))\b.*[:.]",
    r".*\b(?:here (?:is|are)|here's)\b[^.]*:",
    r".*\bi'?m (?:always |just )?(?:here|happy) to help\b|.*\bit'?s great that you\b",
    r"here you (?:go|are)\b|you are a helpful\b",
    r"thanks?(?: you)?\b.{0,20}for (?:reaching out|contacting us|your (?:question|inquiry))\b",
)
SOCIAL = _one_of(  # wanted in a letter, or from a role
    r"(?:many )?thanks?(?: you)?\b.{0,60}(?:for|reaching|asking|sharing|question)",
    r"(?:oh(?: no| dear)?|ah|aha|wow|ha|good one|welcome)\b[,!. ]|.*\bi'?m an? (?:ai|virtual|digital|language)\b",
    r"(?:i'?m|i am|we'?re|we are)? ?(?:so |very |really |truly )?sorry\b(?!,? (?:but|i|we|that) )",
    r"i (?:completely |totally |fully |can )?(?:understand|see) (?:how|that|why|your|this)\b",
    r"i (?:apologi[sz]e|appreciate)\b|that (?:sounds|must be)\b",
)
AS_AI = re.compile(r"as an? (?:ai|artificial intelligence|large language|language model|assistant)\b[^,.:]*[,.:]", re.I)
ANNOUNCES = _one_of(  # in a first sentence that ends with a colon
    r"\b(?:following|below|several|consider|recommend|you(?:'ll| will)|here|find|it is|is|are)\b",
)
CLOSES = _one_of(  # anywhere in a last sentence
    r"\blet me know\b|\bfeel free\b|\b(?:don't|do not) hesitate\b|\bis there anything else\b|\banything else\b.*\?",
    r"\bif you(?:'d| would)? (?:have|need|want|like|require|prefer|share|tell|give|send|paste|get stuck)\b"
    r".*\b(?:question|help|assist|more|else|further|me to|me|i can|i could|i'll|i'd)\b",
    r"\bif\b.*\bi(?:'ll| can| could| will|'d be) \b|\bi(?:'ll| can| could| will) .*\bif you\b",
    r"\b(?:wenn|falls) (?:du|sie|ihr)\b.*\b(?:ich|mir)\b|\bsi (?:tu|vous)\b.*\bje\b|\bsi quieres\b",
    r"^(?:buon[ao]?|bonne?|gute[nrs]?|viel|buen[ao]?s?) \w+ ?!$",
    r"^(?:i can|i could|i'd be|i'm happy to|happy to) (?:also |gladly )?(?:help|adjust|expand|add|turn|make|provide|"
    r"tailor|write|draft|convert|explain|refine|translate|shorten|adapt|share|give)\b",
    r"^(?:just |simply )(?:ask|say|shout)\b|^(?:just |simply )?(?:ask me|ask away|tell me|ping me|drop me)\b",
    r"\b(?:shall|should|can|could|may) i (?:also |help|add|make|write|explain|turn|provide)\b.*\?|\bwant me to\b",
    r"\bwould (?:you|that|this|it) (?:like|prefer|help|work)\b.*\?",
    r"\b(?:does|do) (?:this|that|these|it) (?:help|work|answer)\b",
    r"\b(?:happy|glad|here) to (?:help|assist)\b|\bwould you like me to\b|\bdo you want me to\b",
    r"\breach out\b|\bcontact us\b",
    r"^please (?:adjust|go ahead|let|note that this|review|contact)\b",
    r"^(?:this|the) (?:is a )?(?:poem|story|summary|translation|function|script|example)\b.* (?:is )?about\b",
    r"\bhopes? (?:this|that|it|these)\b.*\bhelp",
    r"\bgood luck\b|\bbest of luck\b|\bhappy \w+ing\b",
    r"\byou'?ve got this\b|\benjoy (?:your|the)\b|^enjoy\b|^(?:cheers|take care|stay safe|safe travels|have fun)\b",
    r"^(?:all the best|best wishes|bon appétit|bonne (?:chance|journée)|viel (?:erfolg|spaß|glück)|buena suerte)\b",
    r"\b(?:lass(?:en sie)? (?:es )?mich|sag(?:en sie)? (?:mir )?(?:einfach )?bescheid|ich hoffe)\b",
    r"\b(?:n'hésitez? pas|dites-moi|dis-moi|j'espère|souhaitez-vous|voulez-vous|veux-tu)\b",
    r"\b(?:déjame saber|no dudes en|espero que|avísame|fammi sapere|spero che)\b",
    r"\bhave a (?:great|nice|good|wonderful|lovely)\b|^(?:kind|best|warm)?\s*regards\b|^sincerely\b|^yours\b",
)
REMARKS = _one_of(  # at the beginning of a last paragraph: it is about the reply
    r"(?:this|these|that|the above|the)\s(?:\w+\s)?"
    r"(?:json|table|list|array|object|response|answer|reply|output|summary|bullets|points|keywords|schema|html|csv|yaml|translation|version)\b"
    r".*\b(?:above|contains?|follows?|shows?|should|represents?|is labeled|are just|defines?|includes?|provides?|"
    r"creates?|captures?|keeps?)\b",
    r"(?:this|these|that|the above|the)\s(?:\w+\s)?(?:json|table|list|array|object|schema|output)\b.*\bis an?\b",
    r"(?:this|that) is (?:an?|the) (?:[\w-]+ ){0,2}(?:solution|explanation|breakdown|overview|guide)\b",
    r"(?:this|that|it) is (?:an?|the) (?:\w+ ){0,2}(?:json|table|list|array|object|schema|html|csv|yaml|summary|"
    r"translation|version|response|reply)\b",
    r"the (?:table|list|json|code|answer|text) above\b|^these are (?:just|only)\b",
    r"(?:notes?:? )?i(?:'ve| have)? (?:also |just |only )?"
    r"(?:made|created|listed|written|provided|included|formatted|used|kept|corrected|fixed|assumed|left|tried|focused|"
    r"chose|chosen|picked|avoided|changed|replaced|added|removed|translated|summari[sz]ed|rewritten|rewrote|shortened|"
    r"simplified|marked|sorted)\b",
    r"(?:total )?word count\b|\d+ words\b|total:? \d+ words",
)
WRITES = re.compile(  # the prompt asks for words in a person's mouth
    r"\b(?:write|draft|compose|prepare|create|make|finish|continue)\b[^.\n]{0,60}\b(?:e-?mails?|letters?|messages?|"
    r"dialogues?|conversations?|scripts?|speech|posts?|cards?|invitations?|announcements?|toast|replies|reply)\b"
    r"|\b(?:reply|respond) to\b|\b(?:act|reply|respond|answer) as\b|\bpretend\b|\brole[- ]?play\b|\bon behalf of\b",
    re.I,
)
GREETS = re.compile(
    r"(?:dear|hello|hi|hey|good (?:morning|day|evening))\b[^.!?\n]{0,40}[,!]?$", re.I
)  # wanted in a letter
PURPOSE = re.compile(r"(?:in order )?to \w+[^,.:;!?\n]{3,120}, (?P<then>(?=let's|we |you |follow))?", re.I)
LINE, MARKS = re.compile(r"[ \t*_]*(?:\n|\Z)"), ' *_#>("“”'
PRESENTS = re.compile(r":$|\b(?:here|below|draft|version)\b", re.I)
HERE = re.compile(r".*\b(?:here(?: is| are|'s)|below (?:is|are))\b.*:$", re.I | re.S)  # what stood before it led to it
CHANGES = re.compile(  # of the text, not in it
    r"\b(?:adjust|tweak|chang|version|tone|short|long|edit|revis|personali|customi|translat|format|draft|this|help|poem|"
    r"story)",
    re.I,
)
TITLE = re.compile(r"[^\W\d][\w'-]*(?: [\w'-]+){0,3}:")
HEADING = re.compile(rf"^[ \t*_#>-]*{TITLE.pattern}[ \t*_]*$", re.M)
ANY_ANSWER = {"answer", "response", "output", "result", "results", "solution", "summary", "translation", "example"}
LONGEST = 40  # words of a sentence of boilerplate
RESTATED, LED = 0.7, 0.3
STEM = 5  # letters of a word that are compared


def opening(text: str, prompt: str = "") -> list[Edit]:
    """From the first sign to the end of the last sentence, or leading clause, of boilerplate at the beginning."""
    start = len(text) - len(text.lstrip())
    disclaimed = AS_AI.match(text, start)
    if disclaimed:
        return [Edit(start, disclaimed.end())]
    places = sentences(text)
    if places and GREETS.match(text[slice(*places[0])]):
        start = places.pop(0)[1]
    asked, end = _Asked(prompt), start
    for number, place in enumerate(places[:5]):
        if not _is_prose(text, place[0]) or not _opens(text, place, number, asked):
            break
        end = place[1]
    end = max(end, _led(text, places[:2], asked))
    clause = PURPOSE.match(text, places[0][0]) if places and end == start else None
    if clause is not None and (clause["then"] is not None or asked.restated(clause[0])):
        end = clause.end()
    return [Edit(start, end)] if end > start else []


class _Asked:
    """What a prompt asks, as far as it tells boilerplate from an answer."""

    def __init__(self, prompt: str) -> None:
        self.writes = WRITES.search(prompt) is not None
        self._words = {word for _, word in words(prompt)}
        self._stems = {word[:STEM] for word in self._words}

    def names(self, title: str) -> bool:
        """Whether a title has a word of the prompt, or one that fits any answer."""
        return any(word in self._words or word in ANY_ANSWER for _, word in words(title) if len(word) >= 4)

    def restated(self, text: str, share: float = RESTATED) -> bool:
        """Whether a text says the question again: three words of four letters or more, a share of them the prompt's."""
        said = {word[:STEM] for _, word in words(text) if len(word) >= 4}
        return len(said) >= 3 and len(said & self._stems) >= share * len(said)


def _opens(text: str, place: Place, number: int, asked: _Asked) -> bool:
    sentence = text[slice(*place)].lstrip(MARKS)
    if asked.writes:  # "Sure, I can come" may be what was asked for, "Sure!" and "Here is the mail:" are not
        return bool(OPENS.match(sentence)) and (len(sentence.split()) <= 2 or bool(PRESENTS.search(sentence)))
    if OPENS.match(sentence) or SOCIAL.match(sentence):
        return True
    again = number == 0 and sentence[:1].isalpha() and sentence.endswith(":") and asked.restated(sentence)
    return again or _announces(text, place, number, asked)


def _led(text: str, places: Sequence[Place], asked: _Asked) -> int:
    """Where "Here is ...:" ends, if all that stands before it in its paragraph says the question again; else 0."""
    if len(places) < 2 or not HERE.match(text[slice(*places[1])]):
        return 0
    before = text[places[0][0] : places[1][0]]
    return places[1][1] if "\n" not in before and asked.restated(before, LED) else 0


def _announces(text: str, place: Place, number: int, asked: _Asked) -> bool:
    """A line that ends with a colon, before what it announces: a sentence, or a title that is the only one."""
    begin, stop = place
    line = LINE.match(text, stop)
    sentence = text[begin:stop].strip(MARKS)
    counted = len(sentence.split())
    if line is None or number > 1 or not sentence.endswith(":") or not sentence[0].isupper() or counted > LONGEST:
        return False
    if counted >= 4 and ANNOUNCES.search(sentence):
        return True
    return number == 0 and bool(TITLE.match(sentence)) and asked.names(sentence) and len(HEADING.findall(text)) == 1


def closing(text: str, prompt: str = "") -> list[Edit]:
    """From the first sentence of boilerplate at the end to the last sign; a name may stand under the regards."""
    places, asked = [place for place in sentences(text) if WORD.search(text, *place)], _Asked(prompt)
    begin = _remark(text, places[1:], asked)
    before = [place for place in places if place[0] < begin]
    for number, place in enumerate(reversed(before[1:])):
        if not (_closes(text, place, asked) or (number < 2 and _signs(text, before, len(before) - 1 - number))):
            break
        begin = place[0]
    return [Edit(begin, len(text.rstrip()))] if begin < len(text.rstrip()) else []


def _remark(text: str, places: Sequence[Place], asked: _Asked) -> int:
    """Where a last paragraph begins that is about the reply itself; the text's end if there is none."""
    start = text.rstrip().rfind("\n\n") + 2
    paragraph = text[start:].lstrip(MARKS)
    about = start > 1 and any(begin >= start for begin, _ in places) and not asked.writes and _is_prose(text, start)
    return start if about and len(paragraph.split()) <= 2 * LONGEST and REMARKS.match(paragraph) else len(text)


def _closes(text: str, place: Place, asked: _Asked) -> bool:
    sentence = text[place[0] : place[1]]
    if not _is_prose(text, place[0]) or len(sentence.split()) > LONGEST or not CLOSES.search(sentence.strip(MARKS)):
        return False
    return not asked.writes or bool(CHANGES.search(sentence))


def _signs(text: str, places: Sequence[Place], number: int) -> bool:
    """Whether a short line stands right under a line of regards."""
    before = text[slice(*places[number - 1])] if number else ""
    return len(text[slice(*places[number])].split()) <= 4 and bool(
        re.match(r"(?:kind|best|warm)?\s*regards", before, re.I)
    )


def _is_prose(text: str, at: int) -> bool:
    return not inside(at, [place for place, _ in fenced(text)])
