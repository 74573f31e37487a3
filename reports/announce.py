"""News of a run for those who did not watch: its verdict in a few lines, its Markdown to a webhook or into a file."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

MESSAGE: Final = 4000  # bytes; Kubernetes keeps 4096 of a container's termination message
MARKDOWN: Final = 30_000  # characters; chats refuse more
TIMEOUT_S: Final = 15.0


def message(summary: Mapping[str, Any], directory: Path) -> str:
    """Verdict, exit code, scenario, directory and reasons, at most MESSAGE bytes."""
    verdict = summary["verdict"]
    head = f"{verdict['status']} (exit code {verdict['exit_code']}): {summary['run']['scenario']}, in {directory}"
    lines = [head, *verdict["reasons"], verdict.get("recommendation") or ""]
    text = "\n".join(line for line in lines if line).encode()
    return text.decode() if len(text) <= MESSAGE else text[: MESSAGE - 4].decode(errors="ignore") + " ..."


def write_message(directory: Path, file: Path) -> None:
    """Put a reported run's message into a file. What keeps us from it is a line on stderr: the verdict stands."""
    summary = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
    try:
        file.write_text(message(summary, directory) + "\n", encoding="utf-8")
    except OSError as error:
        print(f"tokenswarm: the verdict could not be written to {file}: {error.strerror}", file=sys.stderr)  # noqa: T201


def append(markdown: str, file: Path) -> str | None:
    """Add to a file, such as a GitHub step summary; what kept us from it, in words."""
    try:
        with file.open("a", encoding="utf-8") as summary:
            summary.write(markdown)
    except OSError as error:
        return f"the report could not be added to {file}: {error.strerror}"
    return None


def body(markdown: str) -> bytes:
    """What a webhook gets: `{"text": Markdown}`, which Slack's, Mattermost's and Google Chat's all take."""
    shown = markdown if len(markdown) <= MARKDOWN else markdown[:MARKDOWN] + "\n\n(cut: the whole is in report.md)"
    return json.dumps({"text": shown}).encode()


def post(markdown: str, url: str) -> str | None:
    """Send to a webhook; what kept us from it, in words. They name the host only: the rest of a webhook's address is
    its password."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        known = None
    if not known:
        return "TOKENSWARM_WEBHOOK is no http(s) address: the report was not sent"
    asked = urllib.request.Request(url, body(markdown), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT_S):
            return None
    except urllib.error.HTTPError as error:
        why = f"it answered {error.code}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None)
        why = str(getattr(reason, "strerror", None) or type(reason or error).__name__)
    return f"the report was not sent to {parts.hostname}: {why}"
