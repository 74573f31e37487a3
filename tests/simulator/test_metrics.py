"""The page against vLLM's: bounds of token counts, reasons to finish, one head for each metric."""

from __future__ import annotations

import re

import pytest

from simulator.engine import Load
from simulator.metrics import Metrics, token_bounds


@pytest.mark.parametrize(
    ("max_model_len", "bounds"),
    [(1, (1,)), (9, (1, 2, 5)), (10, (1, 2, 5, 10)), (100, (1, 2, 5, 10, 20, 50, 100)), (2048, (*(
        mantissa * power for power in (1, 10, 100) for mantissa in (1, 2, 5)), 1000, 2000))],
)  # fmt: skip
def test_token_counts_are_binned_as_far_as_the_context_reaches(max_model_len: int, bounds: tuple[int, ...]) -> None:
    """1, 2, 5 times powers of ten, none beyond the context."""
    assert token_bounds(max_model_len) == bounds


def test_every_reason_that_vllm_has_is_a_row_from_the_start() -> None:
    """A reader of rates sees zeros, not gaps."""
    page = Metrics(8192, 1024, 1.7e9).text(Load(), "a").decode()

    assert re.findall(r'vllm:request_success_total\{.*finished_reason="(\w+)"\} 0\n', page) == [
        "stop", "length", "abort", "error", "repetition",
    ]  # fmt: skip


def test_each_metric_says_its_type_once() -> None:
    """One # TYPE for each name, and no row without."""
    page = Metrics(8192, 1024, 1.7e9).text(Load(), "a").decode()
    names = re.findall(r"^# TYPE (\S+) (?:gauge|counter|histogram)$", page, re.MULTILINE)
    rows = {re.sub(r"_(bucket|sum|count)$", "", row) for row in re.findall(r"^([a-z][\w:]+)", page, re.MULTILINE)}

    assert len(names) == len(set(names))
    assert set(names) == rows
