"""Bringing arms up: real commands, and when they are run."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.load import scenario_of
from scenarios.scenario import Arm, Scenario
from shapes import _switch
from shapes._limits import Stopped
from shapes._switch import Switch


def scenario(folder: Path, **arms: dict[str, str]) -> Scenario:
    """Arms whose command writes down who is brought up, and where."""
    note = f"echo $TOKENSWARM_ARM at $TOKENSWARM_URL >> {folder}/log"
    tables = {name: {"url": f"http://{name}", "before": note, **more} for name, more in arms.items()}
    compare = {"order": "parallel"} if len(arms) == 2 else {}
    return scenario_of({"arms": tables, "compare": compare}, Path("x.toml"), [], {})


def brought_up(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines()


def test_a_command_is_run_at_each_change_of_arm(tmp_path: Path) -> None:
    """What is up stays up; what was replaced is brought up again."""
    switch = Switch(scenario(tmp_path, a={}, b={}, c={}), lambda _: True, lambda: None)
    for arm in ("a", "a", "b", "b", "a"):
        switch.to([arm])

    assert brought_up(tmp_path) == ["a at http://a", "b at http://b", "a at http://a"]


def test_parallel_arms_stay_up_together_until_they_change_places(tmp_path: Path) -> None:
    """Both once at home, both once at the other's address."""
    switch = Switch(scenario(tmp_path, a={}, b={}), lambda _: True, lambda: None)
    for place in (False, False, True, True):
        switch.to(["a", "b"], place)

    assert brought_up(tmp_path) == ["a at http://a", "b at http://b", "a at http://b", "b at http://a"]


def test_a_switch_waits_until_the_service_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ready` is asked after `before`, again and again, until it answers."""
    monkeypatch.setattr(_switch, "LOOK_EVERY_S", 0.001)
    asked: list[str] = []

    def is_ready(arm: Arm) -> bool:
        asked.append(arm.ready or "")
        return len(asked) == 3

    Switch(scenario(tmp_path, a={"ready": "http://a/health"}), is_ready, lambda: None).to(["a"])

    assert asked == ["http://a/health"] * 3
    assert brought_up(tmp_path) == ["a at http://a"]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("echo starting; echo no such image >&2; exit 3", "ended with 3: no such image"),
        ("exit 1", "ended with 1: it printed nothing"),
        ("printf 'a\\033[31mred'; exit 1", "a?[31mred"),
    ],
)
def test_a_command_that_fails_says_its_last_line(tmp_path: Path, command: str, says: str) -> None:
    """One line with the arm, the status and the last thing that the command said; never a control character."""
    switch = Switch(scenario(tmp_path, arm={"before": command}), lambda _: True, lambda: None)
    with pytest.raises(Stopped) as caught:
        switch.to(["arm"])

    assert str(caught.value).startswith("the `before` command of arm ")
    assert says in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_stop_ends_the_command(tmp_path: Path) -> None:
    """Whoever looks may end the wait; the command does not outlive it."""

    def look() -> None:
        if (tmp_path / "began").exists():
            raise Stopped("enough")

    slow = f"trap 'touch {tmp_path}/ended; exit' TERM; touch {tmp_path}/began; while :; do sleep 0.05; done"
    with pytest.raises(Stopped, match="enough"):
        Switch(scenario(tmp_path, a={"before": slow}), lambda _: True, look).to(["a"])

    for _ in range(200):
        if (tmp_path / "ended").exists():
            return
        _switch.time.sleep(0.05)
    raise AssertionError("the command is still running")


def test_a_service_that_never_gets_ready_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the longest wait: which arm, which URL."""
    monkeypatch.setattr(_switch, "LONGEST_S", 0.01)
    monkeypatch.setattr(_switch, "LOOK_EVERY_S", 0.005)
    switch = Switch(scenario(tmp_path, a={"before": "true", "ready": "http://a/health"}), lambda _: False, lambda: None)
    with pytest.raises(Stopped, match="a was not ready at http://a/health"):
        switch.to(["a"])
