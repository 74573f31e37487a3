"""The verdict as JUnit XML: what a CI server shows beside the tests. One case for the verdict, each gate, each step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

from reports.capacity import users
from reports.definitions import name_of
from reports.paragraph import paragraph
from reports.tables import cell_name
from reports.trust import all_steps
from reports.units import change, change_interval, plain

Case = tuple[str, str, str]  # name; failure, error, skipped or nothing; what to know


def render_junit(summary: dict[str, Any], manifest: dict[str, Any]) -> bytes:
    """The XML. A breach is a failure; what could not be told is an error where it decides, else it is skipped."""
    root = ElementTree.Element("testsuites", name="tokenswarm")
    for name, cases in (
        ("verdict", [_verdict(summary, manifest)]),
        ("cost", [_gate(one) for one in (summary.get("cost") or {}).get("gates", [])]),
        ("comparisons", [_comparison(one) for one in summary["comparisons"]]),
        ("steps", [_step(one) for one in all_steps(summary)]),
    ):
        suite = _suite(root, name, cases, summary["run"])
        if name == "verdict":
            _properties(suite, summary["verdict"])
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _properties(suite: ElementTree.Element, verdict: dict[str, Any]) -> None:
    """The recommendation and the scores, for those who draw a trend of them."""
    scored = {f"score.{one['arms'][1]}": f"{one['score']:.1f}" for one in verdict.get("scores", []) if "score" in one}
    advised = {"recommendation": verdict["recommendation"]} if "recommendation" in verdict else {}
    found = {"status": verdict["status"], **advised, **scored}
    properties = ElementTree.Element("properties")
    for name, value in found.items():
        ElementTree.SubElement(properties, "property", name=plain(name, 60), value=plain(value, 60))
    suite.insert(0, properties)


def _suite(root: ElementTree.Element, name: str, cases: list[Case], run: dict[str, Any]) -> ElementTree.Element:
    counts = {kind: str(sum(case[1] == kind for case in cases)) for kind in ("failure", "error", "skipped")}
    suite = ElementTree.SubElement(
        root, "testsuite", name=name, tests=str(len(cases)), failures=counts["failure"], errors=counts["error"],
        skipped=counts["skipped"], timestamp=plain(run["started"], 40),
    )  # fmt: skip
    for title, kind, text in cases:
        case = ElementTree.SubElement(suite, "testcase", classname=f"tokenswarm.{name}", name=title)
        if kind:
            ElementTree.SubElement(case, kind, message=text)
        elif text:
            ElementTree.SubElement(case, "system-out").text = text
    return suite


def _verdict(summary: dict[str, Any], manifest: dict[str, Any]) -> Case:
    kind = {"pass": "", "fail": "failure"}.get(summary["verdict"]["status"], "error")
    return plain(summary["run"]["scenario"], 120), kind, plain(paragraph(summary, manifest), 2000)


def _gate(one: dict[str, Any]) -> Case:
    """A limit of cost; where it decides and is open, the verdict's own case is the error."""
    kind = {"met": "", "breached": "failure"}.get(one["state"], "skipped")
    return plain(f"{one['limit']}, {one['arm']}", 120), kind, plain(one["text"], 600)


def _comparison(one: dict[str, Any]) -> Case:
    load = one["concurrency"]
    at = f" at {users(load, 'rate' in one)}" if load and one["cell"] else ""
    arms = plain(" to ".join(one.get("arms", ())), 90)
    name = f"{name_of(one['metric'])}, {cell_name(one['cell'])}{at}" + (f", {arms}" if arms else "")
    said = one.get("reason") or _changed(one)
    kind = "failure" if one["verdict"] == "worse" else "" if one["verdict"] in ("better", "same") else "skipped"
    return name, kind, plain(f"{one['verdict']}: {said}", 600)


def _changed(one: dict[str, Any]) -> str:
    if one.get("ratio") is None or "ci" not in one:
        return f"{one['n_pairs']} pairs"
    low, high = one["ci"]
    seen = f"; a change of {one['mde']:.0%} would have been seen" if one["verdict"] == "inconclusive" else ""
    return f"{change(one['ratio'], (low, high))} ({change_interval(low, high)}), {one['n_pairs']} pairs{seen}"


def _step(one: dict[str, Any]) -> Case:
    return plain(one["id"], 120), "" if one["valid"] else "skipped", plain(_first(one.get("why_invalid", [])), 600)


def _first(reasons: Iterable[str]) -> str:
    return next(iter(reasons), "")
