"""The page, the comment and the terminal: what people see of a run."""

import io
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import samples
from markdown_it import MarkdownIt
from rich.console import Console

from reports.headline import effect_figures, headline, paragraph
from reports.render import print_terminal, render_html, render_markdown
from reports.tables import Column, Shown, Table

GOLDEN = Path(__file__).parent / "golden"
ONE = ("service",)
LOSS = {"long/short": 1.14, "long/long": 1.09, "short/short": 0.92}

SITUATIONS = {
    "pass": lambda: (samples.ab(recommendation="Adopt."), samples.manifest()),
    "pass-nothing-found": lambda: (samples.ab(ratios={}, recommendation="Undecided at 0 rungs."), samples.manifest()),
    "fail": lambda: (
        samples.ab("fail", LOSS, reasons=["TTFT is proven worse in two cells"], recommendation="Reject."),
        samples.manifest(),
    ),
    "inconclusive": lambda: (
        samples.ab("inconclusive", {}, reasons=["3 pairs were measured; a verdict needs 4", "a", "b", "c", "d"]),
        samples.manifest(),
    ),
    "invalid": lambda: (samples.partial(), samples.manifest(stopped="max_cost reached")),
    "one-arm": lambda: (samples.one_arm(), samples.manifest(ONE)),
    "nothing-gated": lambda: (samples.one_arm(), ungated()),
    "one-arm-fail": lambda: (
        samples.one_arm("fail", reasons=["the SLO is breached at 8 users: 81 % of the requests were good, not 95 %"]),
        samples.manifest(ONE),
    ),
    "all-failed": lambda: (samples.all_failed(), samples.manifest(ONE)),
    "no-step": lambda: (samples.run([], [], "invalid"), samples.manifest(ONE, stopped="Ctrl-C")),
}  # fmt: skip
SAMPLES = {
    **SITUATIONS,
    "one-step": lambda: (samples.one_step(), samples.manifest(ONE, calibration=None, check=[], gpu={})),
    "simulated": lambda: (samples.ab(), samples.manifest(simulated=True)),
    "huge": lambda: (samples.huge(), samples.manifest()),
    "poisoned": lambda: (samples.poisoned(samples.partial()), samples.poisoned(samples.manifest(stopped="x"))),
}


def ungated():
    """A manifest of one arm without any limit."""
    manifest = samples.manifest(ONE)
    manifest["scenario"]["slo"] = {"attain": 0.95, "cells": {}}
    return manifest


def golden(name, text):
    """Compares with the golden file; TOKENSWARM_UPDATE_GOLDEN=1 writes it instead, and the diff is the review."""
    path = GOLDEN / name
    if os.environ.get("TOKENSWARM_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pages():
    """Every sample as HTML, rendered once."""
    return {name: render_html(*make()) for name, make in SAMPLES.items()}


class Outline(HTMLParser):
    """The elements and attributes of a page, as a browser would see them."""

    def __init__(self, page):
        super().__init__()
        self.elements = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        """Keeps an element."""
        self.elements.append((tag, dict(attrs)))

    def attributes(self, tag, name):
        """The values of an attribute on the elements of one name."""
        return [attrs.get(name) for t, attrs in self.elements if t == tag]


# ---- the paragraph and the comment --------------------------------------------------------------------------------


def test_the_paragraph_in_every_situation():
    """One plain paragraph per verdict situation, reviewed word by word."""
    said = [f"{name}: {paragraph(*make())}\n" for name, make in SITUATIONS.items()]

    golden("paragraphs.txt", "\n".join(said))


@pytest.mark.parametrize("name", ["fail", "invalid", "one-step", "all-failed"])
def test_the_comment(name):
    """The Markdown of a run is what was reviewed."""
    golden(f"{name}.md", render_markdown(*SAMPLES[name]()))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_comment_fits_and_is_made_of_tables(name):
    """A comment is below GitHub's limit, and every row of a table has as many entries as its head."""
    text = render_markdown(*SAMPLES[name]())

    assert len(text) < 65_536
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_foreign_text_stays_text_in_a_comment():
    """No link, image, mention, emphasis or tag of a server's text comes to life in Markdown."""
    text = render_markdown(*SAMPLES["poisoned"]())

    html = MarkdownIt("commonmark").enable("table").render(text)
    tags = {tag for tag, _ in Outline(html).elements}

    assert tags <= set(
        [
            "h2",
            "h3",
            "p",
            "ul",
            "li",
            "strong",
            "blockquote",
            "details",
            "summary",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
        ]
    )
    assert "@all" not in text
    assert "://" not in text


# ---- the first screen ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "word", "tone"),
    [("pass", "Pass", "good"), ("fail", "Fail", "bad"), ("inconclusive", "Inconclusive", "warn"),
     ("invalid", "Invalid", "bad")],
)  # fmt: skip
def test_the_verdict_is_a_word_and_a_colour(pages, name, word, tone):
    """The verdict does not rest on colour alone."""
    first = headline(*SAMPLES[name]())

    assert (first.word, first.tone) == (word, tone)
    assert re.search(rf'<h1 class="verdict tone-{tone}"><span[^>]*></span>{word}</h1>', pages[name])


def test_the_three_numbers_of_a_failed_comparison_are_its_losses():
    """With a proven loss the first number is that loss, not the metric that comes first."""
    figures = effect_figures(samples.ab("fail", LOSS))

    assert len(figures) == 3
    assert figures[0].value == "+14.0 %"
    assert all(f.tone == "bad" for f in figures[:2])


def test_a_gain_in_good_requests_is_no_loss():
    """More good requests per second is better although its ratio is above 1."""
    summary = samples.ab()
    summary["comparisons"] = [
        samples.effect("cell", "short/short", "good_per_s", 1.2, 0.02),
        samples.effect("cell", "long/long", "good_per_s", 0.8, 0.02),
    ]

    (figure,) = effect_figures(summary)

    assert figure.label == "good requests/s, worst cell: long/long"
    assert figure.value == "−20.0 %"


@pytest.mark.parametrize(
    ("name", "text"),
    [("simulated", "Simulated model: these figures say nothing about a real one."),
     ("invalid", "Partial run, stopped early after 170 of 170 steps: max_cost reached.")],
)  # fmt: skip
def test_a_banner_comes_before_any_number(pages, name, text):
    """A simulated or partial run says so above the verdict, on the page, in the comment and on the terminal."""
    page = pages[name]

    assert page.index(text) < page.index("<h1")
    assert text.replace("_", r"\_") in render_markdown(*SAMPLES[name]())
    assert text in on_terminal(*SAMPLES[name](), width=200)
    assert "Simulated" not in pages["pass"]
    assert "Partial" not in pages["pass"]


def test_an_invalid_run_has_no_findings():
    """The first screen of an unsound measurement speaks of its soundness only, not of gains or losses."""
    first = headline(*SAMPLES["invalid"]())

    assert [f.value for f in first.figures] == ["164 of 170", "31.0 µs", "> 99.9 %"]
    assert "gain" not in first.paragraph


def test_a_killed_run_says_so():
    """A manifest without an end and without a reason is a run that was killed."""
    page = render_html(samples.ab(), samples.manifest(ended=None))

    assert "Partial run: it was ended from outside" in page


# ---- the page --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_a_page_needs_nothing_from_outside(pages, name):
    """No script, no external resource, no inline style or handler; the policy forbids all of them as well."""
    outline = Outline(pages[name])

    assert not {"script", "img", "link", "iframe", "object", "embed", "form", "base", "image", "use"} & {
        tag for tag, _ in outline.elements
    }
    assert all(href.startswith("#") for href in outline.attributes("a", "href"))
    names = {attribute for _, attrs in outline.elements for attribute in attrs}
    assert not {a for a in names if a.startswith("on") or a in {"style", "src", "srcset", "xlink:href"}}
    assert "default-src 'none'" in outline.attributes("meta", "content")[1]
    assert "url(" not in pages[name]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_page_is_accessible_in_structure(pages, name):
    """Language, landmarks, one h1, scoped heads, captions, unique ids, and links that lead somewhere."""
    outline = Outline(pages[name])
    tags = [tag for tag, _ in outline.elements]
    ids = [attrs["id"] for _, attrs in outline.elements if "id" in attrs]

    assert outline.attributes("html", "lang") == ["en"]
    assert [tags.count(t) for t in ("header", "main", "footer", "h1")] == [1, 1, 1, 1]
    assert set(outline.attributes("th", "scope")) <= {"row", "col"}
    assert tags.count("caption") == tags.count("table")
    assert tags.count("figcaption") == tags.count("figure")
    assert len(ids) == len(set(ids))
    assert {href[1:] for href in outline.attributes("a", "href")} <= set(ids)


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_is_printed_that_is_not_a_number(pages, name):
    """Absence is a dash with a reason: no None, NaN or undefined reaches a reader."""
    text = re.sub(r"<pre>.*?</pre>|<style>.*?</style>", "", pages[name], flags=re.S)

    assert not re.search(r">\s*(?:None|nan|NaN|inf|undefined)\b", text)
    for attributes in re.findall(r"<span([^>]*)>–<sup>", text):
        assert re.search(r'title="[^"]{10,}"', attributes)


def test_every_string_is_printed_as_text(pages):
    """An injection in every string of the summary and the manifest is visible on the page and alive nowhere."""
    page = pages["poisoned"]

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "onerror=alert(2)>" not in page
    assert "49" not in re.findall(r"speculative decoding[^<]*", page)[0]  # {{7*7}} was not evaluated


def test_too_few_requests_is_said(pages):
    """Six requests carry no p95: a dash, and what it would need."""
    assert "too few requests: p95 needs 100" in pages["one-step"]


def test_a_quantile_among_failures_is_beyond_the_timeout(pages):
    """A quantile that falls among failed requests is printed as beyond the timeout, never as a number."""
    assert "&gt; timeout" in pages["all-failed"]
    assert "no request succeeded" in pages["all-failed"]


def test_the_ok_only_value_stands_beside():
    """Where a quantile is beyond the timeout, the ok-only one is shown with its label."""
    summary = samples.one_arm()
    summary["points"][0]["ttft_s"] |= {"p95": None, "ok": {"p95": 0.2}}

    assert re.search(r"&gt; timeout<small>ok only: 200</small>", render_html(summary, samples.manifest(ONE)))


def test_a_huge_run_stays_one_readable_page(pages):
    """108 points, 36 charts and 40 warnings make a page below 1 MB that folds what is long."""
    page = pages["huge"]

    assert len(page.encode()) < 1_000_000
    assert page.count("<svg") == 36 + 2
    assert "<summary>32 more warnings</summary>" in page
    assert "<details><summary>108 points in 9 cells</summary>" in page


# ---- colours ---------------------------------------------------------------------------------------------------


def luminance(colour):
    """Relative luminance of WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """Contrast ratio of WCAG 2."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def mixed(colour, paper, part):
    """What color-mix(in srgb) makes of them."""
    channels = [round(int(colour[i : i + 2], 16) * part + int(paper[i : i + 2], 16) * (1 - part)) for i in (1, 3, 5)]
    return "#" + "".join(f"{c:02x}" for c in channels)


def test_text_is_readable_in_both_schemes(pages):
    """Every text colour has a contrast of at least 4.5 on every ground it is printed on, in light, dark and print."""
    schemes = re.findall(r":root \{(.*?)\}", pages["pass"], re.S)

    assert len(schemes) == 3
    for scheme in schemes:
        colours = dict(re.findall(r"--([\w-]+): (#\w{6})", scheme))
        for text in ("ink", "soft", "accent", "good", "bad", "warn"):
            assert contrast(colours[text], colours["paper"]) >= 4.5, text
            assert contrast(colours[text], colours["card"]) >= 4.5, text
        for tone in ("good", "bad", "warn"):
            assert contrast(colours[tone], mixed(colours[tone], colours["paper"], 0.14)) >= 4.5, tone
        assert contrast(colours["ink"], mixed(colours["accent"], colours["paper"], 0.42)) >= 4.5
        for arm in range(1, 7):
            assert contrast(colours[f"arm-{arm}"], colours["paper"]) >= 3


# ---- the terminal ----------------------------------------------------------------------------------------------


def on_terminal(summary, manifest, width=160):
    """What the terminal shows."""
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    print_terminal(summary, manifest, console)
    return console.file.getvalue()


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("width", [80, 160])
def test_the_terminal_takes_any_run(name, width):
    """Every run prints, verdict first, within the width of the terminal."""
    text = on_terminal(*SAMPLES[name](), width=width)

    assert headline(*SAMPLES[name]()).word.upper() in text
    assert max(map(len, text.splitlines())) <= width


def test_the_terminal_never_obeys_foreign_text():
    """No escape sequence and no markup of a foreign text is obeyed."""
    text = on_terminal(*SAMPLES["poisoned"]())

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[x](http://evil)" in text


def test_a_wide_terminal_shows_the_interval():
    """With room for it, a mean stands with half of its interval."""
    assert "201 ± 6" in on_terminal(*SAMPLES["pass"](), width=160)
    assert "201 ± 6" not in on_terminal(*SAMPLES["pass"](), width=80)


# ---- tables ----------------------------------------------------------------------------------------------------


def test_footnotes_are_shared_and_lettered():
    """Equal notes share one letter; letters go on after z."""
    notes = [f"reason {i}" for i in range(28)]
    rows = tuple((Shown("x"), Shown("–", note)) for note in [*notes, notes[0]])
    table = Table("t", (Column("a"), Column("b")), rows)

    assert list(table.notes) == notes
    assert [table.mark(row[1]) for row in (rows[0], rows[25], rows[26], rows[27], rows[28])] == [
        "a",
        "z",
        "aa",
        "ab",
        "a",
    ]
    assert table.mark(Shown("x")) == ""
