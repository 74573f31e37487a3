"""Which runs stay: the newest, the newest that passed, and one that is being written."""

from __future__ import annotations

import json
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from exporters.files import lock
from exporters.retention import Kept, prune, runs_in, surplus

NIGHTS = st.lists(st.booleans(), max_size=12)


def nights(passed: list[bool]) -> list[Kept]:
    return [Kept(Path(f"{at:02}"), f"2026-11-{at + 1:02}T01:30:00Z", ok) for at, ok in enumerate(passed)]


@given(NIGHTS, st.integers(1, 13))
def test_what_stays_is_the_newest_and_the_newest_good_one(passed: list[bool], keep: int) -> None:
    """In whatever order they are found: `keep` newest stay, and one more when none of those passed."""
    runs = nights(passed)
    gone = set(surplus(reversed(runs), keep))
    stay = [run for run in runs if run.directory not in gone]
    good = [run for run in runs if run.passed]

    assert set(runs[-keep:]) <= set(stay)
    assert len(stay) <= keep + 1
    assert not good or good[-1] in stay
    assert [run for run in stay if run not in runs[-keep:]] == [run for run in good[-1:] if run not in runs[-keep:]]


def made(place: Path, name: str, started: str, status: str | None = None) -> Path:
    """A run directory, reported or not."""
    directory = place / name
    directory.mkdir()
    (directory / "run.json").write_text(json.dumps({"format": 1, "started": started}))
    if status is not None:
        (directory / "summary.json").write_text(json.dumps({"verdict": {"status": status}}))
    return directory


def test_runs_are_removed_from_disk_and_nothing_else_is(tmp_path: Path) -> None:
    """Other files and directories stay, as does a broken run, whose age nobody knows; the good one stays."""
    good = made(tmp_path, "a", "2026-11-01T00:00:00Z", "pass")
    old = made(tmp_path, "b", "2026-11-02T00:00:00Z", "fail")
    cut = made(tmp_path, "c", "2026-11-03T00:00:00Z")
    new = made(tmp_path, "d", "2026-11-04T00:00:00Z", "inconclusive")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    (tmp_path / "history.html").write_text("")
    (tmp_path / "other").mkdir()

    assert [run.passed for run in sorted(runs_in(tmp_path))] == [True, False, False, False]
    assert sorted(prune(tmp_path, 1)) == [old, cut]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "broken", "d", "history.html", "other"]
    assert good.exists()
    assert new.exists()


def test_a_run_that_is_being_written_stays(tmp_path: Path) -> None:
    """Its lock is held by its master; it goes at the next time."""
    old = made(tmp_path, "a", "2026-11-01T00:00:00Z")
    made(tmp_path, "b", "2026-11-02T00:00:00Z")
    held = lock(old)

    assert prune(tmp_path, 1) == []
    os.close(held)
    assert prune(tmp_path, 1) == [old]
