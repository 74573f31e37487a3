"""Synthetic runs are what they claim: other rooms' tests rest on them."""

from __future__ import annotations

import statistics
from pathlib import Path

import pyarrow.compute as pc
import pytest

from exporters.record import Run
from exporters.tally import StepTally
from shapes._plan import make_plan
from tests.exporters.synthetic import synthetic_run

SMALL = {"blocks": 2, "rungs": (1, 2), "cells": ("short/short",)}


@pytest.fixture(scope="module")
def slower(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run.open(synthetic_run(tmp_path_factory.mktemp("slower"), blocks=4, effect=0.25, noise=0.01))


def test_every_planned_step_is_there_and_valid(slower: Run) -> None:
    """The steps are the plan's, in its order, and pass our own rules."""
    assert [record.step for record in slower.steps] == list(make_plan(slower.scenario).steps)
    assert [record.why_invalid for record in slower.steps] == [()] * len(slower.steps)


def test_rows_and_tallies_tell_the_same(slower: Run) -> None:
    """Per step: requests sent in the window, tokens that arrived in it, seconds in flight, mean TTFT."""
    rows = slower.requests()
    for record in slower.steps:
        tally = StepTally.from_wire(record.tally)
        of_step = rows.filter(pc.equal(rows.column("step"), record.step.id))
        sent = of_step.filter(pc.equal(of_step.column("phase"), "window"))
        assert tally.sent == sent.num_rows >= 20
        assert tally.ttft.mean == pytest.approx(pc.mean(sent.column("ttft_s")).as_py(), rel=1e-9)
        assert tally.output_tokens == pc.sum(of_step.column("window_output_tokens")).as_py()
        assert tally.in_flight_s / record.window_s == pytest.approx(record.step.concurrency, rel=1e-6)


def test_the_effect_is_the_one_that_was_asked(slower: Run) -> None:
    """With effect = 0.25 the candidate's mean TPOT is a quarter longer, over all cells and blocks."""
    means: dict[str, list[float]] = {"baseline": [], "candidate": []}
    for record in slower.steps:
        if record.step.cell is not None:
            means[record.step.arm].append(StepTally.from_wire(record.tally).tpot.mean)
    ratios = [after / before for before, after in zip(*(sorted(part) for part in means.values()), strict=True)]

    assert statistics.mean(ratios) == pytest.approx(1.25, abs=0.02)


def test_failures_are_the_share_that_was_asked(tmp_path: Path) -> None:
    """A fifth of the requests gets HTTP 500, has no tokens, and its users back off."""
    rows = Run.open(synthetic_run(tmp_path, failures=0.2, tasks=False, **SMALL)).requests()
    failed = rows.filter(pc.equal(rows.column("outcome"), "http_error"))

    assert failed.num_rows / rows.num_rows == pytest.approx(0.2, abs=0.05)
    assert failed.column("output_tokens").null_count == failed.num_rows
    assert rows.num_rows - rows.column("backoff_s").null_count > 0


def test_the_same_seed_writes_the_same_rows(tmp_path: Path) -> None:
    """Nothing is random but by the seed."""
    one, same, other = (
        Run.open(synthetic_run(tmp_path / name, seed=seed, **SMALL)).requests()
        for name, seed in (("one", 1), ("same", 1), ("other", 2))
    )

    assert one.equals(same)
    assert not one.equals(other)


def test_an_unfinished_run_is_what_a_kill_leaves(tmp_path: Path) -> None:
    """No Parquet file, no end, all rows readable; one arm is called service."""
    run = Run.open(synthetic_run(tmp_path, arms=1, finished=False, **SMALL))

    assert run.manifest["ended"] is None
    assert not (tmp_path / "requests.parquet").exists()
    assert set(run.requests().column("arm").to_pylist()) == {"service"}
    assert run.requests().num_rows > 100
