"""Isolation by pairing: known stage times are recovered; the stated interval covers the truth as often as it says."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.isolation import Reply, effect, paired, prefill, processing

# The truth: own work before the first token and after the last, a prompt that is 300 tokens longer.
BEFORE_S, AFTER_S, MORE_TOKENS, PER_TOKEN_S = 0.055, 0.010, 300, 1 / 20_000
OWN_S = BEFORE_S + AFTER_S
PROCESSING_S = OWN_S + MORE_TOKENS * PER_TOKEN_S
SIZES, OUTPUT, TPOT_S, BLOCKS, TURNS = (128, 1024), 24, 0.004, 6, 20


def lognormal(draw: np.random.Generator, sd: float, size: int | None = None) -> np.ndarray:
    """Mean 1, so that noise moves no truth."""
    return draw.lognormal(-(sd**2) / 2, sd, size)


def run(seed: int) -> tuple[list[dict], list[dict]]:
    """Both arms' replies per cell: noise of 3 % per request, of 0.5 to 1.5 % per block and arm, and pauses."""
    draw = np.random.default_rng(seed)
    arms: tuple[list[dict], list[dict]] = ([{} for _ in SIZES], [{} for _ in SIZES])
    for number, size in enumerate(SIZES):
        for block in range(BLOCKS):
            weather = lognormal(draw, 0.01)  # of the minutes that both arms share
            for arm, own in enumerate((0.0, 1.0)):
                speed = weather * lognormal(draw, 0.005)
                work = own * lognormal(draw, 0.015)  # the service's own weather
                for turn in range(TURNS):
                    tokens = size + own * MORE_TOKENS
                    noise = lognormal(draw, 0.03, 4)
                    tail = 0.02 * draw.random() if draw.random() < 0.02 else 0.0  # on either arm: a pause of the host
                    first = 0.01 * noise[0] + tokens * PER_TOKEN_S * speed * noise[1] + BEFORE_S * work * noise[2]
                    decode = OUTPUT * TPOT_S * speed * (1 + 0.2 * (noise[3] - 1))
                    end = first + decode + AFTER_S * work * noise[2] + tail
                    arms[arm][number][block, turn] = Reply(
                        prompt=f"p{turn % 4}", end_s=end, ttft_s=first, tpot_s=decode / OUTPUT, input_tokens=tokens,
                        output_tokens=OUTPUT,
                    )  # fmt: skip
    return arms


@pytest.fixture(scope="module")
def thousand() -> dict[str, list[dict]]:
    """A thousand runs' figures of the first cell, by part."""
    found: dict[str, list[dict]] = {}
    for seed in range(1000):
        model, service = run(seed)
        figures = processing(paired(model[0], service[0]), prefill(model))
        for name, value in figures.items():
            if name.endswith("_s"):
                found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize(
    ("part", "truth"),
    [("processing_s", PROCESSING_S), ("own_work_s", OWN_S), ("more_input_s", MORE_TOKENS * PER_TOKEN_S),
     ("before_first_s", BEFORE_S + MORE_TOKENS * PER_TOKEN_S)],
)  # fmt: skip
def test_the_interval_covers_the_truth(part: str, truth: float, thousand: dict[str, list[dict]]) -> None:
    """In 930 to 970 of 1,000 runs, of each part; their mean is the truth within half a per cent: there is no bias."""
    covered = sum(one["ci"][0] <= truth <= one["ci"][1] for one in thousand[part])
    means = np.array([one["mean"] for one in thousand[part]])

    assert 930 <= covered <= 970
    assert means.mean() == pytest.approx(truth, rel=0.005)


def test_known_stage_times_are_recovered_within_two_per_cent(thousand: dict[str, list[dict]]) -> None:
    """The processing time of a run is within 2 % of the truth in 95 % of the runs, its own work as well."""
    for part, truth in (("processing_s", PROCESSING_S), ("own_work_s", OWN_S)):
        errors = np.abs(np.array([one["mean"] for one in thousand[part]]) / truth - 1)
        assert np.quantile(errors, 0.95) <= 0.02


@given(st.integers(0, 2**32 - 1))
def test_the_parts_are_the_whole(seed: int) -> None:
    """More input + own work = processing time, exactly; without a slope there is no split."""
    model, service = run(seed)
    cell = paired(model[1], service[1])
    figures = processing(cell, prefill(model))

    assert figures["more_input_s"]["mean"] + figures["own_work_s"]["mean"] == pytest.approx(
        figures["processing_s"]["mean"]
    )
    assert "more_output_s" not in figures
    assert set(processing(cell, None)) == {
        "pairs", "blocks", "more_input_tokens", "more_output_tokens", "processing_s", "before_first_s",
    }  # fmt: skip


def test_only_the_same_prompt_in_the_same_turn_is_a_pair() -> None:
    """A turn that one arm lacks, or that asked another prompt there, is left out and counted."""
    model = {(0, turn): Reply(prompt="a", end_s=1.0) for turn in range(5)}
    service = {(0, turn): Reply(prompt="b" if turn == 3 else "a", end_s=1.5) for turn in range(4)}
    figures = processing(paired(model, service), None)

    assert (figures["pairs"], figures["unpaired"]) == (3, 3)
    assert figures["processing_s"] == {"mean": 0.5}  # one block: no interval


def test_more_output_has_its_own_part() -> None:
    """A service whose calls make 10 tokens more at 5 ms each has 50 ms of that, which are no own work."""
    model = {(b, 0): Reply("a", 0.2, 0.1, 0.005, tokens, 20) for b in range(3) for tokens in (100,)}
    service = {key: Reply("a", 0.4, 0.2, 0.005, 100, 30) for key in model}
    longer = {key: Reply("c", 0.3, 0.2, 0.005, 1100, 20) for key in model}
    figures = processing(paired(model, service), prefill([model, longer]))

    assert figures["more_output_s"]["mean"] == pytest.approx(0.05)
    assert figures["own_work_s"]["mean"] == pytest.approx(0.15)


def test_a_slope_needs_two_sizes_or_the_model_s_own_word() -> None:
    """One input size has none; with the stage prefill it is told; how is stated in either case."""
    one = {(b, t): Reply("a", 0.2, 0.1, input_tokens=100) for b in range(2) for t in range(3)}
    told = {key: msgspec.structs.replace(reply, prefill_s=0.02) for key, reply in one.items()}
    found = prefill([told])

    assert prefill([one]) is None
    assert found is not None
    assert found.per_token == pytest.approx({0: 0.0002, 1: 0.0002})
    assert "own stage prefill" in found.how


def test_a_service_effect_is_the_difference_of_blocks() -> None:
    """At higher rungs means are compared block by block; blocks that one arm lacks are left out."""
    found = effect({1: 0.1, 2: 0.2, 3: 0.3}, {1: 0.2, 2: 0.31, 4: 9.0})

    assert found is not None
    assert (found["blocks"], found["mean"]) == (2, pytest.approx(0.105))
    assert effect({1: 0.1}, {2: 0.1}) is None
