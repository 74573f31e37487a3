"""Two models behind one endpoint, through a whole run against a simulator that takes 40 ms to switch."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.process import served
from tests.end_to_end.service import front_door, read, scenario

SCRIPT = (
    "--scripted", "--ttft-ms", "60", "--gap-ms", "5", "--tokens", "24", "--model", "base,lora", "--switch-ms", "40",
)  # fmt: skip


def asked(folder: Path, url: str, models: str) -> Path:
    path = scenario(folder, url, duration="8s")
    path.write_text(path.read_text().replace('model = "simulated-small"', f"model = {models}"))
    return path


def test_each_model_has_its_figures_and_switching_its_cost(tmp_path: Path) -> None:
    """At one user: shares about as asked, 40 ms within 5 %; with two users the figure says that load was mixed."""
    with served("simulator", SCRIPT) as url:
        mix = '[{ model = "base", weight = 2 }, { model = "lora" }]'
        done = front_door("run", asked(tmp_path, url, mix), "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    summary = read(tmp_path / "run" / "summary.json")
    one, two = summary["mixes"]
    assert (one["concurrency"], two["concurrency"]) == (1, 2)
    assert set(one["models"]) == {"base", "lora"}
    assert one["models"]["base"]["asked_share"] == pytest.approx(2 / 3)
    assert one["models"]["base"]["share"] == pytest.approx(2 / 3, abs=0.25)
    assert one["models"]["lora"]["tpot_s"] == pytest.approx(0.005, rel=0.1)
    assert one["switching"]["cost_s"] == pytest.approx(0.040, rel=0.05)
    assert (one["switching"]["how"], two["switching"]["how"]) == ("exact", "mixed")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Models behind one endpoint" in page


def test_a_model_that_is_not_there_is_found_by_check(tmp_path: Path) -> None:
    """Exit 2 before anything is measured, with its name."""
    with served("simulator", SCRIPT) as url:
        done = front_door("check", asked(tmp_path, url, '[{ model = "base" }, { model = "gone" }]'))
    assert done.returncode == 2
    assert "The model `gone` does not exist" in done.stdout
