"""summary.json of whole runs: it obeys its schema, holds only numbers, and every page can be made of it."""

from __future__ import annotations

import io
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

import reports.summary
from exporters.files import replace_json
from exporters.record import Run
from exporters.rows import SCHEMA
from reports.measured import measured_steps
from reports.render import print_terminal, render_html, render_markdown
from reports.summary import summarize
from reports.trust import warning_texts
from tests.exporters.synthetic import synthetic_run

CONTRACT = json.loads((Path(reports.summary.__file__).parent / "summary.schema.json").read_text(encoding="utf-8"))
VALID = jsonschema.Draft202012Validator(CONTRACT, format_checker=jsonschema.FormatChecker())
SMALL: dict[str, Any] = {"blocks": 4, "rungs": (1, 4), "cells": ("short/short", "medium/medium")}
SLO = {"slo": {"ttft": "100ms", "error_rate": 0.01}}
FIGURES = ("steps", "tasks", "points", "comparisons", "capacity")


def edited(directory: Path, change: Callable[[list[dict[str, Any]]], Any]) -> Path:
    """A run whose steps were changed afterwards."""
    file = directory / "steps.json"
    wire = json.loads(file.read_text(encoding="utf-8"))
    change(wire["steps"])
    replace_json(file, wire)
    return directory


def invalidate(steps: list[dict[str, Any]]) -> None:
    """The first step of each arm and every step at one user did not count."""
    for step in [*steps[:2], *(step for step in steps if step["step"]["concurrency"] == 1)]:
        step["valid"], step["why_invalid"] = False, ["only 3 of 4 users came: look at locust.log"]


def stop(directory: Path) -> Path:
    """A run that a person ended."""
    manifest = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    replace_json(
        directory / "run.json", {**manifest, "stopped": "stopped by Ctrl-C", "rows": {"sent": 1, "received": 1}}
    )
    return directory


RUNS: dict[str, Callable[[Path], Path]] = {
    "two arms": lambda d: synthetic_run(d, **SMALL, more=SLO),
    "slower": lambda d: synthetic_run(d, **SMALL, effect=0.3, noise=0.005),
    "three arms": lambda d: synthetic_run(d, **SMALL, arms=3),
    "one arm": lambda d: synthetic_run(d, arms=1, blocks=1, more=SLO),
    "failures": lambda d: synthetic_run(d, **SMALL, failures=0.2, more=SLO),
    "only failures": lambda d: synthetic_run(d, **SMALL, failures=1.0, more=SLO),
    "no tasks": lambda d: synthetic_run(d, **SMALL, tasks=False),
    "killed": lambda d: synthetic_run(d, **SMALL, finished=False),
    "stopped": lambda d: stop(synthetic_run(d, **SMALL)),
    "invalid steps": lambda d: edited(synthetic_run(d, **SMALL), invalidate),
    "no step": lambda d: edited(synthetic_run(d, **SMALL, finished=False), list.clear),
    "one step": lambda d: edited(synthetic_run(d, **SMALL), lambda steps: steps.__delitem__(slice(1, None))),
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    root = tmp_path_factory.mktemp("runs")
    return {name: Run.open(make(root / name.replace(" ", "-"))) for name, make in RUNS.items()}


@pytest.fixture(scope="module")
def summaries(runs: dict[str, Run]) -> dict[str, dict[str, Any]]:
    return {name: summarize(run) for name, run in runs.items()}


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for inner in value.values() for number in numbers(inner)]
    if isinstance(value, list):
        return [number for inner in value for number in numbers(inner)]
    return [value] if isinstance(value, float) else []


def test_the_schema_is_one() -> None:
    """It is valid draft 2020-12, and closed wherever this version fills something in."""
    jsonschema.Draft202012Validator.check_schema(CONTRACT)
    parts = [CONTRACT, *(part for part in CONTRACT["$defs"].values() if "properties" in part)]

    assert [part.get("additionalProperties") for part in parts] == [False] * len(parts)


@pytest.mark.parametrize("name", RUNS)
def test_a_summary_obeys_its_schema(name: str, summaries: dict[str, dict[str, Any]]) -> None:
    """As it is written: after a round trip through JSON, without NaN or infinity."""
    assert [n for n in numbers(summaries[name]) if not math.isfinite(n)] == []
    written = json.loads(json.dumps(summaries[name], allow_nan=False))
    assert [f"{list(e.absolute_path)}: {e.message[:300]}" for e in VALID.iter_errors(written)] == []


@pytest.mark.parametrize("name", RUNS)
def test_every_page_can_be_made_of_it(name: str, runs: dict[str, Run], summaries: dict[str, dict[str, Any]]) -> None:
    """HTML, Markdown and terminal, under the verdict's word."""
    summary, manifest, screen = summaries[name], runs[name].manifest, io.StringIO()
    print_terminal(summary, manifest, Console(file=screen, width=120))

    assert "</html>" in render_html(summary, manifest)
    assert render_markdown(summary, manifest).startswith(f"## {summary['verdict']['status'].capitalize()}")
    assert summary["verdict"]["status"].upper() in screen.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [(lambda s: s.update(format=2), "1 was expected"), (lambda s: s.update(extra=1), "Additional properties"),
     (lambda s: s["verdict"].update(exit_code=0), "not valid under any"),
     (lambda s: s["steps"][0].pop("cell"), "'cell'"),
     (lambda s: s["points"][0]["ttft_s"].update(p50=-1), "not valid under any"),
     (lambda s: s["comparisons"][0].update(n_pairs=3), "less than the minimum"),
     (lambda s: s["tasks"][0]["requests"]["by_outcome"].update(odd=1), "is not one of")],
)  # fmt: skip
def test_the_schema_refuses(change: Callable[[Any], Any], message: str, summaries: dict[str, dict[str, Any]]) -> None:
    """Another format, a key too many or too few, a figure that cannot be."""
    changed = json.loads(json.dumps(summaries["slower"]))
    change(changed)

    assert any(message in error.message for error in VALID.iter_errors(changed))


def test_what_later_versions_measure_is_allowed(summaries: dict[str, dict[str, Any]]) -> None:
    """Cost, waste, GPU, server, stages, schedule lag and rate are objects that may be there."""
    changed = json.loads(json.dumps(summaries["slower"]))
    changed.update(cost={"currency": "USD"})
    for part in (changed["steps"][0], changed["tasks"][0], changed["points"][0]):
        part.update(gpu={}, server={}, stages={}, cost={}, schedule_lag_s={"n": 9, "mean": 0.1, "max": 0.2}, rate=2.5)

    assert list(VALID.iter_errors(changed)) == []


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("two arms", "inconclusive", 4), ("slower", "fail", 3), ("one arm", "pass", 0), ("only failures", "fail", 3),
     ("no tasks", "inconclusive", 4), ("killed", "invalid", 4), ("stopped", "invalid", 4),
     ("invalid steps", "invalid", 4), ("no step", "invalid", 4), ("failures", "fail", 3)],
)  # fmt: skip
def test_the_verdict_of_each(name: str, status: str, code: int, summaries: dict[str, dict[str, Any]]) -> None:
    """Four blocks of 8 % noise rule little out; a proven loss, failures, a kill and invalid steps are told apart."""
    verdict = summaries[name]["verdict"]

    assert (verdict["status"], verdict["exit_code"]) == (status, code)
    assert ("recommendation" in verdict) == (name != "one arm")


def test_a_known_effect_is_found(summaries: dict[str, dict[str, Any]]) -> None:
    """The candidate is 30 % slower: every TPOT is worse, its interval holds 1.3, goodput falls by as much."""
    compared = [c for c in summaries["slower"]["comparisons"] if c["level"] == "cell"]
    tpot = [c for c in compared if c["metric"] == "tpot_s"]
    good = [c for c in compared if c["metric"] == "good_per_s"]

    assert [c["verdict"] for c in tpot] == ["worse"] * 2
    assert all(c["ci"][0] < 1.3 < c["ci"][1] for c in tpot)
    assert [c["ratio"] for c in good] == pytest.approx([1 / 1.3] * 2, rel=0.05)
    assert all(c["candidate"] / c["baseline"] == pytest.approx(c["ratio"], rel=0.05) for c in compared)


def test_figures_are_those_of_the_service(summaries: dict[str, dict[str, Any]]) -> None:
    """short/short at 4 users: TTFT (20 ms + 25 us x 128) x 1.12, TPOT 4 ms x 1.09; sent = ok + failed + aborted."""
    point = next(p for p in summaries["one arm"]["points"] if p["cell"]["input"] == "short")

    assert point["ttft_s"]["mean"] == pytest.approx(0.0232 * 1.12, rel=0.25)  # one block: 8 % noise
    assert point["tpot_s"]["mean"] == pytest.approx(0.004 * 1.09, rel=0.08)
    assert point["client"]["in_flight"] == pytest.approx(4, rel=0.02)
    for name in summaries:
        for step in [*summaries[name]["steps"], *summaries[name]["tasks"]]:
            counts = step["requests"]
            assert counts["sent"] == counts["ok"] + counts["failed"] + counts["aborted"] > 0


def test_a_run_without_steps_is_a_summary_all_the_same(summaries: dict[str, dict[str, Any]]) -> None:
    """Empty lists, no clock, an end that is null, and a verdict that says why."""
    summary = summaries["no step"]

    assert [summary[name] for name in FIGURES] == [[]] * 5
    assert summary["run"]["ended"] is None
    assert "clock" not in summary["run"]
    assert summary["verdict"]["reasons"] == ["The run ended early: it was killed or is still running."]


def test_a_step_that_was_cut_and_done_again_has_only_its_own_rows(tmp_path: Path) -> None:
    """Rows named `<id>-cut` belong to no step, whether theirs is there or not; only the run's total has them."""
    run = Run.open(synthetic_run(tmp_path / "run", arms=1, blocks=1, rungs=(2,), cells=("short/short",), tasks=False))
    before, rows = summarize(run), run.requests()
    index = SCHEMA.get_field_index("step")
    cut = rows.set_column(index, SCHEMA.field("step"), pa.array([f"{name}-cut" for name in rows["step"].to_pylist()]))
    pq.write_table(pa.concat_tables([rows, cut]), run.directory / "requests.parquet")

    after = summarize(run)
    totals = [[counts.pop("run") for counts in of["run"]["tokens"].values()] for of in (before, after)]

    assert after == before
    assert all(more >= 2 * few > 0 for few, more in zip(*totals, strict=True))
    assert len(measured_steps(run)) == 1


def test_warnings_read_as_two_sentences(summaries: dict[str, dict[str, Any]]) -> None:
    """What was seen, then what to do: capitals, one full stop each, no code names of our own."""
    found = {w["code"]: w for name in summaries for w in summaries[name]["warnings"]}

    assert "invalid: only N of N users came" in found
    for warning in found.values():
        assert warning["text"][0].isupper()
        assert warning["advice"][0].isupper()
        assert warning["text"].endswith(").")
        assert warning["advice"].endswith(".")
        assert not warning["advice"].endswith("..")
        [printed] = warning_texts([warning])
        assert printed.startswith(warning["text"].rstrip("."))
        assert printed.endswith(warning["advice"])


def test_a_million_rows_take_seconds(tmp_path: Path) -> None:
    """Here 200,000 rows of 60 steps, well within 5 s on a slow core; benchmarks/summary.py has the million."""
    run = Run.open(synthetic_run(tmp_path / "run", arms=2, blocks=6))
    rows = run.requests()
    many = pa.concat_tables([rows] * (200_000 // rows.num_rows + 1))
    shuffled = many.take(pa.array(np.random.default_rng(1).permutation(many.num_rows)))
    pq.write_table(shuffled, run.directory / "requests.parquet")

    begun = time.process_time()
    summary = summarize(run)

    assert sum(p["ttft_s"]["n"] for p in summary["points"]) > 100_000
    assert time.process_time() - begun < 5


def test_rows_without_any_window_are_no_crash(tmp_path: Path) -> None:
    """A run that was interrupted while it warmed up has rows, and no window."""
    run = Run.open(synthetic_run(tmp_path / "run", **SMALL))
    rows = run.requests()
    warm = pa.array(["warmup"] * rows.num_rows)
    pq.write_table(rows.set_column(SCHEMA.get_field_index("phase"), "phase", warm), run.directory / "requests.parquet")

    assert all(step["requests"]["sent"] == 0 for step in summarize(run)["steps"])
