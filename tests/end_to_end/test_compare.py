"""Two runs beside each other, end to end: a known difference is found, said to prove nothing, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporters.record import Run
from reports.between import beside, differences, sides_of
from simulator.process import served
from tests.end_to_end.service import STEADY, front_door, here, no_traceback, scenario

SLOWER = 1 / 0.8


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same scenario against the simulator, and against one that decodes at 80 % of its speed."""
    folder = tmp_path_factory.mktemp("compare")
    outs = folder / "base", folder / "candidate"
    for out, speed in zip(outs, ("0.6", "0.48"), strict=True):
        with served("simulator", ("--profile", "small", "--decode-speed", speed)) as url:
            done = front_door("run", scenario(folder, url, blocks=3), "--out", out)
            assert done.returncode == 0, done.stderr
    return outs


def test_a_known_difference_is_inside_its_interval(runs: tuple[Path, Path], tmp_path: Path) -> None:
    """TPOT is 1.25 times as long; the table says so, and that it proves nothing; exit code 0."""
    sides = sides_of(Run.open(runs[0]), Run.open(runs[1]), None)
    tpot = [one for one in beside(*sides) if one.metric == "tpot_s"]
    done = here("compare", *runs, "--markdown", tmp_path / "compare.md")

    assert differences(*sides) == []
    assert [one.load for one in tpot] == [1, 2]
    for one in tpot:
        assert min(one.blocks) >= 2, "a step may stay invalid on a busy machine"
        assert one.ci is not None
        assert one.ratio == pytest.approx(SLOWER, rel=0.03)
        assert one.ci[0] - 0.02 <= SLOWER <= one.ci[1] + 0.02
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Different time: not proof.")
    assert "| short/short | 1 | TPOT |" in (tmp_path / "compare.md").read_text()


def test_runs_that_differ_are_refused_unless_that_is_under_test(runs: tuple[Path, Path], tmp_path: Path) -> None:
    """Another streaming mode is another measurement: one line that names it and the way out; then it is compared."""
    with served("simulator", STEADY) as url:
        path = scenario(tmp_path, url, blocks=2, more="[sampling]\nhz = 2\n")
        path.write_text(path.read_text().replace("[request]", "[request]\nstream = false"))
        done = front_door("run", path, "--out", tmp_path / "other")
        assert done.returncode == 0, done.stderr
    refused = here("compare", runs[0], tmp_path / "other")
    allowed = here("compare", runs[0], tmp_path / "other", "--differs", "scenario.request.stream")

    assert refused.returncode == 2
    assert no_traceback((refused.stdout, refused.stderr))
    assert "the runs differ in scenario.request.stream (True against False)" in refused.stderr
    assert "--differs (scenario)" in refused.stderr.replace("\n", " ")
    assert allowed.returncode == 0, allowed.stderr
    assert "What differs, as was said" in allowed.stdout


def test_an_arm_that_is_not_there_is_one_line(runs: tuple[Path, Path]) -> None:
    """The arms that there are, and exit code 2; so is a directory without a run."""
    done = here("compare", *runs, "--arm", "nobody")
    nothing = here("compare", runs[0], runs[0].parent)

    assert (done.returncode, nothing.returncode) == (2, 2)
    assert "has no arm nobody; it has baseline" in done.stderr
    assert no_traceback((nothing.stdout, nothing.stderr))
