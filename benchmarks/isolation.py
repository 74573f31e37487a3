"""How often isolation's 95 % interval covers the true processing time and own work, and how far its means are off.

Virtual runs of a service that works 65 ms and adds 300 tokens of 0.05 ms, 20 pairs a block: under the noise that the
tests assume, and under worse. An interval over so few block means rests on their being alike and independent.
"""

from __future__ import annotations

import numpy as np

from reports.isolation import Reply, Turns, paired, prefill, processing

OWN_S, MORE, PER_TOKEN_S, OUTPUT, TPOT_S = 0.065, 300, 1 / 20_000, 24, 0.004
SIZES, TURNS, RUNS = (128, 1024), 20, 1000
TRUTH = {"processing_s": OWN_S + MORE * PER_TOKEN_S, "own_work_s": OWN_S}

Noise = dict[str, float]
USUAL: Noise = {"request": 0.03, "speed": 0.005, "work": 0.015, "tail": 0.02, "drift": 0.0, "link": 0.0, "blocks": 6}
WORSE: dict[str, Noise] = {
    "as the tests assume": {},
    "3 blocks": {"blocks": 3},
    "blocks differ by 10 %": {"work": 0.10},
    "requests follow each other": {"link": 0.8},
    "heavy tails: 10 % pauses": {"tail": 0.10},
    "the machine slows by 1 % a block": {"drift": 0.01},
    "requests vary by 30 %": {"request": 0.30},
}


def main() -> None:
    """Print a row for each kind of noise."""
    print("noise                             part          covered of 1,000   error p95   bias")
    for name, change in WORSE.items():
        found = [_run(seed, {**USUAL, **change}) for seed in range(RUNS)]
        for part, exact in TRUTH.items():
            truth = exact * _slowed({**USUAL, **change})
            covered = sum(one[part]["ci"][0] <= truth <= one[part]["ci"][1] for one in found)
            errors = np.array([one[part]["mean"] for one in found]) / truth - 1
            worst = np.quantile(np.abs(errors), 0.95)
            print(f"{name:33} {part:13} {covered:16}   {worst:9.2%}   {errors.mean():+.2%}")


def _slowed(noise: Noise) -> float:
    """How much slower the machine is on average: the truth of a run is that of the time in which it ran."""
    return 1 + noise["drift"] * (2 * noise["blocks"] - 1) / 2


def _run(seed: int, noise: Noise) -> dict[str, dict[str, list[float]]]:
    draw = np.random.default_rng(seed)
    arms: tuple[list[Turns], list[Turns]] = ([], [])
    for size in SIZES:
        cells: tuple[dict[tuple[int, int], Reply], ...] = ({}, {})
        for block in range(int(noise["blocks"])):
            first = int(draw.integers(2))
            for place in range(2):  # which arm goes first is drawn; the machine slows from step to step
                arm = (first + place) % 2
                slow = 1 + noise["drift"] * (2 * block + place)
                for turn, reply in enumerate(_step(draw, noise, size + arm * MORE, arm, slow)):
                    cells[arm][block, turn] = reply
        arms[0].append(cells[0])
        arms[1].append(cells[1])
    return processing(paired(arms[0][0], arms[1][0]), prefill(arms[0]))


def _step(draw: np.random.Generator, noise: Noise, tokens: int, arm: int, slow: float) -> list[Reply]:
    """The replies of one step, one after the other."""
    speed, work = slow * _spread(draw, noise["speed"]), slow * _spread(draw, noise["work"])
    state, replies = draw.standard_normal(), []
    for turn in range(TURNS):
        state = noise["link"] * state + np.sqrt(1 - noise["link"] ** 2) * draw.standard_normal()
        one = float(np.exp(noise["request"] * state - noise["request"] ** 2 / 2))
        pause = 0.02 * draw.random() if draw.random() < noise["tail"] else 0.0
        first = 0.01 + tokens * PER_TOKEN_S * speed * one + arm * OWN_S * work * _spread(draw, noise["request"])
        decode = OUTPUT * TPOT_S * speed
        replies.append(Reply(f"p{turn % 4}", first + decode + pause, first, decode / OUTPUT, tokens, OUTPUT))
    return replies


def _spread(draw: np.random.Generator, sd: float) -> float:
    """A factor of mean 1."""
    return float(draw.lognormal(-(sd**2) / 2, sd))


if __name__ == "__main__":
    main()
