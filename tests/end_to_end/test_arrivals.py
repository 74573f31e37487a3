"""Arrivals at a rate end to end: every request that was due is in one row, sent when it was due, whatever came back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exporters.record import Run
from scenarios.scenario import Scenario
from scenarios.trace import read_trace
from shapes._arrivals import Schedule, key_of, schedule
from simulator.process import served
from tests.end_to_end.fleet import finished
from tests.end_to_end.service import front_door, read, scenario

TRACE = "timestamp,input_tokens,output_tokens\n" + "".join(f"{i * i / 20},{20 + i},{4 + i}\n" for i in range(12))


def asked(folder: Path, url: str, ladder: str, **more: Any) -> Path:
    """The scenario of all end-to-end tests, with another ladder."""
    path = scenario(folder, url, duration="3s", **more)
    text = path.read_text().replace("concurrency = [1, 2]\nat = 2", ladder)
    path.write_text(text)
    return path


def rows_of(run: Run, step: str) -> list[dict[str, Any]]:
    return [row for row in run.requests().to_pylist() if row["step"] == step]


def planned(scenario: Scenario, rate: float) -> Schedule:
    """The schedule of a step of block 1, computed here."""
    trace = read_trace(scenario.ladder.trace) if scenario.ladder.trace else None
    cell = scenario.matrix.cells[0].name
    return schedule(scenario.ladder, rate, 120, key_of(scenario, 1, cell, rate), trace)


def complete(due: list[float], rows: list[dict[str, Any]]) -> bool:
    """Whether the rows are the schedule's beginning: all of it up to the last one that was due in the window."""
    sent = sorted(row["due_s"] for row in rows)
    last = max(row["due_s"] for row in rows if row["phase"] == "window")
    whole = [one for one in due if one <= last]
    return sent[: len(whole)] == whole and set(sent) <= set(due) and len(set(sent)) == len(sent)


def test_every_due_time_is_sent_exactly_once(tmp_path: Path) -> None:
    """Two rates, two workers: rows == what the server counted; due times are the schedule, split over both."""
    out = tmp_path / "run"
    with served("simulator", ("--profile", "small")) as url:
        path = asked(tmp_path, url, "rate = [4, 16]")
        done = front_door("run", path, "--out", out, "--processes", "2")
        answered = finished(url)

    assert done.returncode == 0, done.stderr
    run, summary = Run.open(out), read(out / "summary.json")
    rows = run.requests().to_pylist()
    assert len(rows) == answered == sum(row["outcome"] == "ok" for row in rows)
    for step in summary["steps"]:
        ours = rows_of(run, step["id"])
        assert complete(list(planned(run.scenario, step["rate"]).due), ours)
        assert {row["worker"] for row in ours} == {0, 1}
        window = [row for row in ours if row["phase"] == "window"]
        assert step["requests"]["sent"] == len(window)
        assert all(row["schedule_lag_s"] >= 0 for row in ours)
        assert step["schedule_lag_s"]["n"] == len(window)
        assert step["ttft_from_due_s"]["mean"] >= step["ttft_s"]["mean"]
        assert step["achieved_rate"] == pytest.approx(len(window) / step["window_s"], abs=1 / step["window_s"] + 0.02)
    valid = {step["rate"]: step for step in summary["steps"] if step["valid"]}
    assert valid.keys() == {4, 16}, [step["why_invalid"] for step in summary["steps"]]
    assert all(step["schedule_lag_s"]["mean"] < 0.005 for step in valid.values())
    assert {point["rate"] for point in summary["points"]} == {4, 16}


def test_a_slow_service_gets_no_fewer_requests(tmp_path: Path) -> None:
    """Each reply takes 2 s at 8 requests/s: senders grow past the warm-up's, and the schedule is kept."""
    out = tmp_path / "run"
    with served("simulator", ("--scripted", "--ttft-ms", "1800", "--gap-ms", "8", "--tokens", "24")) as url:
        done = front_door("run", asked(tmp_path, url, 'rate = 8\narrival = "constant"'), "--out", out)
    assert done.returncode == 0, done.stderr
    step = next(step for step in read(out / "summary.json")["steps"] if step["valid"])
    assert step["requests"]["ok"] == 24
    assert step["concurrency"] >= 16
    assert step["client"]["in_flight"] == pytest.approx(16, rel=0.1)


def test_too_few_senders_are_late_and_said_so(tmp_path: Path) -> None:
    """No request is dropped: it waits for a free sender, its lag says how long, and the step does not count."""
    out = tmp_path / "run"
    with served("simulator", ("--scripted", "--ttft-ms", "400", "--gap-ms", "5", "--tokens", "24")) as url:
        path = asked(tmp_path, url, 'rate = 8\narrival = "constant"\nsenders = 3')
        front_door("run", path, "--out", out, "--set", "window.retries=0")
    step = read(out / "summary.json")["steps"][0]
    assert step["requests"]["sent"] == step["requests"]["ok"] == 24
    assert step["schedule_lag_s"]["max"] > 0.25
    assert step["ttft_from_due_s"]["mean"] > step["ttft_s"]["mean"] + 0.1
    assert not step["valid"]
    assert "[ladder] senders" in " ".join(step["why_invalid"])


def test_a_refusing_service_gets_its_schedule_and_no_more(tmp_path: Path) -> None:
    """Every second request is answered 429: nobody backs off, nobody hurries; max_errors is what would end the run."""
    out = tmp_path / "run"
    with served("simulator", ("--profile", "small", "--fail-429", "0.5", "--faults-after", "40")) as url:
        path = asked(tmp_path, url, 'rate = 10\narrival = "constant"', more="[limits]\nmax_errors = 1.0\n")
        front_door("run", path, "--out", out, "--set", "window.retries=0")
    step = read(out / "summary.json")["steps"][0]
    assert step["requests"]["sent"] == 30
    assert 0 < step["requests"]["by_outcome"].get("rate_limited", 0) < 30
    assert all(row["backoff_s"] is None for row in Run.open(out).requests().to_pylist())


def test_a_trace_is_replayed_with_its_sizes(tmp_path: Path, simulated: str) -> None:
    """Plain Locust with shapes/arrivals.py: each row has the input and output tokens of its request in the trace."""
    (tmp_path / "trace.csv").write_text(TRACE)
    out, path = tmp_path / "run", asked(tmp_path, simulated, 'arrival = "trace"\ntrace = "trace.csv"\nrate = 6')
    text = path.read_text().replace("[matrix]\ninput = { short = 32 }\noutput = { short = 24 }\n", "")
    path.write_text(text.replace('cell = "short/short"\n', ""))
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/chat.py,shapes/arrivals.py", "--headless"]
    done = subprocess.run(
        [*command, "--scenario", str(path), "--out", str(out)], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    run = Run.open(out)
    ours = rows_of(run, read(out / "summary.json")["steps"][0]["id"])
    whole = planned(run.scenario, 6)
    assert complete(list(whole.due), ours)
    sizes = dict(zip(whole.due, zip(whole.sizes[::2], whole.sizes[1::2], strict=True), strict=True))
    assert len(ours) > 15
    assert all((row["input_tokens"], row["output_tokens"]) == sizes[row["due_s"]] for row in ours)
