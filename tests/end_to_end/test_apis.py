"""Every API that llama.cpp serves, through the front door: a whole run, and its rows against what the engine counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporters.record import Run
from simulator.process import served
from tests.end_to_end.service import front_door, no_traceback, read, scenario

MAPPING = """
[arms.baseline.json]
body = '''{"prompt": "{{prompt}}", "max_tokens": {{max_tokens}}, "ignore_eos": true, "stream": {{stream}},
  "stream_options": {"include_usage": true}}'''
stream = "sse"
text = "choices.0.text"
input_tokens = "usage.prompt_tokens"
output_tokens = "/usage/completion_tokens"
finish = "choices.0.finish_reason"
"""
FORCED = "extra_body = { ignore_eos = true }\n"  # this server takes it here too, but not under /v1/messages


def asked(folder: Path, url: str, arm: str, more: str = "") -> Path:
    """The usual scenario with one rung, and lines of its own in the arm."""
    path = scenario(folder, url, duration="0.3s", more=more)
    text = path.read_text().replace('model = "simulated-small"\n', 'model = "simulated-small"\n' + arm)
    path.write_text(text.replace("[1, 2]\nat = 2", "[2]\nat = 2").replace("min_requests = 6", "min_requests = 4"))
    return path


@pytest.mark.parametrize(
    ("arm", "forced"),
    [
        ('api = "openai-completions"\n', True),
        ('api = "openai-responses"\n' + FORCED, True),
        ('api = "anthropic-messages"\n', False),
        ('api = "json"\npath = "/v1/completions"\n' + MAPPING, True),
    ],
)
def test_a_run_over_an_api(tmp_path: Path, engine: str, arm: str, forced: bool) -> None:
    """Every request is ok, its chunks are the tokens the engine counts, with TTFT, TPOT and the length as asked."""
    done = front_door("run", asked(tmp_path, engine, arm), "--out", tmp_path / "run")
    assert done.returncode in (0, 4), done.stderr
    assert no_traceback([done.stderr])
    rows = Run.open(tmp_path / "run").requests().to_pylist()

    assert len(rows) >= 4
    assert [row["error"] for row in rows if row["outcome"] not in ("ok", "aborted")] == []
    ok = [row for row in rows if row["outcome"] == "ok"]
    assert [row for row in ok if not row["ttft_s"] or not row["input_tokens"] or not row["output_tokens"]] == []
    # Tokens without text (a natural end, a part of a character) are counted, and no chunk carries them.
    unseen = [row["output_tokens"] - row["chunks"] for row in ok]
    assert min(unseen) == 0
    assert sum(unseen) <= (0.1 * sum(row["output_tokens"] for row in ok) if forced else len(ok))
    if forced:
        assert {row["output_tokens"] for row in ok if row["phase"] != "check"} == {24}
        assert [row for row in ok if not row["tpot_s"]] == []


@pytest.mark.parametrize(("api", "answers"), [("openai-embeddings", "vectors"), ("rerank", "scores")])
def test_a_run_without_output(tmp_path: Path, api: str, answers: str) -> None:
    """Vectors and scores: E2E and input tokens, no TTFT, no output; the report is made of that."""
    with served("simulator.llamacpp", ("--slots", "2", "--answers", answers)) as url:
        path = asked(tmp_path, url, f'api = "{api}"\n')
        path.write_text(path.read_text().replace("output = { short = 24 }\n", "").replace('cell = "short/short"\n', ""))
        done = front_door("run", path, "--out", tmp_path / "run")
    assert done.returncode in (0, 4), done.stderr
    rows = Run.open(tmp_path / "run").requests().to_pylist()
    summary = read(tmp_path / "run" / "summary.json")

    assert {row["outcome"] for row in rows} <= {"ok", "aborted"}
    ok = [row for row in rows if row["outcome"] == "ok"]
    assert {(row["ttft_s"], row["output_tokens"], row["requested_tokens"], row["chunks"]) for row in ok} == {
        (None, None, None, 0)
    }
    assert min(row["e2e_s"] for row in ok) > 0
    assert min(row["input_tokens"] for row in ok) >= 28  # 32 of another tokenizer
    assert summary["steps"][-1]["cell"]["output"] == "none"
    for step in (step for step in summary["steps"] if step["requests"]["ok"]):
        throughput = step["throughput"]
        assert "output_tokens" not in throughput
        assert throughput["total_tokens"] == pytest.approx(throughput["requests"] * ok[0]["input_tokens"], rel=0.35)


def test_check_names_a_path_that_matches_nothing(tmp_path: Path, engine: str) -> None:
    """A mapping with a wrong count is a warning with the path; one with a wrong text cannot be measured."""
    arm = 'api = "json"\npath = "/v1/completions"\n' + MAPPING
    counts = front_door("check", asked(tmp_path, engine, arm.replace("usage.prompt_tokens", "usage.in")))
    text = front_door("check", asked(tmp_path, engine, arm.replace("choices.0.text", "choices.0.txt")))

    assert 'json.input_tokens = "usage.in": nothing is there' in " ".join(counts.stdout.split())
    assert 'json.text = "choices.0.txt": nothing is there' in " ".join(text.stdout.split())
    assert (counts.returncode, text.returncode) == (0, 2)


def test_an_unverified_api_is_said_to_be_so(tmp_path: Path, simulated: str) -> None:
    """Azure's form is an OpenAI chat at another place: the simulator answers, and check says what was not tested."""
    arm = 'api = "azure-openai-chat"\npath = "/v1/chat/completions"\n'
    done = front_door("check", asked(tmp_path, simulated, arm))

    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "api azure-openai-chat is unverified: no recording of a real server was tested" in said
