"""Conversations through a whole run, against the simulator's prefix cache: blocks of 16 tokens are the known answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporters.record import Run
from simulator.process import served
from tests.end_to_end.service import front_door, read, scenario

TALK = '[conversation]\nturns = 4\nsystem = 100\nthink = "50ms"\nuncached_share = 0.4\n'
CACHED = {1: 96, 2: 128, 3: 176, 4: 240}  # whole blocks: of the system message, then of the prompt of the turn before


def asked(folder: Path, url: str, more: str = TALK) -> Path:
    return scenario(folder, url, duration="6s", more=more)


def test_turns_grow_and_their_beginnings_are_cached(tmp_path: Path) -> None:
    """Turn k has 100 + 32 k + 24 (k - 1) tokens; ordinary ones hit what was said before, uncached ones nothing."""
    with served("simulator", ("--profile", "llama-3.1-8b-l4", "--decode-speed", "10")) as url:
        done = front_door("run", asked(tmp_path, url), "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    run, summary = Run.open(tmp_path / "run"), read(tmp_path / "run" / "summary.json")
    rows = [row for row in run.requests().to_pylist() if row["phase"] == "window"]
    assert {row["outcome"] for row in rows} == {"ok"}
    for row in rows:
        turn = row["conversation_turn"] + 1
        assert row["input_tokens"] == 100 + 32 * turn + 24 * (turn - 1) + (9 if row["uncached"] else 0)
        if row["uncached"]:
            assert not row["cached_tokens"]
        elif row["concurrency"] == 1:
            assert row["cached_tokens"] == CACHED[turn]
    two = summary["conversations"][-1]
    assert [turn["turn"] for turn in two["turns"]] == [1, 2, 3, 4]
    assert all(turn["saved_s"] > 0 for talk in summary["conversations"] for turn in talk["turns"] if "saved_s" in turn)
    assert any("saved_s" in turn for turn in two["turns"])
    assert all(step["client"]["in_flight"] < step["concurrency"] for step in summary["steps"])
    assert not [warning for warning in summary["warnings"] if warning["code"] == "prefix cache"]
    assert "Conversations, turn by turn" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("more", "words"),
    [(TALK.replace("turns = 4", "turns = 1"), "conversation.turns"), (TALK.replace("100", "5"), "conversation.system")],
)
def test_a_conversation_that_cannot_be_is_one_line(tmp_path: Path, more: str, words: str) -> None:
    """Exit 2 before any request."""
    done = front_door("plan", asked(tmp_path, "http://127.0.0.1:9", more))
    assert done.returncode == 2
    assert words in done.stderr.strip().splitlines()[-1]


def test_a_context_that_is_outgrown_is_said_once(tmp_path: Path) -> None:
    """The small model takes 8,192 tokens: the turns beyond are context_overflow, failures, and one warning."""
    talk = "[conversation]\nturns = 4\nsystem = 4000\n[limits]\nmax_errors = 1.0\n"
    path = asked(tmp_path, "URL", talk)
    path.write_text(path.read_text().replace("{ short = 32 }", "{ short = 1400 }"))
    with served("simulator", ("--profile", "small")) as url:
        path.write_text(path.read_text().replace("URL", url))
        done = front_door("run", path, "--out", tmp_path / "run", "--set", "window.retries=0")
    summary = read(tmp_path / "run" / "summary.json")
    assert done.returncode in (0, 3, 4), done.stderr
    assert {name for step in summary["steps"] for name in step["requests"]["by_outcome"]} == {"ok", "context_overflow"}
    said = [warning["text"] for warning in summary["warnings"] if warning["code"] == "conversation too long"]
    assert len(said) == 1
    assert "first in turn 3" in said[0]
