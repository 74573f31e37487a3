"""Arms that count equal text differently (METRICS): how much, what then judges in place of a time per token. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np

from reports.measured import Measured, Values, counting
from scenarios.scenario import Scenario

SAME_TOKENS = 0.01 + 1e-9  # beyond this the usage for equal text is another tokenizer's; 1.01 - 1 is above 0.01
SIZES_APART = 2.0  # the longest prompt against the shortest, from which on text and template can be told apart
LARGEST_PROMPT = 2.0**28  # tokens: a prompt's number and its size are one number, exact below 2^53
PER_CHARACTER = "s_per_1k_chars"
PER_TOKEN = ("tpot_s", "e2e_s")  # E2E, where the number of tokens is forced or other text came


class Difference(msgspec.Struct, frozen=True):
    """Two arms whose usage for equal text differs, and by what factor."""

    arms: tuple[str, str]
    ratio: float

    @property
    def text(self) -> str:
        """The reason as it is printed with a comparison."""
        return f"tokenizers differ: {self.arms[1]} counts {self.ratio - 1:+.1%} tokens for the text of {self.arms[0]}"


def difference(base: Iterable[Measured], other: Iterable[Measured], arms: tuple[str, str]) -> Difference | None:
    """How the arms' usage for the same prompts differs; None within 1 %, or where one reports none."""
    ratio = usage_ratio(_by_prompt(base), _by_prompt(other))
    return None if ratio is None or abs(ratio - 1) <= SAME_TOKENS else Difference(arms, ratio)


def differences(steps: Sequence[Measured], scenario: Scenario) -> list[Difference]:
    """Every arm whose tokenizer is not the baseline's."""
    baseline = scenario.compare.baseline or next(iter(scenario.arms))
    of_arm = {arm: [step for step in counting(steps) if step.record.step.arm == arm] for arm in scenario.arms}
    found = (difference(of_arm[baseline], of_arm[arm], (baseline, arm)) for arm in of_arm if arm != baseline)
    return [one for one in found if one is not None]


def usage_ratio(base: tuple[Values, Values], other: tuple[Values, Values]) -> float | None:
    """Tokens of `other` per token of `base` for equal text; each is (prompts, mean tokens of each).

    With prompts of different sizes it is the slope of a straight line: what a chat template or a system prompt adds is
    the same for each of them, and no other way to count. With prompts of one size it is the ratio of the sums.
    """
    _, here, there = np.intersect1d(base[0], other[0], assume_unique=True, return_indices=True)
    x, y = base[1][here], other[1][there]
    if not len(x) or x.min() <= 0:
        return None
    if x.max() < SIZES_APART * x.min():
        return float(y.sum() / x.sum())
    return float(np.cov(x, y, ddof=0)[0, 1] / x.var())


def _by_prompt(steps: Iterable[Measured]) -> tuple[Values, Values]:
    """The prompts that ok requests were counted for by the server, and the mean of its counts for each."""
    prompts, tokens = [np.empty(0)], [np.empty(0)]
    for step in steps:
        counts, names = step.columns["input_tokens"], step.columns["prompt"]
        known = step.ok & ~np.isnan(counts) & ~np.isnan(names)
        cell = step.record.step.cell
        prompts.append(names[known] * LARGEST_PROMPT + (cell.input_tokens if cell else 0))
        tokens.append(counts[known])
    names, places = np.unique(np.concatenate(prompts), return_inverse=True)
    sums = np.bincount(places, weights=np.concatenate(tokens), minlength=len(names))
    return names, sums / np.bincount(places, minlength=len(names))


def tokenizer_warnings(found: Sequence[Difference]) -> list[dict[str, Any]]:
    """What a reader of such a run must know."""
    return [
        {
            "code": f"tokenizers differ: {one.arms[1]}",
            "text": f"For equal text {one.arms[1]} counts {one.ratio - 1:+.1%} tokens against {one.arms[0]}: another "
            "tokenizer. TPOT is not compared, and neither is E2E of forced lengths, which are not the same text; the "
            "time per 1,000 output characters is gated in their place. Good requests/s on the matrix and tokens/s "
            "still count requests and tokens of unequal text.",
            "advice": "Judge by the time per 1,000 characters, and by [tasks], where each arm stops by itself.",
            "steps": [],
        }
        for one in found
    ]
