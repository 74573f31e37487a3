"""The page in a real browser: quiet, alone, as wide as its window, readable in light and dark, and whole on paper.

The browser runs once, in a process of its own, over every kind of run that is awkward in a way of its own.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from situations import SAMPLES

OPENED = ("fail", "invalid", "one-step", "huge", "forty-arms", "all-failed", "no-step", "nothing-gated", "poisoned")
A4 = (594.96, 841.92)  # points


@pytest.fixture(scope="session")
def seen(pages, tmp_path_factory):
    """What the browser saw of each page."""
    folder = tmp_path_factory.mktemp("pages")
    for name in OPENED:
        (folder / f"{name}.html").write_text(pages[name], encoding="utf-8")
    browsing = Path(__file__).parent / "browsing.py"
    told = subprocess.run([sys.executable, browsing, folder], capture_output=True, text=True, timeout=240, check=False)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def test_every_page_to_be_opened_is_a_sample():
    """The cases of this file are those of the room."""
    assert set(OPENED) <= set(SAMPLES)


@pytest.mark.parametrize("name", OPENED)
def test_a_page_is_quiet_and_alone(seen, name):
    """No error in the console, no request to anywhere, and every link leads to a place on the page."""
    assert seen[name]["complaints"] == []
    assert seen[name]["asked"] == []
    assert seen[name]["nowhere"] == []


@pytest.mark.parametrize("name", OPENED)
def test_a_page_is_never_wider_than_its_window(seen, name):
    """Nothing but a table's own box scrolls sideways, at 1440 and at 390 pixels and on A4; no box does on paper."""
    assert {what: seen[name][what] for what in ("wide", "phone", "paper")} == {"wide": 0, "phone": 0, "paper": 0}
    assert seen[name]["clipped"] == []


@pytest.mark.parametrize("name", OPENED)
def test_every_text_is_readable(seen, name):
    """Every text has WCAG's contrast on the ground behind it, in light and in dark; no texts of a chart touch."""
    assert seen[name]["faint"] == {"light": [], "dark": []}
    assert seen[name]["overlaps"] == []


@pytest.mark.parametrize("name", OPENED)
def test_a_page_prints_on_a4(seen, name):
    """The PDF is made of A4 pages, not more of them than somebody may print."""
    (size,) = seen[name]["pdf"]["sizes"]

    assert size == pytest.approx(A4, abs=1)
    assert 1 <= seen[name]["pdf"]["pages"] <= 60
