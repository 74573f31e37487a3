"""The trend over nights: what moved is told, what cannot be read is named, and nothing in a file becomes markup."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pieces import manifest
from samples import one_arm

from exporters.record import RecordError
from reports.history import all_series, read_nights
from reports.history_page import write_history

NIGHTS, MOVED = 24, 15


def written(folder: Path, night: int, summary: dict[str, Any]) -> None:
    run = folder / f"night-{night:02d}"
    run.mkdir(parents=True)
    summary["run"]["started"] = f"2026-10-{night + 1:02d}T02:00:00.000Z"
    (run / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    (run / "run.json").write_text(json.dumps(manifest()), encoding="utf-8")


def nights(folder: Path, name: str = "nightly") -> None:
    """24 nights of 2 % noise; TPOT at medium/medium and 8 users is 10 % longer from the 16th on."""
    draws = np.random.default_rng(1)
    for night in range(NIGHTS):
        summary = one_arm()
        summary["run"]["scenario"] = name
        for point in summary["points"]:
            for metric in ("ttft_s", "tpot_s", "e2e_s"):
                point[metric]["mean"] *= float(np.exp(draws.normal(0, 0.02)))
            if point["concurrency"] == 8 and point["cell"]["input"] == point["cell"]["output"] == "medium":
                point["tpot_s"]["mean"] *= 1.1 if night >= MOVED else 1.0
        written(folder, night, summary)


def test_what_moved_is_told_with_its_night(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One of 42 series moved: it is in the table with its date, and in the page's picture; the caution is there."""
    nights(tmp_path)
    write_history(tmp_path)
    found = {(one.cell, one.load, one.metric): one.moves for one in all_series(read_nights(tmp_path)[0])}
    said, page = capsys.readouterr().out, (tmp_path / "history.html").read_text()

    assert len(found) == 14 * 3
    (move,) = found["medium/medium", 8, "tpot_s"]
    assert (move.at, move.ratio) == (MOVED, pytest.approx(1.1, abs=0.03))
    assert sum(bool(moves) for moves in found.values()) <= 3, "1 % of series move by chance"
    assert "2026-10-16" in said
    assert "prove which" in said.replace("\n", " ")
    assert page.count("<figure>") == 9 * 3, "a picture for each metric of each cell at the operating point"
    assert "TPOT mean, ms, medium/medium at 8" in page
    assert page.count('<b><a class="term" href="#def-tpot_s">') == 9
    assert '<div id="def-tpot_s">' in page


def test_what_cannot_be_read_is_named_and_what_is_invalid_has_no_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken file, another format, an invalid night: the rest is the history."""
    written(tmp_path, 0, one_arm())
    written(tmp_path, 1, one_arm("invalid"))
    written(tmp_path, 2, {**one_arm(), "format": 9})
    (tmp_path / "night-03").mkdir()
    (tmp_path / "night-03" / "summary.json").write_text("{", encoding="utf-8")
    write_history(tmp_path)
    said = capsys.readouterr().out

    found, unread = read_nights(tmp_path)
    assert {len(one.values) for one in all_series(found)} == {1}
    assert "night-02/summary.json has format 9: this version reads format 1" in unread[0]
    assert "night-03" in said
    assert "No level moved" in said


def test_no_name_becomes_markup(tmp_path: Path) -> None:
    """Names come from files: the page has neither their tags nor their scripts."""
    nights(tmp_path, name="<script>alert(1)</script>")
    write_history(tmp_path)
    page = (tmp_path / "history.html").read_text()

    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_an_empty_directory_is_one_line(tmp_path: Path) -> None:
    """No run, no page."""
    with pytest.raises(RecordError, match=r"no run with a summary\.json below"):
        write_history(tmp_path)
