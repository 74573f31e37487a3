"""How throughput grows with users: the gain per doubling with its interval, the knee, and Gunther's law for drawing.

The knee is the first rung from which a doubling of users brings less than 1.2 times the throughput (METRICS). Gunther's
universal scalability law X(n) = lambda n / (1 + sigma (n - 1) + kappa n (n - 1)) is fitted to the means, and judges
nothing: it has three parameters for six rungs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import optimize

from reports.measured import Measured, counting
from reports.stats import mean_interval
from scenarios.scenario import Cell

LEAST_GAIN = 1.2  # per doubling
FARTHEST = math.log(1000)  # an interval's end beyond a thousandfold says "unknown" and still is a number
FEWEST_RUNGS, FEWEST_FITTED = 3, 4

Values = npt.NDArray[np.float64]
Blocks = dict[int, float]  # ok requests per second, by block
Ladder = dict[float, Blocks]  # by rung


def growth(steps: Sequence[Measured]) -> list[dict[str, Any]]:
    """One entry for each arm and cell with three valid rungs or more, of closed loops."""
    found: dict[tuple[str, Cell], Ladder] = {}
    for step in counting(steps):
        arm, cell, load = step.point
        rate, place = step.requests_per_s, step.record.step
        if cell is not None and place.rate is None and place.part is None and rate:
            found.setdefault((arm, cell), {}).setdefault(load, {})[place.block] = rate
    ladders = sorted(found.items(), key=lambda one: (one[0][1].input_tokens, one[0][1].output_tokens, one[0][0]))
    return [_entry(*place, rungs) for place, rungs in ladders if len(rungs) >= FEWEST_RUNGS]


def _entry(arm: str, cell: Cell, ladder: Ladder) -> dict[str, Any]:
    rungs = sorted(ladder)
    gains = [gain(low, high, ladder) for low, high in pairwise(rungs)]
    entry: dict[str, Any] = {"arm": arm, "cell": msgspec.to_builtins(cell), "gains": gains}
    knee = next((one for one in gains if one["gain"] < LEAST_GAIN), None)
    if knee is not None:
        entry["knee"] = {"rung": knee["from"], **{key: knee[key] for key in ("gain", "ci") if key in knee}}
    law = fitted(np.array(rungs), np.array([np.mean(list(ladder[rung].values())) for rung in rungs]))
    return entry if law is None else {**entry, "law": law}


def gain(low: float, high: float, ladder: Ladder) -> dict[str, Any]:
    """Throughput at the higher rung over that at the lower one, per doubling; the interval is of the blocks' logs."""
    doublings = math.log2(high / low)
    both = sorted(ladder[low].keys() & ladder[high].keys())
    logs = [math.log(ladder[high][block] / ladder[low][block]) / doublings for block in both]
    if not logs:  # no block has both
        means = [float(np.mean(list(ladder[rung].values()))) for rung in (low, high)]
        return {"from": low, "to": high, "gain": (means[1] / means[0]) ** (1 / doublings)}
    interval = mean_interval(logs)
    known = {"from": low, "to": high, "gain": math.exp(interval.mean)}
    if interval.low is None or interval.high is None:
        return known
    return {**known, "ci": [math.exp(max(interval.low, -FARTHEST)), math.exp(min(interval.high, FARTHEST))]}


def fitted(users: Values, per_second: Values) -> dict[str, float] | None:
    """The law's parameters by least squares of the logs, none negative; None with fewer than four rungs.

    `peak`: where throughput is highest, sqrt((1 - sigma) / kappa); absent when it lies beyond twice the ladder.
    """
    if len(users) < FEWEST_FITTED:
        return None

    def off(parameters: Values) -> Values:
        return np.asarray(np.log(law(users, *np.exp(parameters[:1]), *parameters[1:]) / per_second))

    start = [math.log(per_second[0] / users[0]), 0.01, 1e-4]
    found = optimize.least_squares(off, start, bounds=([-np.inf, 0.0, 0.0], [np.inf, 1.0, 1.0]), x_scale=[1, 0.1, 1e-3])
    scale, sigma, kappa = math.exp(found.x[0]), float(found.x[1]), float(found.x[2])
    known = {"lambda": scale, "sigma": sigma, "kappa": kappa}
    peak = math.sqrt((1 - sigma) / kappa) if kappa > 0 else math.inf
    return {**known, "peak": peak} if peak <= 2 * float(users.max()) else known


def law(users: Values, scale: float, sigma: float, kappa: float) -> Values:
    """Gunther's throughput at so many users."""
    return np.asarray(scale * users / (1 + sigma * (users - 1) + kappa * users * (users - 1)), dtype=np.float64)
