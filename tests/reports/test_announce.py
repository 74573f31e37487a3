"""News of a run: a few lines for Kubernetes, Markdown for a webhook that may be away, slow to like it, or nonsense."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.announce import MARKDOWN, MESSAGE, append, body, message, post, write_message
from tests.webhook import Hook, listening


def summary(*reasons: str) -> dict[str, Any]:
    verdict = {"status": "fail", "exit_code": 3, "reasons": list(reasons), "recommendation": "do not ship"}
    return {"run": {"scenario": "ab"}, "verdict": verdict}


@pytest.fixture
def hook() -> Iterator[Hook]:
    with listening() as server:
        yield server


def test_the_message_says_verdict_place_and_reasons(tmp_path: Path) -> None:
    """One line each, in the file that Kubernetes reads."""
    (tmp_path / "summary.json").write_text(json.dumps(summary("TTFT is 12 % longer")))

    write_message(tmp_path, tmp_path / "said")
    said = (tmp_path / "said").read_text()
    assert said == f"fail (exit code 3): ab, in {tmp_path}\nTTFT is 12 % longer\ndo not ship\n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=2000), max_size=9))
def test_a_message_is_never_longer_than_is_kept(reasons: list[str]) -> None:
    """Whatever the letters: whole characters, at most 4000 bytes, and the verdict is first."""
    said = message(summary(*reasons), Path("/results/a"))

    assert len(said.encode()) <= MESSAGE
    assert said.startswith("fail (exit code 3)")


def test_a_file_that_cannot_be_written_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the verdict nor the step summary raises: the run's exit code stands."""
    (tmp_path / "summary.json").write_text(json.dumps(summary()))

    write_message(tmp_path, tmp_path / "none" / "said")
    assert capsys.readouterr().err.endswith("said: No such file or directory\n")
    assert "No such file or directory" in (append("x", tmp_path / "none" / "summary") or "")


def test_a_step_summary_grows(tmp_path: Path) -> None:
    """Earlier steps of the same job have written there."""
    (tmp_path / "summary").write_text("before\n")

    assert append("after\n", tmp_path / "summary") is None
    assert (tmp_path / "summary").read_text() == "before\nafter\n"


def test_a_webhook_gets_the_markdown(hook: Hook) -> None:
    """As `{"text": ...}`, in JSON; more than a chat takes is cut, and says so."""
    assert post("# pass\n", hook.url) is None
    assert post("x" * (MARKDOWN + 1), hook.url) is None

    assert hook.got[0] == ("/services/T0/secret", "application/json", {"text": "# pass\n"})
    assert hook.got[1][2]["text"] == "x" * MARKDOWN + "\n\n(cut: the whole is in report.md)"


def test_a_refusal_names_the_host_and_not_the_secret(hook: Hook) -> None:
    """A status, a closed port and nonsense are a line each; the path, which is the password, is in none."""
    hook.status = 403
    refused = post("x", hook.url)
    closed = post("x", "http://127.0.0.1:1/services/T0/secret")
    nonsense = [post("x", url) for url in ("secret", "file:///etc/secret", "http://[secret", "http://")]

    assert refused == "the report was not sent to 127.0.0.1: it answered 403"
    assert closed == "the report was not sent to 127.0.0.1: Connection refused"
    assert set(nonsense) == {"TOKENSWARM_WEBHOOK is no http(s) address: the report was not sent"}


def test_a_body_is_json() -> None:
    """Quotes, line ends and letters of any script arrive as they are."""
    assert json.loads(body('a "b"\n§')) == {"text": 'a "b"\n§'}
