"""Puts the room's hand-made summaries on the path (importlib mode leaves a test's folder off it) and renders them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


class Pages(dict):
    """Every sample as HTML, rendered when it is first asked for."""

    def __missing__(self, name):
        """The page of a sample."""
        from situations import SAMPLES

        from reports.render import render_html

        self[name] = render_html(*SAMPLES[name]())
        return self[name]


@pytest.fixture(scope="session")
def pages():
    """Pages by the name of their sample."""
    return Pages()
