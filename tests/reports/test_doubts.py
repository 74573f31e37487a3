"""Warnings: each appears when its figure says so, once for all steps that it concerns, and not by chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from measurements import measured

from reports.doubts import copy_warnings, warnings
from reports.measured import Measured

TEN = [0.1] * 10


def codes(*steps: Measured) -> list[str]:
    return [warning["code"] for warning in warnings(steps)]


def sent(at: np.ndarray, ttft: float, users: int) -> Measured:
    return measured(np.full(len(at), ttft), sent_ns=1.7e18 + at * 1e9, concurrency=users)


@pytest.mark.parametrize(
    ("columns", "code"),
    [({"input_tokens": [9] * 10, "output_tokens": [30] * 10, "chunks": [20] * 10}, "tokens per chunk"),
     ({"output_tokens": [5] * 10, "client_output_tokens": [5] * 10}, "counted by client"),
     ({"input_tokens": [9] * 10, "output_tokens": [100] * 10, "client_output_tokens": [103] * 10}, "count difference"),
     ({"input_tokens": [100] * 10, "cached_tokens": [2] * 10}, "prefix cache"),
     ({"input_tokens": [9] * 10, "output_tokens": [97] * 10, "requested_tokens": [100] * 10}, "length"),
     ({"marks": ("few",)}, "few")],
)  # fmt: skip
def test_each_doubt_is_said(columns: dict[str, Any], code: str) -> None:
    """Just beyond its limit a figure is doubted, and nothing else is."""
    assert codes(measured(TEN, **columns)) == [code]


@pytest.mark.parametrize(
    "columns",
    [{}, {"input_tokens": [100] * 10, "cached_tokens": [1] * 10},
     {"input_tokens": [9] * 10, "output_tokens": [0] * 10, "client_output_tokens": [0] * 10},
     {"input_tokens": [9] * 10, "output_tokens": [99] * 10, "requested_tokens": [100] * 10}],
)  # fmt: skip
def test_no_doubt_without_a_reason(columns: dict[str, Any]) -> None:
    """Within its limit, or without anything to divide by, no figure is doubted; an empty step has none to doubt."""
    assert codes(measured(TEN, **columns)) == []
    assert codes(measured()) == []


def test_lockstep_is_told_from_a_crowd() -> None:
    """Waves of 32 users with TTFT 2 % of E2E are lockstep; with TTFT 50 % of E2E everyone has neighbours anyway."""
    waves = np.repeat(np.arange(10.0), 32)
    lockstep, crowd = sent(waves, 0.02, 32), sent(waves, 0.02, 32)
    lockstep.columns["e2e_s"][:], crowd.columns["e2e_s"][:] = 1.0, 0.04

    assert codes(lockstep) == ["bunching"]
    assert codes(crowd) == []


def test_few_users_are_near_each_other_by_chance() -> None:
    """4 users: one neighbour is a quarter, and at a TTFT of 10 % of E2E half of all requests have one by chance."""
    assert codes(sent(np.repeat(np.arange(10.0), 4), 0.1, 4)) == []


def test_steps_with_the_same_reason_share_a_warning() -> None:
    """The figures in a reason differ from step to step; the kind does not. Each names its first step."""
    reasons = (
        "7.4 requests were in flight instead of 8 (-7.5%): our turnaround; run more",
        "7.1 requests were in flight instead of 8 (-11.2%): our turnaround; run more",
        "the window never opened: look at locust.log",
    )
    steps = [measured(TEN, id=f"s{i}", valid=False, why_invalid=(why,)) for i, why in enumerate(reasons)]
    first, second = warnings(steps)

    assert first["steps"] == ["s0", "s1"]
    assert first["text"].endswith("our turnaround (2 steps, first s0).")
    assert first["advice"] == "Run more."
    assert second["text"].endswith("look at locust.log (s2).")


def test_copies_that_failed_are_said() -> None:
    """Only when there were any; with what was wrong last."""
    copies = {"to": "s3://bucket/runs", "failures": 2, "error": "no such bucket"}
    for silent in ({}, {"copies": None}, {"copies": {**copies, "failures": 0}}):
        assert copy_warnings(silent) == []
    assert "2 copies to s3://bucket/runs failed" in copy_warnings({"copies": copies})[0]["text"]
    assert "no such bucket" in copy_warnings({"copies": copies})[0]["text"]
