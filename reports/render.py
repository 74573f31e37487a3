"""The three ways in which a summary is shown; each takes summary.json and run.json as they were read from disk."""

from reports.html import render_html
from reports.markdown import render_markdown
from reports.terminal import print_terminal

__all__ = ["print_terminal", "render_html", "render_markdown"]
