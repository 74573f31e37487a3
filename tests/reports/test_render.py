"""The page, the comment and the terminal: what people see of a run."""

import io
import os
import re
from pathlib import Path

import pytest
import samples
from markdown_it import MarkdownIt
from rich.console import Console
from situations import LOSS, SAMPLES, SITUATIONS, Outline

from reports.headline import effect_figures, headline
from reports.paragraph import paragraph
from reports.render import print_terminal, render_html, render_markdown
from reports.tables import Column, Shown, Table

GOLDEN = Path(__file__).parent / "golden"


def golden(name, text):
    """Compares with the golden file; TOKENSWARM_UPDATE_GOLDEN=1 writes it instead, and the diff is the review."""
    path = GOLDEN / name
    if os.environ.get("TOKENSWARM_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


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

    ours = "h2 h3 p ul li strong blockquote details summary table thead tbody tr th td"
    assert tags <= set(ours.split())
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
