"""Copies while a run lasts: one at a time, what is missed goes with the next, and none ends anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gevent
import pytest

from shapes import _copying
from shapes._copying import Copying


class Copier:
    """In the place of the process: what it was told, and how it answers and ends."""

    def __init__(self, module: str, log: Path, heard: Any) -> None:
        self.told: list[dict[str, Any]] = []
        self.heard, self.ends_well = heard, True

    def say(self, message: dict[str, Any]) -> None:
        self.told.append(message)

    def answer(self, error: str | None = None) -> None:
        self.heard({"error": error})
        gevent.sleep(0)

    def stop(self, timeout_s: float) -> bool:
        return self.ends_well


def copied_to(uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Copying, Copier]:
    """A copy that has begun, and its copier, which has been told where."""
    made: list[Copier] = []
    monkeypatch.setattr(_copying, "Beside", lambda *given: made.append(Copier(*given)) or made[-1])
    copying = Copying(tmp_path, uri)
    copying.start()
    return copying, made[0]


def test_one_copy_at_a_time_and_the_last_sizes_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Three steps that end while a copy is made are one copy afterwards."""
    copying, copier = copied_to("s3://bucket/runs", monkeypatch, tmp_path)
    copier.answer()
    for size in (1, 2, 3, 4):
        copying.step({"requests.arrows": size})
    assert copier.told[1:] == [{"sizes": {"requests.arrows": 1}}]
    copier.answer()
    copier.answer()
    assert copier.told[1:] == [{"sizes": {"requests.arrows": 1}}, {"sizes": {"requests.arrows": 4}}]


def test_failures_are_counted_and_the_next_step_tries_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The account has how many failed and why the last one did; parameters of the address are in neither."""
    copying, copier = copied_to("s3://bucket/runs?region=x", monkeypatch, tmp_path)
    copier.answer()
    for error in ("away", "still away", None):
        copying.step({"requests.arrows": 1})
        copier.answer(error)
        assert copying.account()["error"] == error
    assert len(copier.told) == 4
    assert copying.account() == {"to": "s3://bucket/runs", "failures": 2, "error": None}
    copier.ends_well = False
    assert "--copy-to s3://bucket/runs` copies what is missing" in str(copying.finish())
    assert copying.finish() is None


def test_without_an_address_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No process, no account, nothing to say."""
    monkeypatch.setattr(_copying, "Beside", None)
    copying = Copying(tmp_path, "")
    copying.check()
    copying.start()
    copying.step({"requests.arrows": 1})
    assert (copying.account(), copying.finish()) == (None, None)
