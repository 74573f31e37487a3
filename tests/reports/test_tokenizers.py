"""Arms that count equal text differently: seen from usage, and judged by characters instead of tokens."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from measurements import CELL, cell, measured, scenario
from rewritten import retold

import reports.summary
from exporters.record import Run
from reports.compare import comparisons, not_ruled_out
from reports.measured import Measured
from reports.pairs import all_pairs
from reports.render import render_html, render_markdown
from reports.summary import summarize
from reports.tokenizers import differences, tokenizer_warnings
from reports.verdict import Evidence, verdict
from tests.exporters.synthetic import synthetic_run

CONTRACT = json.loads((Path(reports.summary.__file__).parent / "summary.schema.json").read_text(encoding="utf-8"))
AB = scenario()
NOISE = (0.001, -0.001, 0.002, -0.002, 0.001, -0.001)
SAME_TEXT = np.arange(20.0)


def arms(ratio: float = 1.2, slower: float = 1.0, chars: Any = (400, 480), **fields: Any) -> list[Measured]:
    """Both arms with the same 20 prompts of 100 tokens, the candidate's counted `ratio` times; characters of each."""
    made = []
    for block, noise in enumerate(NOISE):
        for arm, factor, length in zip(AB.arms, (1.0, ratio), chars, strict=True):
            ttft = 0.1 * math.exp(noise) * slower if arm == "candidate" else 0.1
            columns = {"input_tokens": [100 * factor] * 20, "prompt": SAME_TEXT, "output_tokens": [100] * 20,
                       "output_chars": [length] * 20, **fields}  # fmt: skip
            made.append(measured([ttft] * 20, arm=arm, block=block + 1, **columns))
    return made


def said(steps: list[Measured]) -> dict[str, dict[str, Any]]:
    return {c["metric"]: c for c in comparisons(all_pairs(steps, AB), AB)}


def status(steps: list[Measured]) -> str:
    found = all_pairs(steps, AB)
    return str(verdict(Evidence(AB, steps, comparisons(found, AB), found, [], None))["status"])


# -- how much usage differs


@pytest.mark.parametrize(("ratio", "found"), [(1.0, False), (1.01, False), (1.011, True), (0.9, True)])
def test_usage_for_equal_text_tells_the_tokenizer(ratio: float, found: bool) -> None:
    """Beyond 1 % for the same prompts, in either direction."""
    assert [round(one.ratio, 3) for one in differences(arms(ratio), AB)] == ([ratio] if found else [])


def test_prompts_are_paired_not_averaged() -> None:
    """The candidate sent more of the long prompts: the mean of its usage is another one, its tokenizer is not."""
    base = measured([0.1] * 4, prompt=[1, 1, 1, 2], input_tokens=[100, 100, 100, 110])
    other = measured([0.1] * 4, arm="candidate", prompt=[1, 2, 2, 3], input_tokens=[100, 110, 110, 900])

    assert differences([base, other], AB) == []


def test_a_template_is_no_tokenizer() -> None:
    """90 tokens more on each prompt, of 100 tokens or 1000, are a system prompt; 20 % more are a tokenizer."""
    sizes = np.array([100.0, 1000.0] * 10)
    prompts = {"prompt": SAME_TEXT}
    base = measured([0.1] * 20, input_tokens=sizes, **prompts)
    more, other = (measured([0.1] * 20, arm="candidate", input_tokens=n, **prompts) for n in (sizes + 90, sizes * 1.2))

    assert differences([base, more], AB) == []
    assert [one.ratio for one in differences([base, other], AB)] == pytest.approx([1.2])


@pytest.mark.parametrize("missing", ["input_tokens", "prompt"])
def test_without_usage_nothing_is_known(missing: str) -> None:
    """What the client counted is no usage: rows have no input count then. No common prompt, no ratio."""
    assert differences(arms(**{missing: [np.nan] * 20}), AB) == []
    apart = [*arms(1.2)[::2], *arms(1.2, cell=cell(1))[1::2]]
    assert differences(apart, AB) == []


# -- what is compared


def test_a_time_per_character_takes_the_place_of_times_per_token() -> None:
    """TPOT and E2E of forced lengths leave the gate and say why; (1 - 0.1) s / 400 x 1000 is gated in their place."""
    found = said(arms())

    assert {metric: c["gated"] for metric, c in found.items()} == {
        "ttft_s": True, "tpot_s": False, "s_per_1k_chars": True, "e2e_s": False, "good_per_s": True,
    }  # fmt: skip
    for metric in ("tpot_s", "e2e_s"):
        assert (found[metric]["ratio"], found[metric]["judged_by"]) == (None, "s_per_1k_chars")
        assert found[metric]["reason"] == (
            "not comparable: tokenizers differ: candidate counts +20.0% tokens for the text of baseline; "
            "time per 1,000 characters is gated in its place"
        )
    assert found["good_per_s"]["warning"].endswith("replies of equal token counts are not equally long texts")
    assert found["s_per_1k_chars"]["baseline"] == pytest.approx(0.9 / 400 * 1000)
    assert found["s_per_1k_chars"]["ratio"] == pytest.approx(400 / 480, rel=1e-3)


def test_what_was_replaced_keeps_nothing_from_passing() -> None:
    """Equal speed per character passes; 10 % slower per character fails by name, though TPOT is not compared."""
    assert status(arms(chars=(400, 400))) == "pass"
    assert not_ruled_out(all_pairs(arms(chars=(400, 400)), AB), AB) == []
    found = said(arms(chars=(400, 360)))
    assert found["s_per_1k_chars"]["verdict"] == "worse"
    assert status(arms(chars=(400, 360))) == "fail"


def test_without_characters_nothing_takes_the_place() -> None:
    """Rows of before that column: TPOT and E2E are comparable nowhere, and that is no pass."""
    steps = arms(output_chars=[np.nan] * 20)

    assert "judged_by" not in said(steps)["tpot_s"]
    assert [one.metric for one in not_ruled_out(all_pairs(steps, AB), AB)] == ["tpot_s", "e2e_s"]
    assert status(steps) == "inconclusive"


def test_an_arm_that_fails_more_does_not_escape_by_its_tokenizer() -> None:
    """The time per character is not comparable either, and is what keeps the run from passing."""
    steps = [
        measured([0.1] * (96 if arm == "candidate" else 100), failed=4 * (arm == "candidate"), arm=arm, block=b,
                 input_tokens=[n] * 100, prompt=np.arange(100), output_tokens=[9] * 100, output_chars=[40] * 100)
        for b in range(1, 7) for arm, n in (("baseline", 100), ("candidate", 120))
    ]  # fmt: skip
    unproven = not_ruled_out(all_pairs(steps, AB), AB)

    assert [(one.metric, one.why) for one in unproven if one.metric != "good_per_s"] == [
        (metric, "failure shares differ: 0.0% against 4.0%") for metric in ("ttft_s", "s_per_1k_chars")
    ]


def test_e2e_of_tasks_is_compared_at_equal_lengths_in_characters() -> None:
    """Natural stop: 100 against 120 tokens are 400 characters each, one text; 440 characters are another."""
    same = said(arms(cell=None, chars=(400, 400)))
    longer = said(arms(cell=None, chars=(400, 440)))

    assert same["e2e_s"]["gated"]
    assert not same["tpot_s"]["gated"]
    assert longer["e2e_s"]["reason"].startswith(
        "not comparable: output lengths differ: 400.0 against 440.0 characters; time per 1,000 characters is gated"
    )
    assert status(arms(cell=None, chars=(400, 404), slower=0.98)) == "pass"


def test_a_reply_that_is_not_streamed_is_timed_from_sending() -> None:
    """E2E per character where there is no first token; a stream that came in one piece has none; vectors have E2E."""
    whole = measured([0.1], streamed=False, ttft_s=[np.nan], tpot_s=[np.nan], output_chars=[500])
    piece = measured([0.1], tpot_s=[np.nan], output_chars=[500])

    assert whole.s_per_1k_chars == pytest.approx(1.0 / 500 * 1000)
    assert piece.s_per_1k_chars is None
    assert measured([0.1], output_chars=[0]).s_per_1k_chars is None
    vectors = said(arms(output_tokens=[np.nan] * 20, output_chars=[np.nan] * 20))
    assert vectors["e2e_s"]["gated"]


def test_arms_with_one_tokenizer_are_compared_as_ever() -> None:
    """No further metric, no reason, whatever they write."""
    found = said(arms(1.0, chars=(400, 900)))

    assert {metric: c["gated"] for metric, c in found.items()} == dict.fromkeys(
        ("ttft_s", "tpot_s", "e2e_s", "good_per_s"), True
    )
    assert tokenizer_warnings(differences(arms(1.0), AB)) == []
    assert {c["cell"]["input"] for c in found.values()} == {CELL.input}


# -- from rows to pages


def other_tokenizer(columns: dict[str, np.ndarray], candidate: np.ndarray) -> None:
    columns["output_chars"] = 4.0 * columns["output_tokens"]
    columns["output_chars"][candidate] *= 1.25
    columns["input_tokens"][candidate] = np.round(columns["input_tokens"][candidate] / 1.25)


def test_from_rows_to_pages(tmp_path: Path) -> None:
    """The summary obeys its schema, warns with advice, and every page names the time per character."""
    run = retold(tmp_path / "run", other_tokenizer, noise=0.005)
    summary = summarize(run)
    compared = [c for c in summary["comparisons"] if c["metric"] == "s_per_1k_chars"]
    [warning] = [w for w in summary["warnings"] if w["code"].startswith("tokenizers")]

    assert list(jsonschema.Draft202012Validator(CONTRACT).iter_errors(json.loads(json.dumps(summary)))) == []
    assert {c["level"] for c in compared} == {"cell", "rung", "tasks"}
    assert [c["ratio"] for c in compared] == pytest.approx([0.8] * len(compared), rel=0.05)
    assert warning["text"].startswith("For equal text candidate counts -19.8% tokens")
    assert warning["advice"].startswith("Judge by the time per 1,000 characters")
    for page in (render_html(summary, run.manifest), render_markdown(summary, run.manifest)):
        assert "time per 1,000 characters" in page
        assert "tokenizers differ" in page


def test_an_ordinary_run_says_nothing_of_it(tmp_path: Path) -> None:
    """Equal usage: the same comparisons as without the column of characters."""

    def more_text(columns: dict[str, np.ndarray], candidate: np.ndarray) -> None:
        columns["output_chars"] = np.where(candidate, 9.0, 4.0) * columns["output_tokens"]

    run = retold(tmp_path / "run", more_text)
    plain = Run.open(
        synthetic_run(tmp_path / "plain" / "run", blocks=4, rungs=(1, 4), cells=("short/short", "medium/medium"))
    )
    assert summarize(run) == summarize(plain)
