"""A soak end to end: a real service is stopped and loaded on purpose, and its recovery is told; nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import reports.summary
from exporters.record import Run
from simulator.process import served
from tests.end_to_end.fleet import finished
from tests.end_to_end.service import STEADY, front_door, no_traceback, read, scenario

CONTRACT = json.loads((Path(reports.summary.__file__).parent / "summary.schema.json").read_text(encoding="utf-8"))
STOPPED_S = 1.5
SOAK = """
[soak]
duration = "13s"
hold = "2s"
recover = "4s"
[[soak.spike]]
at = "7s"
lasting = "2s"
load = {spike}
[[disturbance]]
at = "2s"
run = "kill -STOP $(cat {pid}); sleep 1.5; kill -CONT $(cat {pid})"
[slo]
e2e = "700ms"
attain = 0.8
"""


def asked(folder: Path, url: str, pid: Path, ladder: str, spike: int) -> Path:
    path = scenario(folder, url, more=SOAK.format(pid=pid, spike=spike))
    path.write_text(path.read_text().replace("concurrency = [1, 2]\nat = 2", ladder))
    return path


def noted(pid: Path) -> tuple[str, ...]:
    """In front of a command: its process id goes to a file."""
    return ("sh", "-c", f'echo $$ > {pid}; exec "$@"', "sh")


def soaked(out: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    summary = read(out / "summary.json")
    assert list(jsonschema.Draft202012Validator(CONTRACT).iter_errors(summary)) == []
    (entry,) = summary["soaks"]
    return summary, dict(entry)


@pytest.mark.parametrize(
    ("ladder", "spike", "service"),
    [("concurrency = [4]", 12, STEADY), ("rate = [20]", 60, ("--profile", "small"))],
    ids=["users", "rate"],
)
def test_a_service_that_was_stopped_is_well_again(
    tmp_path: Path, ladder: str, spike: int, service: tuple[str, ...]
) -> None:
    """Stopped for 1.5 s and loaded three times as high for 2 s, by two workers. The load is what was asked, when it was
    asked; the recovery is the stop's length within a bin; every request is in a row, and no prompt came twice."""
    out, pid = tmp_path / "run", tmp_path / "pid"
    with served("simulator", service, noted(pid)) as url:
        done = front_door("run", asked(tmp_path, url, pid, ladder, spike), "--out", out, "--processes", "2")
        answered = finished(url)

    assert done.returncode == 0, done.stderr
    summary, entry = soaked(out)
    assert [step["why_invalid"] for step in summary["steps"]] == [[], [], []]
    rows = Run.open(out).requests().to_pylist()
    assert len(rows) == answered
    assert {row["outcome"] for row in rows} == {"ok"}
    seen = [row["prompt_id"] for row in rows if row["cached_tokens"] and row["phase"] != "check"]
    assert not seen, "the prefix cache has seen a prompt before"

    stop, begins, ends = entry["events"]
    assert (stop["what"], begins["what"], ends["what"]) == ("disturbance", "spike begins", "spike ends")
    assert stop["at_s"] == pytest.approx(2, abs=0.3)
    assert stop["state"] == "recovered"
    assert stop["recovered_s"] == pytest.approx(STOPPED_S, abs=0.5 + entry["bin_s"])
    bad = entry["sent"] - entry["good"]
    assert 0 < bad - 3 <= stop["bad"] <= bad, "a few may be in the bin from which it is well again"
    assert ends["state"] in ("unaffected", "recovered")
    assert begins["at_s"] == pytest.approx(7, abs=0.3)
    assert ends["at_s"] == pytest.approx(9, abs=0.3)
    _loaded(rows, Run.open(out), begins["at_s"], ends["at_s"], spike)


def _loaded(rows: list[dict[str, Any]], run: Run, begins: float, ends: float, spike: int) -> None:
    """A third of a second after its beginning and up to its end the load is the spike's, then the soak's again."""
    zero = run.steps[0].open_ns
    assert zero is not None
    sent = [((row["sent_ns"] - zero) / 1e9, row["end_s"]) for row in rows]
    if run.scenario.ladder.rate:
        inside = sum(begins <= at < ends for at, _ in sent)
        assert inside == pytest.approx(spike * (ends - begins), rel=0.35)  # Poisson: 120 +- 11
        assert sum(ends + 1 <= at < ends + 3 for at, _ in sent) == pytest.approx(40, rel=0.6)
        return
    for at, users in ((begins + 0.35, spike), (ends - 0.05, spike), (ends + 1, 4)):
        flying = sum(sent_at <= at < sent_at + end_s for sent_at, end_s in sent)
        assert users - 2 <= flying <= users, (at, flying)


def test_a_disturbance_that_fails_proves_nothing(tmp_path: Path) -> None:
    """Its recovery cannot be told: invalid, with the command's last line; --resume is refused in one line."""
    out = tmp_path / "run"
    with served("simulator", STEADY) as url:
        path = asked(tmp_path, url, tmp_path / "no-pid", "concurrency = [2]", 4)
        text = path.read_text().replace("; sleep 1.5", " 2> /dev/null || { echo no such pod; exit 3; }")
        path.write_text(text.replace('"13s"', '"6s"').replace('"7s"', '"3s"').replace('"2s"\nload', '"1s"\nload'))
        done = front_door("run", path, "--out", out)
        again = front_door("run", "--resume", out)

    assert done.returncode == 4, (done.stdout, done.stderr)
    assert no_traceback((done.stdout, done.stderr))
    summary, entry = soaked(out)
    assert summary["verdict"]["status"] == "invalid"
    assert "the disturbance at 2 s ended with 3: no such pod" in summary["verdict"]["reasons"][0]
    assert entry["events"][0]["state"] == "unknown"
    assert again.returncode == 2
    assert "a soak cannot be resumed" in again.stderr
