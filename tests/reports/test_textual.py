"""Arms whose speed depends on the text: seen by tokens per chunk and cached shares, warned of, judged on tasks."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from measurements import cell, measured, scenario
from rewritten import retold
from rich.console import Console

import reports.summary
from reports.compare import comparisons, not_ruled_out
from reports.headline import effect_figures
from reports.measured import Measured
from reports.pairs import Pairs, all_pairs
from reports.render import print_terminal, render_html, render_markdown
from reports.summary import summarize
from reports.textual import dependence_warnings, dependences, judged_on_tasks, tokens_per_chunk
from reports.verdict import Evidence, verdict

CONTRACT = json.loads((Path(reports.summary.__file__).parent / "summary.schema.json").read_text(encoding="utf-8"))
AB = scenario()
NOISE = (0.001, -0.001, 0.002, -0.002, 0.001, -0.001)
STREAMED = 91  # tokens of each reply of `measured`: E2E is 10 TTFT, TPOT a tenth of TTFT
ACTS = ("ttft_s", "tpot_s", "e2e_s")


def arms(tasks: bool = False, slower: float = 1.0, blocks: int = 6, **sides: Any) -> list[Measured]:
    """Both arms at one point; `sides` are columns, each a pair of values: of the baseline, of the candidate."""
    where = {"cell": None, "workload": "task"} if tasks else {}
    return [
        measured([0.1 * (slower * math.exp(NOISE[block]) if side else 1.0)] * 20, arm=arm, block=block + 1,
                 **{name: [values[side]] * 20 for name, values in sides.items()}, **where)
        for block in range(blocks) for side, arm in enumerate(AB.arms)
    ]  # fmt: skip


def chunked(tokens_each: tuple[float, float], **fields: Any) -> list[Measured]:
    """Arms that send this many tokens per chunk."""
    return arms(chunks=tuple(1 + (STREAMED - 1) / each for each in tokens_each), **fields)


def cached(shares: tuple[float, float], **fields: Any) -> list[Measured]:
    """Arms that take these shares of their input from a cache."""
    return arms(input_tokens=(1000, 1000), cached_tokens=tuple(1000 * share for share in shares), **fields)


def judged(steps: list[Measured]) -> tuple[list[Pairs], list[dict[str, Any]], str]:
    pairs = judged_on_tasks(all_pairs(steps, AB), dependences(steps, AB))
    compared = comparisons(pairs, AB)
    return pairs, compared, str(verdict(Evidence(AB, steps, compared, pairs, [], None))["status"])


# -- what is seen


@pytest.mark.parametrize(
    ("each", "seen"),
    [((1.0, 1.0), False), ((1.0, 1.19), False), ((1.0, 1.3), True), ((2.4, 1.0), True), ((2.0, 2.3), False),
     ((2.0, 2.5), True)],
)  # fmt: skip
def test_several_tokens_per_chunk_on_one_arm(each: tuple[float, float], seen: bool) -> None:
    """Above 1.2 where the other is not, or by 20 % more than the other; whichever arm it is."""
    assert bool(dependences(chunked(each), AB)) is seen


def test_tokens_per_chunk_leave_out_what_was_not_streamed() -> None:
    """900 tokens of which 91 came in 91 chunks, the others being hidden reasoning: one token per chunk."""
    step = measured([0.1] * 20, chunks=[91] * 20, output_tokens=[900] * 20, reasoning_tokens=[809] * 20)

    assert tokens_per_chunk(step) == pytest.approx(1.0)
    assert tokens_per_chunk(measured([0.1], tpot_s=[np.nan], chunks=[1])) is None


@pytest.mark.parametrize(("shares", "seen"), [((0.0, 0.01), False), ((0.0, 0.02), True), ((0.5, 0.4), True)])
def test_another_cached_share_of_the_input(shares: tuple[float, float], seen: bool) -> None:
    """Beyond one point, on the matrix or on the tasks."""
    assert bool(dependences(cached(shares), AB)) is seen
    assert bool(dependences([*cached((0.0, 0.0)), *cached(shares, tasks=True)], AB)) is seen


def test_a_cached_share_that_is_not_told_is_none() -> None:
    """Engines leave out the count when nothing was cached; without usage nothing is known at all."""
    untold = arms(input_tokens=(1000, 1000), cached_tokens=(np.nan, 300))

    [found] = dependences(untold, AB)
    assert found.why == ("candidate took 30.0 % of its input from its prefix cache, against 0 %",)
    assert dependences(arms(cached_tokens=(np.nan, 300)), AB) == []


def test_shares_that_vary_from_block_to_block_are_no_difference() -> None:
    """Repeated prompts are cached now on one arm, now on the other: 2 points in the mean, within chance."""
    apart = (0.3, -0.2, 0.25, -0.3, 0.17, -0.1)
    steps = [
        measured([0.1] * 20, arm=arm, block=b + 1, input_tokens=[1000] * 20,
                 cached_tokens=[500 + (1000 * apart[b] if arm == "candidate" else 0)] * 20)
        for b in range(6) for arm in AB.arms
    ]  # fmt: skip

    assert dependences(steps, AB) == []


def test_counts_of_requests_do_not_weigh() -> None:
    """A template cached alike in short and long cells, but a faster arm sends more short requests: equal shares."""

    def at(arm: str, number: int, requests: int, tokens: int) -> Measured:
        columns = {"input_tokens": [tokens] * requests, "cached_tokens": [30] * requests}
        return measured([0.1] * requests, arm=arm, cell=cell(number), **columns)

    steps = [at("baseline", 1, 10, 100), at("baseline", 2, 10, 1000), at("candidate", 1, 90, 100)]
    assert dependences([*steps, at("candidate", 2, 10, 1000)], AB) == []


def test_arms_that_are_the_same_are_not_told_apart() -> None:
    """An A/A run, and a run of one arm, whatever their chunks."""
    assert dependences(chunked((1.0, 2.0)), scenario(compare={"aa": True})) == []
    assert dependences(chunked((1.0, 2.0))[::2], scenario(("baseline",))) == []


# -- what follows


def test_without_tasks_the_matrix_is_gated_and_warns() -> None:
    """A proven loss still fails; each time on the matrix carries the warning, good requests/s does not."""
    pairs, compared, status = judged(chunked((1.0, 2.4), slower=1.2))
    warning = (
        "candidate sends 2.4 tokens per chunk against 1.0 (speculative or multi-token decoding): this speed depends "
        "on the text, and the matrix's is filler prose"
    )

    assert {c["metric"]: c.get("warning") for c in compared} == {**dict.fromkeys(ACTS, warning), "good_per_s": None}
    assert all(c["gated"] for c in compared)
    assert status == "fail"
    [said] = dependence_warnings(dependences(chunked((1.0, 2.4)), AB), pairs)
    assert said["text"] == f"Compared with baseline, {warning}."
    assert said["advice"].startswith("Judge by [tasks]: add your own prompts")


def test_tasks_judge_in_place_of_the_matrix() -> None:
    """20 % slower on the matrix and equal on tasks passes; the reverse fails; the matrix's ratio is shown."""
    prose = [*chunked((1.0, 2.4), slower=1.2), *chunked((1.0, 2.4), tasks=True)]
    pairs, compared, status = judged(prose)
    matrix = [c for c in compared if c["level"] == "cell" and c["metric"] in ACTS]

    assert [(c["gated"], c["judged_by"], c["verdict"]) for c in matrix] == [(False, "tasks", "inconclusive")] * 3
    assert [c["ratio"] for c in matrix] == pytest.approx([1.2] * 3, rel=0.01)
    assert all(c["reason"].startswith("judged on tasks: candidate sends 2.4 tokens per chunk") for c in matrix)
    assert [c["gated"] for c in compared if c["level"] == "tasks" or c["metric"] == "good_per_s"] == [True] * 5
    assert (status, not_ruled_out(pairs, AB)) == ("pass", [])
    [said] = dependence_warnings(dependences(prose, AB), pairs)
    assert said["advice"].startswith("Judge by [tasks]: their TTFT")

    _, _, reverse = judged([*chunked((1.0, 2.4)), *chunked((1.0, 2.4), tasks=True, slower=1.2)])
    assert reverse == "fail"


def test_a_pass_says_what_was_judged_on_tasks() -> None:
    """With how many comparisons, and the first of them."""
    steps = [*chunked((1.0, 2.4)), *chunked((1.0, 2.4), tasks=True)]
    pairs, compared, _ = judged(steps)
    reasons = verdict(Evidence(AB, steps, compared, pairs, [], None))["reasons"]

    assert reasons[-1].startswith("3 of 8 comparisons are judged by tasks; the first: TTFT of short/long at 8 users is")


def test_what_tasks_cannot_judge_stays_gated() -> None:
    """Other lengths on tasks: E2E is judged on the matrix. Three pairs judge nothing, and nobody failures there."""
    longer = chunked((1.0, 2.4), tasks=True, output_tokens=(100, 130))
    _, compared, _ = judged([*chunked((1.0, 2.4)), *longer])
    assert {c["metric"]: c["gated"] for c in compared if c["level"] == "cell"} == {
        "ttft_s": False, "tpot_s": False, "e2e_s": True, "good_per_s": True,
    }  # fmt: skip

    failing = [
        measured([0.1] * (96 if arm == "candidate" else 100), failed=4 * (arm == "candidate"), arm=arm, block=b + 1,
                 chunks=[91 if arm == "baseline" else 38] * 100)
        for b in range(6) for arm in AB.arms
    ]  # fmt: skip
    _, compared, _ = judged([*failing, *chunked((1.0, 2.4), tasks=True)])
    [ttft] = [c for c in compared if c["level"] == "cell" and c["metric"] == "ttft_s"]
    assert (ttft["reason"], "judged_by" in ttft) == ("not comparable: failure shares differ: 0.0% against 4.0%", False)

    _, few, _ = judged([*chunked((1.0, 2.4)), *chunked((1.0, 2.4), tasks=True, blocks=3)])
    assert all(c["gated"] for c in few if c["level"] == "cell")


def test_with_another_tokenizer_the_tasks_time_per_character_judges() -> None:
    """TPOT of the matrix is left to its time per character, that one to the tasks': a loss there fails, only there."""
    told = {"prompt": (1, 1), "input_tokens": (100, 120), "output_tokens": (91, 91)}

    def run(matrix: int, tasks: int) -> tuple[dict[str, Any], str]:
        steps = [*chunked((1.0, 2.4), output_chars=(400, matrix), **told),
                 *chunked((1.0, 2.4), output_chars=(400, tasks), tasks=True, **told)]  # fmt: skip
        _, compared, status = judged(steps)
        return {c["metric"]: c.get("judged_by") for c in compared if c["level"] == "cell"}, status

    assert run(300, 400) == (
        {"ttft_s": "tasks", "tpot_s": "s_per_1k_chars", "s_per_1k_chars": "tasks", "e2e_s": "s_per_1k_chars",
         "good_per_s": None},
        "pass",
    )  # fmt: skip
    assert run(400, 300)[1] == "fail"


# -- from rows to pages


def speculative(columns: dict[str, np.ndarray], candidate: np.ndarray) -> None:
    columns["chunks"][candidate] = np.ceil(columns["chunks"][candidate] / 2)


def with_cache(columns: dict[str, np.ndarray], candidate: np.ndarray) -> None:
    columns["cached_tokens"][candidate] = np.floor(columns["input_tokens"][candidate] * 0.3)


@pytest.mark.parametrize(("tell", "words"), [(speculative, "tokens per chunk against"), (with_cache, "prefix cache")])
@pytest.mark.parametrize("tasks", [True, False])
def test_from_rows_to_pages(tmp_path: Path, tell: Any, words: str, tasks: bool) -> None:
    """The summary obeys its schema, a warning with advice is there, and every page has it."""
    run = retold(tmp_path / "run", tell, tasks=tasks)
    summary = summarize(run)
    matrix = [c for c in summary["comparisons"] if c["level"] != "tasks" and c["metric"] != "good_per_s"]
    screen = io.StringIO()
    print_terminal(summary, run.manifest, Console(file=screen, width=160))

    assert list(jsonschema.Draft202012Validator(CONTRACT).iter_errors(json.loads(json.dumps(summary)))) == []
    assert all(words in c["warning"] for c in matrix)
    left = {c["metric"]: c.get("judged_by") for c in matrix}
    shown = [figure.label for figure in effect_figures(summary) if "worst cell: tasks" not in figure.label]
    assert [label for label in shown if tasks and label.startswith(("TTFT", "TPOT"))] == []
    assert (left["ttft_s"], left["tpot_s"]) == (("tasks", "tasks") if tasks else (None, None))
    [warning] = [w for w in summary["warnings"] if w["code"] == "speed depends on the text: candidate"]
    assert warning["advice"].startswith("Judge by [tasks]")
    for page in (render_html(summary, run.manifest), render_markdown(summary, run.manifest), screen.getvalue()):
        assert "filler prose" in page


def test_an_ordinary_run_has_no_such_warning(tmp_path: Path) -> None:
    """Equal chunks, no cache: no comparison warns, none is left to tasks."""
    summary = summarize(retold(tmp_path / "run", lambda columns, candidate: None))  # noqa: ARG005

    assert [c for c in summary["comparisons"] if "warning" in c or "judged_by" in c] == []
    assert [w for w in summary["warnings"] if "speed depends" in w["code"] or "tokenizers" in w["code"]] == []
