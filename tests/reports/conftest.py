"""Puts the room's hand-made summaries on the path (importlib mode leaves a test's folder off it) and renders them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def pages():
    """Every sample as HTML, rendered once."""
    from situations import SAMPLES

    from reports.render import render_html

    return {name: render_html(*make()) for name, make in SAMPLES.items()}
