"""Useless tokens of kept texts: counted once, in the service's own tokens, with examples that are safe to print."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.record import Run
from reports.measured import measured_steps
from reports.vocabulary import tokens
from reports.waste import wasted
from reports.waste_edits import applied, savings
from reports.waste_json import bullets, compact
from reports.waste_rules import Reply, in_prompt, in_reply
from reports.waste_texts import of_texts
from tests.exporters.synthetic import synthetic_run

JSON = '```json\n{\n  "name": "Ada",\n  "born": 1815\n}\n```'
LINE = {
    "workload": "task", "step": "s", "arm": "a", "prompt_id": "p", "outcome": "ok", "finish_reason": "stop",
    "prompt": "Who?", "reasoning": "", "text": "Ada.",
}  # fmt: skip


def read(*lines: dict[str, Any]) -> dict[str, list[float]]:
    """By category the useless tokens of each line."""
    texts = of_texts([{**LINE, **line} for line in lines], {"s": 1})
    assert texts is not None
    return {one.name: one.tokens.tolist() for one in texts[0]}


def test_json_costs_its_layout_and_its_syntax() -> None:
    """Fences, then white space, then what compact JSON costs beyond lines with bullets: the parts sum to the whole."""
    people = [{"name": name, "place": {"city": "Rome", "zip": None}} for name in ("Ada", "Bo", "Cy", "Di", "Ed")]
    text, short = json.dumps(people, indent=2), json.dumps(people, separators=(",", ":"))
    fenced = f"```json\n{text}\n```"
    saved = savings(fenced, in_reply(Reply("Who?", fenced)))
    lines = "\n".join(bullets(people))

    assert lines.startswith("-\n  - name: Ada\n  - place:\n    - city: Rome\n    - zip: null\n-")
    assert compact(text) == short
    assert saved["fences"] == tokens(fenced) - tokens(f"{text}\n")
    assert saved["json_layout"] == tokens(f"{text}\n") - tokens(f"{short}\n")
    assert saved["json_syntax"] == max(tokens(f"{short}\n") - tokens(f"{lines}\n"), 0)


def test_where_compact_json_is_the_shortest_its_syntax_is_not_useless() -> None:
    """Two members: bullets would cost more tokens than compact JSON."""
    saved = savings(JSON, in_reply(Reply("Who?", JSON)))

    assert saved["json_syntax"] == 0
    assert saved["fences"] + saved["json_layout"] == tokens(JSON) - tokens('{"name":"Ada","born":1815}\n')


@given(st.text(alphabet=st.sampled_from('ab {}[]",:\n`~.<>/think Sure!'), max_size=300), st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_whatever_a_reply_is_parts_are_no_more_than_the_whole(text: str, prompt: str) -> None:
    """No rule fails or saves more than there is, nothing is negative, and edits lie within the text."""
    for of, found in ((text, in_reply(Reply(prompt, text))), (prompt, in_prompt(Reply(prompt, text)))):
        saved = savings(of, found)

        assert all(value >= 0 for value in saved.values())
        assert sum(saved.values()) <= tokens(of)
        assert all(0 <= edit.start < edit.end <= len(of) for edits in found.values() for edit in edits)
        for edits in found.values():
            applied(of, edits)


def test_tokens_are_the_service_s_own() -> None:
    """A service that counts twice as many has twice as many useless ones; of reasoning it tells, its own figure."""
    thinking = "Let me think about who that was."
    ours = tokens(JSON) + tokens(thinking)
    found = read({"text": JSON}, {"text": JSON, "output_tokens": 2 * tokens(JSON)}, {
        "text": JSON, "reasoning": thinking, "output_tokens": ours, "reasoning_tokens": 77,
    })  # fmt: skip

    assert found["fences"][1] == 2 * found["fences"][0] > 0
    assert found["reasoning"] == [0, 0, 77]


def test_what_a_cache_served_is_not_useless() -> None:
    """Shared instructions cost what was not cached; a prompt that nobody shares costs nothing."""
    system = "You answer for a small library in the old town. " * 4
    lines = [{"prompt": f"{system}\n\n{ask}", "prompt_id": ask} for ask in ("When?", "Where?")]
    (cold, _), (warm, _) = (read(*({**line, "cached_tokens": n} for line in lines))["shared"] for n in (0, 30))

    assert cold == tokens(system)
    assert warm == cold - 30
    assert read({"prompt": f"{system}\n\nWhen?"})["shared"] == [0]


def test_a_reply_that_was_cut_is_not_judged_by_its_text() -> None:
    """It is useless as a whole, prompt and all, and counted there."""
    cut, failed = ({"text": JSON, "prompt": "Answer in JSON only.", **how} for how in (
        {"finish_reason": "length"}, {"outcome": "timeout"},
    ))  # fmt: skip

    assert [sum(each) for each in zip(*read(cut, failed, {"text": JSON}).values(), strict=True)][:2] == [0, 0]
    assert read({"text": JSON, "prompt": "Answer in JSON only."})["instructions"][0] > 0


def test_examples_are_short_safe_and_three() -> None:
    """Terminal escapes, directions and long lines of a server's text do not reach a report."""
    hostile = "Sure\x1b[31m\u202e, " + "<script>alert(1)</script> " * 400 + "!"
    texts = of_texts([{**LINE, "text": f"Sure number {n}! Ada.", "prompt_id": str(n)} for n in range(5)], {"s": 1})
    poisoned = of_texts([{**LINE, "text": hostile, "reasoning": hostile}], {"s": 1})
    assert texts is not None
    assert poisoned is not None
    shown = [example for one in poisoned[0] for example in one.examples]

    assert [one.examples for one in texts[0] if one.name == "opening"] == [
        ("Sure number 0!", "Sure number 1!", "Sure number 2!")
    ]
    assert shown
    assert all(len(one) <= 121 and "\x1b" not in one and "\u202e" not in one for one in shown)


@pytest.mark.parametrize(
    "text", ["{" * 60_000, "[" * 60_000, "a" * 10_000_000, "`" * 60_000, "\n" * 60_000, '{"a":' * 9_000]
)
def test_long_lines_do_not_hold_up_a_report(text: str) -> None:
    """Ten million characters, sixty thousand brackets: judged by their beginning, without an error."""
    assert all(np.isfinite(values).all() for values in read({"text": text}).values())


def test_a_run_has_texts_where_they_were_kept(tmp_path: Any) -> None:
    """With [tasks] responses = 0 whole requests are judged, no text is, and the way to them is named."""
    known = Run.open(synthetic_run(tmp_path / "kept", blocks=2, rungs=(2,), cells=("short/short",)))
    tasks = {"tasks": {"requests": 40, "responses": 0}}
    none = Run.open(synthetic_run(tmp_path / "none", blocks=2, rungs=(2,), cells=("short/short",), more=tasks))
    kept, bare = (wasted(run, measured_steps(run), run.scenario).figures for run in (known, none))

    assert kept["counted_by"] == "o200k_base"
    assert all(arm["texts"] > 0 for arm in kept["arms"])
    assert {one["level"] for one in kept["arms"][0]["categories"]} == {"request", "output", "input"}
    assert {one["level"] for one in bare["arms"][0]["categories"]} == {"request"}
    assert bare["missing"][0]["advice"] == "set [tasks] responses to 200"
