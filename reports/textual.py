"""Arms whose speed depends on the text (METRICS): how that shows from outside, and that tasks judge it. Pure.

Speculative decoding shows in tokens per chunk, a prefix cache in the cached share of the input. What experts a model
asks cannot be seen from outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from reports.compare import gates
from reports.measured import Measured, counting
from reports.pairs import Both, Pairs
from reports.stats import mean_interval
from reports.tokenizers import PER_CHARACTER
from reports.units import number, share
from scenarios.scenario import Scenario

SEVERAL_TOKENS, CHUNK_RATIO = 1.2, 1.2  # tokens per chunk: more than one, and as much more than the other arm's
CACHED_POINTS = 0.01
CONCERNED = ("ttft_s", "tpot_s", PER_CHARACTER, "e2e_s")
PROSE = "this speed depends on the text, and the matrix's is filler prose"


class Dependence(msgspec.Struct, frozen=True):
    """Two arms of which one is sped up by the text, and how it shows."""

    arms: tuple[str, str]
    why: tuple[str, ...]

    @property
    def text(self) -> str:
        """The warning as it is printed with a comparison."""
        return f"{'; '.join(self.why)}: {PROSE}"


def dependences(steps: Sequence[Measured], scenario: Scenario) -> list[Dependence]:
    """Every arm that the text speeds up otherwise than the baseline; none of an A/A run, whose arms are the same."""
    if len(scenario.arms) < 2 or scenario.compare.aa is True:
        return []
    baseline = scenario.compare.baseline or next(iter(scenario.arms))
    by_arm: dict[str, dict[tuple[object, ...], Measured]] = {arm: {} for arm in scenario.arms}
    for step in counting(steps):
        by_arm[step.record.step.arm][(*step.point[1:], step.record.step.block)] = step
    found = []
    for arm in (arm for arm in scenario.arms if arm != baseline):
        both = [(step, by_arm[arm][at]) for at, step in by_arm[baseline].items() if at in by_arm[arm]]
        matrix, tasks = ([pair for pair in both if (pair[0].record.step.cell is None) == is_task] for is_task in (0, 1))
        why = [text for rule in (_chunks, _cache) if (text := rule(matrix, arm) or rule(tasks, arm))]
        if why:
            found.append(Dependence((baseline, arm), tuple(why)))
    return found


def _chunks(both: Sequence[Both], arm: str) -> str | None:
    """One arm's chunks carry several tokens where the other's do not, or fewer."""
    known = [(a, b) for before, after in both if (a := tokens_per_chunk(before)) and (b := tokens_per_chunk(after))]
    if not known:
        return None
    before, after = (float(np.mean(side)) for side in zip(*known, strict=True))
    few, many = sorted((before, after))
    if many <= SEVERAL_TOKENS or (few > SEVERAL_TOKENS and many <= few * CHUNK_RATIO):
        return None
    figures = f"{number(after, digits=2)} tokens per chunk against {number(before, digits=2)}"
    return f"{arm} sends {figures} (speculative or multi-token decoding)"


def tokens_per_chunk(step: Measured) -> float | None:
    """Output tokens per chunk after the first one: (last - first) / TPOT of them, so without reasoning unseen."""
    spans = step.columns["e2e_s"] - step.columns["ttft_s"]
    tokens, chunks = spans / step.columns["tpot_s"], step.columns["chunks"] - 1
    known = step.ok & ~np.isnan(tokens) & (chunks > 0)
    return float(tokens[known].sum() / chunks[known].sum()) if known.any() else None


def _cache(both: Sequence[Both], arm: str) -> str | None:
    """The cached shares of the input differ by more than a point, and by more than they vary."""
    shares = [(cached_share(before), cached_share(after)) for before, after in both]
    known = [(a, b) for a, b in shares if a is not None and b is not None]
    if not known:
        return None
    apart = mean_interval([after - before for before, after in known])
    by_chance = apart.low is not None and apart.high is not None and apart.low <= 0 <= apart.high
    if abs(apart.mean) <= CACHED_POINTS + 1e-9 or by_chance:
        return None
    before, after = (float(np.mean(side)) for side in zip(*known, strict=True))
    return f"{arm} took {share(after)} of its input from its prefix cache, against {share(before)}"


def cached_share(step: Measured) -> float | None:
    """Cached tokens / input tokens; None without usage. Engines that cached nothing often tell nothing of it."""
    given = np.nansum(step.columns["input_tokens"][step.ok])
    return float(np.nansum(step.columns["cached_tokens"][step.ok]) / given) if given else None


def judged_on_tasks(pairs: Sequence[Pairs], found: Sequence[Dependence]) -> list[Pairs]:
    """The pairs; those of the matrix whose speed depends on the text say so, and are left to the tasks' if that gates.

    What the tasks cannot judge (no [tasks], too few pairs, other lengths) stays in the gate, with the warning.
    """
    texts = {one.arms: one.text for one in found}
    tasks = {(pair.arms, pair.metric) for pair in pairs if pair.level == "tasks" and gates(pair)}
    return [_warned(pair, texts[pair.arms], tasks) if _is_concerned(pair, texts) else pair for pair in pairs]


def _is_concerned(pair: Pairs, texts: dict[tuple[str, str], str]) -> bool:
    return pair.arms in texts and pair.level != "tasks" and pair.metric in CONCERNED and pair.judged_by is None


def _warned(pair: Pairs, text: str, tasks: set[tuple[tuple[str, str], str]]) -> Pairs:
    left = (pair.arms, pair.metric) in tasks and pair.incomparable is None and bool(pair.values)
    return msgspec.structs.replace(pair, warning=text, judged_by="tasks" if left else None)


def dependence_warnings(found: Sequence[Dependence], pairs: Sequence[Pairs]) -> list[dict[str, Any]]:
    """What a reader of such a run must know, and whether the tasks judge it already."""
    judged = {pair.arms for pair in pairs if pair.judged_by == "tasks"}
    return [
        {
            "code": f"speed depends on the text: {one.arms[1]}",
            "text": f"Compared with {one.arms[0]}, {one.text}.",
            "advice": "Judge by [tasks]: "
            + (
                "their TTFT, TPOT and E2E are gated where they can be compared, the matrix's then are not."
                if one.arms in judged
                else "add your own prompts, in 4 blocks or more; until then the matrix's TTFT, TPOT and E2E are gated."
            ),
            "steps": [],
        }
        for one in found
    ]
