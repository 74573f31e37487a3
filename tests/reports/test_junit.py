"""JUnit XML: what a CI server counts is what the verdict says, whatever the names and reasons hold."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from pieces import manifest
from samples import ab, one_arm

from reports.junit import render_junit

SCORE = {"arms": ["baseline", "candidate"], "score": 41.26, "measured_weight": 1.0, "parts": [], "left_out": []}


def parsed(summary: dict[str, Any]) -> dict[str, ElementTree.Element]:
    root = ElementTree.fromstring(render_junit(summary, manifest()))
    assert root.tag == "testsuites"
    return {suite.attrib["name"]: suite for suite in root}


def counts(suite: ElementTree.Element) -> tuple[int, int, int, int]:
    return tuple(int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped"))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("status", "expected"),
    [("pass", (1, 0, 0, 0)), ("fail", (1, 1, 0, 0)), ("inconclusive", (1, 0, 1, 0)), ("invalid", (1, 0, 1, 0))],
)
def test_the_verdict_is_one_case(status: str, expected: tuple[int, int, int, int]) -> None:
    """Pass passes, fail fails, what proved nothing is an error: a CI server is red for all but a pass."""
    assert counts(parsed(one_arm(status))["verdict"]) == expected


def test_comparisons_and_steps_are_cases() -> None:
    """Worse is a failure; inconclusive and invalid are skipped, with the reason; the counts are those of the cases."""
    summary = ab()
    summary["comparisons"][0] |= {"verdict": "worse"}
    summary["comparisons"][1] |= {"verdict": "inconclusive"}
    summary["steps"][0] |= {"valid": False, "why_invalid": ["a worker was lost"]}
    suites = parsed(summary)
    tests, failures, errors, skipped = counts(suites["comparisons"])

    assert (tests, failures, errors) == (len(summary["comparisons"]), 1, 0)
    assert skipped == len(suites["comparisons"].findall("testcase/skipped")) >= 1
    steps = suites["steps"]
    assert counts(steps) == (len(summary["steps"]) + len(summary["tasks"]), 0, 0, 1)
    (reason,) = steps.findall("testcase/skipped")
    assert reason.attrib["message"] == "a worker was lost"


def test_limits_of_cost_are_cases_and_the_recommendation_is_a_property() -> None:
    """A breached limit is a failure, an open one is skipped with its reason; CI reads recommendation and score."""
    summary = ab("fail", recommendation="reject", scores=[SCORE])
    states = ("met", "breached", "missing")
    summary["cost"] = {"gates": [{"arm": "a", "limit": "x", "state": s, "text": f"it is {s}"} for s in states]}
    suites = parsed(summary)

    assert counts(suites["cost"]) == (3, 1, 0, 1)
    assert suites["cost"].find("testcase/failure").attrib["message"] == "it is breached"  # type: ignore[union-attr]
    assert {p.attrib["name"]: p.attrib["value"] for p in suites["verdict"].findall("properties/property")} == {
        "status": "fail", "recommendation": "reject", "score.candidate": "41.3",
    }  # fmt: skip


def test_hostile_text_stays_text() -> None:
    """Tags, control characters and what XML may not hold: the file is read back whole."""
    summary = one_arm("fail", reasons=["<b>&\x00\x1b[31m\ufffe ]]> \u202e"])
    summary["run"]["scenario"] = "<!ENTITY x>&\x07"
    suites = parsed(summary)

    assert suites["verdict"].find("testcase") is not None
    assert "<b>&" in suites["verdict"].find("testcase/failure").attrib["message"]  # type: ignore[union-attr]
