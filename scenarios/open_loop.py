"""A ladder of rates: what may stand beside what, and what a trace brings with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from scenarios.scenario import Cell, Ladder, Matrix
from scenarios.trace import Trace, TraceError, nearest, read_trace
from scenarios.wrong import MISSING, Where, Wrong

replace = msgspec.structs.replace

WITH_RATE = ("arrival", "burstiness", "trace", "senders")  # keys that mean nothing without a rate


def check_ladder(ladder: Ladder, given: dict[str, Any]) -> None:
    """Raise Wrong for keys of [ladder] that exclude each other, or that need another one."""
    at: Where = ("ladder",)
    is_open = "rate" in given or ladder.arrival == "trace"
    if is_open and "concurrency" in given:
        raise Wrong((*at, "concurrency"), given["concurrency"], "goes without rate: users at once, or requests/s")
    for key in WITH_RATE:
        if key in given and not is_open:
            raise Wrong((*at, "rate"), MISSING, f'{key} is given: expected rate = "1..64", requests per second')
    if "burstiness" in given and ladder.arrival != "gamma":
        raise Wrong((*at, "burstiness"), given["burstiness"], 'goes with arrival = "gamma"')
    if "on_bad" in given and ladder.trace is None:
        raise Wrong((*at, "on_bad"), given["on_bad"], "goes with a trace: what becomes of lines that cannot be used")
    if (ladder.trace is None) != (ladder.arrival != "trace"):
        if ladder.trace is None:
            raise Wrong((*at, "trace"), MISSING, 'expected a CSV or JSONL file: arrival = "trace" replays it')
        raise Wrong((*at, "trace"), given["trace"], 'goes with arrival = "trace"')


def with_trace(
    ladder: Ladder, matrix: Matrix, given: dict[str, Any], locate: Callable[[str, Where], str]
) -> tuple[Ladder, Matrix]:
    """Ladder and matrix with what the trace brings: its sizes as the one cell, its own rate unless one is given."""
    if ladder.trace is None:
        return ladder, matrix
    for side in ("input", "output", "cells"):
        if side in given.get("matrix", {}):
            raise Wrong(("matrix", side), given["matrix"][side], "the trace brings its own sizes: remove this key")
    path = locate(ladder.trace, ("ladder", "trace"))
    try:
        trace = read_trace(path, ladder.on_bad == "skip")
    except TraceError as error:
        raise Wrong(("ladder", "trace"), ladder.trace, str(error)) from None
    rate = ladder.rate or (float(f"{trace.rate:.4g}"),)
    return replace(ladder, trace=path, rate=rate), _sizes(matrix, trace)


def _sizes(matrix: Matrix, trace: Trace) -> Matrix:
    """Prompts are made for each size; the cell bears the mean of both sides, for estimates and for its name."""
    sizes = trace.sizes()
    count = len(trace.arrivals)
    given = round(sum(one.input_tokens for one in trace.arrivals) / count)
    made = round(sum(one.output_tokens for one in trace.arrivals) / count)
    cell = Cell(input="trace", output="trace", input_tokens=nearest(given, sizes), output_tokens=max(made, 1))
    return replace(matrix, input={f"trace{size}": size for size in sizes}, output={"trace": made}, cells=(cell,))
