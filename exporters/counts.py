"""What a report's rows add up to, by point: enough for limits and live metrics, so that nobody unpacks the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from exporters.sample import Sample

MOST_TOKENS = 1 << 31  # of one request
TASKS = "tasks"  # in the place of a cell's name

Key = tuple[str, str | None, str | None, str | None, int | None]


class Counted(NamedTuple):
    """Requests of one arm at one cell and load. Cached tokens are among the input's, reasoning among the output's."""

    arm: str
    cell: str
    step: str | None  # None: a warm-up's
    users: int | None  # at once; None in open loop
    outcomes: dict[str, int]
    input_tokens: int | None  # None: nobody told
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    read_lag_s: float | None  # the longest that anything of them waited in the kernel
    schedule_lag_s: float | None  # the latest that one was sent; None in closed loop


class Spent(NamedTuple):
    """What requests have used up: how many there were, and their tokens."""

    requests: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int


def counted(samples: Sequence[Sample]) -> list[Counted]:
    """Sums over rows by arm, cell and step; a number of tokens that no row can hold (the service is wrong) is none."""
    groups: dict[Key, list[Sample]] = {}
    for row in samples:
        groups.setdefault((row.arm, row.step, row.cell_input, row.cell_output, row.concurrency), []).append(row)
    return [_sums(rows) for rows in groups.values()]


def _sums(rows: Sequence[Sample]) -> Counted:
    row = rows[0]
    return Counted(
        arm=row.arm,
        cell=TASKS if row.cell_input is None else f"{row.cell_input}/{row.cell_output}",
        step=row.step,
        users=row.concurrency,
        outcomes=dict(Counter(row.outcome for row in rows)),
        input_tokens=_tokens(row.input_tokens for row in rows),
        cached_tokens=_tokens(row.cached_tokens for row in rows),
        output_tokens=_tokens(row.output_tokens for row in rows),
        reasoning_tokens=_tokens(row.reasoning_tokens for row in rows),
        read_lag_s=_longest(row.lag_max_s for row in rows),
        schedule_lag_s=_longest(row.schedule_lag_s for row in rows),
    )


def _tokens(counts: Iterable[int | None]) -> int | None:
    told = [count for count in counts if count is not None and 0 <= count < MOST_TOKENS]
    return sum(told) if told else None


def _longest(lags: Iterable[float | None]) -> float | None:
    return max((lag for lag in lags if lag is not None), default=None)


def spent_by_arm(parts: Iterable[Counted]) -> dict[str, Spent]:
    """Requests and tokens by arm."""
    found: dict[str, Spent] = {}
    for part in parts:
        tokens = (part.input_tokens, part.cached_tokens, part.output_tokens)
        used = (sum(part.outcomes.values()), *(count or 0 for count in tokens))
        before = found.get(part.arm, Spent(0, 0, 0, 0))
        found[part.arm] = Spent(*(a + b for a, b in zip(before, used, strict=True)))
    return found
