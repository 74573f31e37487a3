"""Change points of a series of runs: where its level moved, more than chance would have it. Pure.

Circular binary segmentation (Olshen and others 2004): the stretch of runs whose mean differs most from that of all
others, in standard errors, is held against the same of the series in random orders, so that no model of the noise is
needed; a stretch that chance would rarely have is cut out, and its parts are looked at again.
"""

from __future__ import annotations

import math
from functools import cache

import msgspec
import numpy as np
import numpy.typing as npt

SHORTEST = 3  # runs on either side of a change
ORDERS = 199
ALPHA = 0.01
LEAST = 1e-4  # sd of the logs: figures that agree to the last digit still have some

Values = npt.NDArray[np.float64]


class Move(msgspec.Struct, frozen=True):
    """The level moved before run `at` (from 0) by this ratio; `p`: how often random order has such a stretch."""

    at: int
    ratio: float
    p: float


def moves(values: npt.ArrayLike, seed: int = 0) -> list[Move]:
    """Change points of positive values in the order of their runs; fewer than six runs have none."""
    logs = np.log(np.asarray(values, dtype=np.float64))
    places = sorted(set(_split(logs, 0, np.random.default_rng(seed))))
    edges = [0, *(at for at, _ in places), len(logs)]
    return [
        Move(at, math.exp(float(logs[at : edges[i + 2]].mean() - logs[edges[i] : at].mean())), p)
        for i, (at, p) in enumerate(places)
    ]


def _split(logs: Values, offset: int, draws: np.random.Generator) -> list[tuple[int, float]]:
    """The edges of the strongest stretch of a part, if chance would rarely have it, and those within its parts."""
    if len(logs) < 2 * SHORTEST:
        return []
    begin, end, strength = _strongest(logs)
    shuffled = (_strongest(draws.permutation(logs))[2] for _ in range(ORDERS))
    p = (1 + sum(one >= strength for one in shuffled)) / (ORDERS + 1)
    if p > ALPHA:
        return []
    parts = [part for part in ((0, begin), (begin, end), (end, len(logs))) if part[0] < part[1]]
    inner = [found for low, high in parts for found in _split(logs[low:high], offset + low, draws)]
    return [*((offset + edge, p) for edge in (begin, end) if 0 < edge < len(logs)), *inner]


def _strongest(logs: Values) -> tuple[int, int, float]:
    """The stretch [begin, end) that differs most from the rest, and by how many standard errors."""
    count = len(logs)
    total, squares = np.concatenate([[0.0], logs.cumsum()]), float((logs**2).sum())
    begin, end = _stretches(count)
    size = end - begin
    inside = total[end] - total[begin]
    outside = total[-1] - inside
    within = squares - inside**2 / size - outside**2 / (count - size)
    error = np.sqrt(np.maximum(within / (count - 2), LEAST**2) * (1 / size + 1 / (count - size)))
    strength = np.abs(inside / size - outside / (count - size)) / error
    best = int(strength.argmax())
    return int(begin[best]), int(end[best]), float(strength[best])


@cache
def _stretches(count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Every stretch that leaves no part, itself included, shorter than three runs."""
    edges = [0, *range(SHORTEST, count - SHORTEST + 1), count]
    found = [
        (begin, end)
        for place, begin in enumerate(edges)
        for end in edges[place + 1 :]
        if SHORTEST <= end - begin <= count - SHORTEST
    ]
    begins, ends = zip(*found, strict=True)
    return np.array(begins), np.array(ends)
