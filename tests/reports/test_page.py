"""The page: self-contained, accessible, unmoved by hostile text, readable in light, dark and print."""

import re

import pytest
import samples
from situations import ONE, SAMPLES, Outline

from reports.render import render_html


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
    """108 points, 43 charts and 40 warnings make a page below 1 MB that folds what is long."""
    page = pages["huge"]

    assert len(page.encode()) < 1_000_000
    assert page.count('class="chart"') == 36 + 6 + 1
    assert "<summary>32 more warnings</summary>" in page
    assert "<details><summary>108 points in 9 cells</summary>" in page


def test_lines_of_ten_megabytes_are_cut():
    """Whoever made them: a page keeps the begin of each, escaped, and stays small."""
    line = "<b>\u202e\x1b[31m" + "x" * 10_000_000
    summary = samples.one_step()
    summary["run"]["scenario"], summary["warnings"] = line, [line, {"text": line, "advice": line}]
    summary["verdict"]["reasons"] = [line] * 5
    summary["steps"][0] |= {"valid": False, "why_invalid": [line]}
    manifest = samples.manifest(ONE, stopped=line, server={"service": {"engine": line}})
    summary["anomalies"] = [{"step": line, "arm": line, "metric": "ttft_s", "value": 2.0, "typical": 1.0, "text": line}]

    page = render_html(summary, manifest)

    assert len(page) < 200_000  # of short lines it has 126,000
    assert "<b>x" not in page
    assert "&lt;b&gt;" in page
    assert not {"\u202e", "\x1b"} & set(page)


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
