"""Every name links to its definition: heads of tables and captions of figures."""

import ast
import re
from pathlib import Path

import pytest
from situations import SAMPLES

import reports
from reports.glossary import GLOSSARY, key_of

PLAIN = {  # heads that need no definition, and why
    "": "stands above the kinds of a bill",
    **dict.fromkeys(("event", "what", "which", "after", "when", "at", "since", "note", "time"), "says what came when"),
    **dict.fromkeys(("check", "result", "what was found", "why", "why it does not count"), "introduces a sentence"),
    **dict.fromkeys(("fact", "value", "figure", "worst of all steps", "should be"), "each row names its own"),
    **dict.fromkeys(("what differs", "what if", "what is claimed", "what was done", "in words"), "holds whole words"),
    **dict.fromkeys(("limit", "kind", "price", "source", "as of"), "is the scenario's own word"),
    **dict.fromkeys(("state", "reply", "model", "runs"), "means what it says"),
}
PLACES = (
    "stacks",
    "panels untitled",
)  # captions there name a point, or are for screen readers: the lead sentence links


def linked(inside):
    """Whether an element's content links to an entry that exists."""
    found = re.search(r'href="#def-(\w+)"', inside)
    return bool(found) and found[1] in GLOSSARY


def words(inside):
    """The head alone: without the lines below it and without tags."""
    return re.sub(r"<[^>]*>", "", inside.partition("<small>")[0]).strip()


@pytest.mark.parametrize("name", SAMPLES)
def test_heads_and_captions_link_to_their_definitions(pages, name):
    """A column's head or a figure's caption links to an entry of the page, or is one of a few plain words."""
    page = pages[name]
    heads = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', page, re.S)
    for place in PLACES:
        page = re.sub(rf'<div class="(?:charts )?{place}">.*?</div>', "", page, flags=re.S)
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page, re.S)

    assert heads
    assert [words(head) for head in heads if not linked(head) and words(head) not in PLAIN] == []
    assert [words(caption) for caption in captions if not linked(caption)] == []


def test_no_head_in_the_source_is_left_out():
    """Also of tables that no sample shows: a head written in the source has an entry, or is a plain word."""
    missing, seen = [], 0
    for source in Path(reports.__file__).parent.glob("*.py"):
        for call in ast.walk(ast.parse(source.read_text())):
            if not isinstance(call, ast.Call) or getattr(call.func, "id", "") != "Column":
                continue
            title, *more = call.args
            term = next((one.value for one in more[:1] if isinstance(one, ast.Constant)), None if not more else "code")
            if isinstance(title, ast.Constant):
                seen += 1
                known = term in {*GLOSSARY, "code"} or key_of(title.value) or title.value in PLAIN
                missing += [] if known else [(source.name, title.value)]

    assert seen > 200
    assert missing == []


@pytest.mark.parametrize(
    ("title", "key"),
    [
        ("TTFT mean, ms", "ttft_s"), ("E2E p95", "e2e_s"), ("Output tokens/s", "output_tokens"), ("users", "rung"),
        ("arm", "arm"), ("p", "p_adjusted"), ("requests/s, those that were not good in red", "load"),
        ("of course", None), ("my arm", None), ("mean", "mean"),
    ],
)  # fmt: skip
def test_a_name_is_found_without_its_statistic_and_unit(title, key):
    """The statistic and the unit are not part of a name; other words have no entry."""
    assert key_of(title) == key


def test_a_name_has_one_entry():
    """No two entries have the same name."""
    names = [definition.name.casefold() for definition in GLOSSARY.values()]

    assert len(names) == len(set(names))
