"""How often the gate is wrong and what it finds, simulated under METRICS' noise model; all figures are its own code's.

python -m benchmarks.gates [RUNS]

Must hold: one of 54 points that is 10 % slower (sd 2 %), and a whole slow cell (sd 3 %), found in 95 % of runs or more;
at most 123 of 2,000 identical matrices with any rejection, also with 20 % of the blocks hit by 30 %; 95 % intervals
that cover in 93 to 97 %; identical arms end in exit code 0 in 95 % or more, and never in 3 (they do in 1 of 10,000).
"""

from __future__ import annotations

import math
import sys

from reports.compare import ALPHA
from reports.stats import bounds
from tests.reports.noise import (
    CELLS,
    RUNGS,
    STEADY_SD,
    TTFT_SD,
    Groups,
    exit_codes,
    full,
    gate,
    identical,
    matrices,
    p_values,
)  # fmt: skip

DISTURBED = 0.2
DESIGNS = {"cross, 14 points": CELLS + RUNGS, "full, 54 points": 54, "5 points": 5}


def slow(runs: int, sd: float, where: slice | int) -> Groups:
    """A full design of four metrics, one of which is slower by 10 % somewhere."""
    others = [group for i, other in enumerate((sd, sd, TTFT_SD)) for group in full(runs, other, 200 + i)]
    return [*full(runs, sd, 199, where), *others]


def power(runs: int) -> None:
    """Print how often a slowdown is named where it is."""
    for sd in (STEADY_SD, 0.03):
        one, whole = slow(runs, sd, 3), slow(runs, sd, slice(0, 6))
        rung, cell = ((gate(runs_)[:, place] == "worse").mean() for runs_, place in ((one, CELLS + 3), (whole, 0)))
        failed = [f"{(exit_codes(runs_) == 3).mean():.1%}" for runs_ in (one, whole)]
        print(
            f"10 % slower at sd {sd:.0%}: one of 54 rungs found in {rung:.1%}, a whole cell in {cell:.1%} of {runs:,}; "
            f"such runs end in 3 in {' and '.join(failed)}, else in 4"
        )


def false_alarms(runs: int) -> None:
    """Print how many matrices of identical arms have any rejection, and how their runs end."""
    for name, points in DESIGNS.items():
        for disturbed in (0.0, DISTURBED):
            groups = identical(runs, 300, disturbed, points)
            rejected = int((p_values(groups) < ALPHA).any(axis=1).sum())
            codes = exit_codes(groups)
            ends = ", ".join(f"{(codes == code).mean():.2%} in {code}" for code in (0, 3, 4))
            hit = f", {disturbed:.0%} of blocks hit by 30 %" if disturbed else ""
            print(f"identical arms, {name}{hit}: {rejected * 2000 / runs:.0f} of 2,000 reject anything; end {ends}")


def coverage(runs: int) -> None:
    """Print how often the 95 % interval of one comparison holds the truth."""
    for sd in (STEADY_SD, TTFT_SD):
        low, high = bounds(matrices(runs, sd, 400)[:, 0] + math.log(1.03))
        print(f"interval at sd {sd:.0%}: covers in {((low <= math.log(1.03)) & (math.log(1.03) <= high)).mean():.1%}")


def main(runs: int) -> None:
    """All of them."""
    power(min(runs, 2000))
    false_alarms(runs)
    coverage(runs)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
