"""The paragraph of sixteen verdict situations: whole runs with known truth, each text reviewed word by word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_render import golden
from verdicts import SITUATIONS

from exporters.record import Run
from reports.summary import summarize


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    root = tmp_path_factory.mktemp("runs")
    made: dict[str, Path] = {name: make(root / name.replace(" ", "-")) for name, make in SITUATIONS.items()}
    return {name: summarize(Run.open(path))["verdict"] for name, path in made.items()}


def test_every_situation_says_what_is_true(verdicts: dict[str, dict[str, Any]]) -> None:
    """The paragraphs are those that were reviewed."""
    golden("verdicts.txt", "\n".join(f"{name}\n  {one['paragraph']}\n" for name, one in verdicts.items()))


def test_a_situation_is_named_after_its_recommendation(verdicts: dict[str, dict[str, Any]]) -> None:
    """What the run is made to show is what the verdict recommends; with one arm there is nothing to adopt."""
    for name, one in verdicts.items():
        expected = name.partition(":")[0]
        if expected in ("adopt", "adopt with conditions", "reject", "inconclusive"):
            assert one.get("recommendation") == expected, (name, one["reasons"])
        if expected == "one arm":
            assert "recommendation" not in one


def test_a_paragraph_is_short_and_has_no_jargon(verdicts: dict[str, dict[str, Any]]) -> None:
    """At most 150 words, and none of the words that only statisticians or we use."""
    for name, one in verdicts.items():
        words = one["paragraph"].lower()
        assert len(words.split()) <= 150, name
        assert not any(word in words for word in ("holm", "moderated", "p-value", "null hypothesis", "mde", "rung"))
