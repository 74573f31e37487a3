"""What a service adds to its model: differences of the same prompts, paired at 1 user (METRICS "stages"). Pure.

A pair is the same turn of the same block and cell, with the same prompt, on both arms. Pairs of one block share its
weather, so a block is one value: the estimate is the mean of the block means, its interval Student's t over them.

    processing time = end of the service's reply - end of the model's
                    = more input tokens x prefill time of one + more output tokens x time of one + own work
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from reports.stats import mean_interval

Values = npt.NDArray[np.float64]
FEWEST_BLOCKS = 2  # for an interval
LEAST_TOKENS = 16  # between the smallest and the largest input from which a slope is taken


class Reply(msgspec.Struct, frozen=True):
    """One ok request of a window at 1 user; None = not known."""

    prompt: str | None
    end_s: float
    ttft_s: float | None = None
    tpot_s: float | None = None
    input_tokens: float | None = None  # not from a cache; of all calls, where the service tells them
    output_tokens: float | None = None
    prefill_s: float | None = None  # where the model tells it, as a stage


Turns = Mapping[tuple[int, int], Reply]  # (block, turn)


class Cell(msgspec.Struct, frozen=True):
    """Block values of one cell: what its pairs add up to, each a mean over the block's pairs."""

    pairs: int
    unpaired: int
    total: dict[int, float]
    first: dict[int, float]
    more_input: dict[int, float]  # tokens
    more_output: dict[int, float]
    output_s: dict[int, float]  # the model's time of an output token


def paired(model: Turns, service: Turns) -> Cell:
    """The pairs of one cell; a turn without its twin, or with another prompt, is none."""
    both = [key for key in model if key in service and model[key].prompt == service[key].prompt]
    total = {key: service[key].end_s - model[key].end_s for key in both}
    differences = {
        name: {key: None if (a := getattr(service[key], name)) is None or (b := getattr(model[key], name)) is None
               else a - b for key in both}
        for name in ("ttft_s", "input_tokens", "output_tokens")
    }  # fmt: skip
    return Cell(
        pairs=len(both),
        unpaired=len(model) + len(service) - 2 * len(both),
        total=by_block(total),
        first=by_block(differences["ttft_s"]),
        more_input=by_block(differences["input_tokens"]),
        more_output=by_block(differences["output_tokens"]),
        output_s=by_block({key: model[key].tpot_s for key in both}),
    )


def by_block(values: Mapping[tuple[int, int], float | None]) -> dict[int, float]:
    """The mean of each block's known values; a block without one is not there."""
    found: dict[int, list[float]] = {}
    for (block, _), value in values.items():
        if value is not None:
            found.setdefault(block, []).append(value)
    return {block: float(np.mean(known)) for block, known in found.items()}


class Prefill(msgspec.Struct, frozen=True):
    """The model's time for one more input token, by block, and how that is known."""

    per_token: dict[int, float]
    how: str


def prefill(cells: Sequence[Turns]) -> Prefill | None:
    """The slope of TTFT (not streamed: of the whole time) over input tokens, of the model's own cells, block by block.

    With inputs of one size only: the prefill time that the model itself tells, divided by its tokens; else None.
    """
    tokens = [by_block({key: reply.input_tokens for key, reply in turns.items()}) for turns in cells]
    streamed = all(reply.ttft_s is not None for turns in cells for reply in turns.values())
    clock = "ttft_s" if streamed else "end_s"
    times = [by_block({key: getattr(reply, clock) for key, reply in turns.items()}) for turns in cells]
    slopes = {}
    for block in sorted({block for known in tokens for block in known}):
        here = [(n[block], t[block]) for n, t in zip(tokens, times, strict=True) if block in n and block in t]
        x, y = np.array(here).reshape(-1, 2).T
        if len(x) and np.ptp(x) >= LEAST_TOKENS:
            slopes[block] = float(np.polynomial.polynomial.polyfit(x, y, 1)[1])
    if slopes:
        sizes = sorted(round(float(np.mean(list(known.values())))) for known in tokens if known)
        over = f"from {sizes[0]:,} to {sizes[-1]:,} input tokens"
        return Prefill(slopes, f"slope of the model's {'TTFT' if streamed else 'time'} at 1 user {over}, by block")
    return _told(cells)


def _told(cells: Sequence[Turns]) -> Prefill | None:
    """By the model's own stage `prefill`."""
    found = by_block({
        key: reply.prefill_s / reply.input_tokens
        for turns in cells for key, reply in turns.items()
        if reply.prefill_s is not None and reply.input_tokens
    })  # fmt: skip
    return Prefill(found, "the model's own stage prefill / its input tokens, at 1 user") if found else None


def split(cell: Cell, slope: Prefill | None) -> dict[str, dict[int, float]]:
    """The processing time of each block in its parts; own work only where the tokens' parts are known."""
    parts: dict[str, dict[int, float]] = {"processing_s": cell.total, "before_first_s": cell.first}
    if slope is None:
        return parts
    known = [block for block in cell.total if block in slope.per_token and block in cell.more_input]
    parts["more_input_s"] = {block: cell.more_input[block] * slope.per_token[block] for block in known}
    parts["more_output_s"] = {
        block: cell.more_output.get(block, 0.0) * cell.output_s.get(block, 0.0) for block in known
    }
    parts["own_work_s"] = {
        block: cell.total[block] - parts["more_input_s"][block] - parts["more_output_s"][block] for block in known
    }
    return parts


def estimate(blocks: Mapping[int, float]) -> dict[str, Any]:
    """The mean over blocks and its 95 % interval (Student t; two blocks or more)."""
    interval = mean_interval(list(blocks.values()))
    if interval.low is None or len(blocks) < FEWEST_BLOCKS:
        return {"mean": interval.mean}
    return {"mean": interval.mean, "ci": [interval.low, interval.high]}


def processing(cell: Cell, slope: Prefill | None) -> dict[str, Any]:
    """One cell of the summary's `isolation`: every part that is known, with its interval."""
    figures: dict[str, Any] = {"pairs": cell.pairs, "blocks": len(cell.total)}
    if cell.unpaired:
        figures["unpaired"] = cell.unpaired
    for name, tokens in (("more_input_tokens", cell.more_input), ("more_output_tokens", cell.more_output)):
        if tokens:
            figures[name] = float(np.mean(list(tokens.values())))
    parts = split(cell, slope)
    if not figures.get("more_output_tokens"):
        parts.pop("more_output_s", None)
    return {**figures, **{name: estimate(blocks) for name, blocks in parts.items() if blocks}}


def effect(model: Mapping[int, float], service: Mapping[int, float]) -> dict[str, Any] | None:
    """The service effect at a higher rung: the difference of the arms' means, block by block; no processing time."""
    both = {block: service[block] - model[block] for block in model if block in service}
    return {**estimate(both), "blocks": len(both)} if both else None
