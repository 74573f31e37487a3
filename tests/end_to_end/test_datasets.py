"""Prompts from a data set and drawn sizes, through a whole run: what the service counts is what was measured before."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from exporters.record import Run
from locustfiles._entries import matrix_prompts
from locustfiles._tokens import load_tokenizer
from scenarios.spread import spread_of
from tests.end_to_end.service import front_door, read, scenario

DATA = """
[data]
file = "set.parquet"
prompt = "question"
output = "answer"
[tasks]
requests = 6
concurrency = 2
max_tokens = 16
"""
SIZES = 'input = { drawn = "normal(120,60)", real = "data" }\noutput = { drawn = "uniform(4,12)", real = "data" }\n'
CELLS = 'cells = ["drawn/drawn", "real/real"]\n'


def asked(folder: Path, url: str) -> Path:
    rows = [{"question": f"What is {' and '.join(map(str, range(i)))}?", "answer": i % 9 + 3} for i in range(1, 60)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "set.parquet")
    path = scenario(folder, url, duration="1.5s", more=DATA)
    text = path.read_text().replace("input = { short = 32 }\noutput = { short = 24 }\n", SIZES + CELLS)
    path.write_text(text.replace('cell = "short/short"', 'cell = "real/real"'))
    return path


def test_lengths_are_those_of_the_data_and_of_the_distribution(tmp_path: Path, simulated: str) -> None:
    """Two workers; rows of the data cell have their prompts' tokens and their answers'; drawn sizes are spread so."""
    out, path = tmp_path / "run", asked(tmp_path, simulated)
    done = front_door("run", path, "--out", out, "--processes", "2")
    assert done.returncode in (0, 4), done.stderr
    run, summary = Run.open(out), read(out / "summary.json")
    rows = [row for row in run.requests().to_pylist() if row["outcome"] == "ok" and row["phase"] != "check"]
    tokenizer = load_tokenizer("o200k_base")
    prompts = {prompt.id: prompt for prompt in matrix_prompts(run.scenario.data, 3, tokenizer, tokenizer)}

    real = [row for row in rows if row["cell_input"] == "real"]
    assert {row["prompt_id"] for row in real} <= prompts.keys()
    assert all(row["input_tokens"] == prompts[row["prompt_id"]].tokens for row in real)
    assert all(row["output_tokens"] == prompts[row["prompt_id"]].output for row in real)
    drawn = [row for row in rows if row["cell_input"] == "drawn"]
    assert {row["input_tokens"] for row in drawn} <= set(spread_of("normal(120,60)").sizes(10))
    assert stats.kstest([row["output_tokens"] for row in drawn], stats.uniform(3.5, 9).cdf).statistic < 0.35
    tasks = [row for row in rows if row["workload"] == "task" and row["phase"] == "window"]
    assert len(tasks) == 6
    assert all(row["prompt_id"].startswith("data-") for row in tasks)
    assert all(set(step["lengths"]) == {"input", "output"} for step in summary["steps"] if step["requests"]["ok"] > 5)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [('prompt = "quest"', "no column quest or messages; there are: question, answer"),
     ('output = "tokens"', "no column tokens"), ('file = "nowhere.parquet"', "data.file")],
)  # fmt: skip
def test_a_data_set_that_cannot_be_used_is_said_before_any_request(
    tmp_path: Path, simulated: str, wrong: str, words: str
) -> None:
    """Exit 2, one line with what is there."""
    path = asked(tmp_path, simulated)
    key = wrong.split(" = ")[0]
    path.write_text("\n".join(wrong if line.startswith(f"{key} = ") and "{" not in line else line
                              for line in path.read_text().splitlines()))  # fmt: skip
    done = front_door("run", path, "--out", tmp_path / "run")
    assert done.returncode == 2, done.stderr
    assert words in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "run" / "run.json").exists()


def test_prompts_beyond_the_context_stop_the_run_or_are_left_out(tmp_path: Path, simulated: str) -> None:
    """One of three is too long: exit 2 before any measurement; with on_bad = "skip" it is never sent."""
    rows = [{"question": f"{word} " * length, "answer": 4} for word, length in (("a", 9), ("b", 9), ("long", 20_000))]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set.parquet")
    more = '[data]\nfile = "set.parquet"\nprompt = "question"\noutput = "answer"\n'
    path = scenario(tmp_path, simulated, duration="0.3s", more=more)
    text = path.read_text().replace("input = { short = 32 }\noutput = { short = 24 }", 'input = { real = "data" }\n'
                                    'output = { real = "data" }').replace("short/short", "real/real")  # fmt: skip
    path.write_text(text)
    stopped = front_door("run", path, "--out", tmp_path / "stopped")
    went_on = front_door("run", path, "--out", tmp_path / "run", "--set", "data.on_bad=skip")
    said = [" ".join(done.stderr.split()) for done in (stopped, went_on)]

    assert stopped.returncode == 2
    assert "1 prompts of the data set exceed it with their answers" in said[0]
    assert 'leave them out by [data] on_bad = "skip"' in said[0]
    assert went_on.returncode in (0, 4), went_on.stderr
    assert "they are left out" in said[1]
    prompts = {row["prompt_id"] for row in Run.open(tmp_path / "run").requests().to_pylist() if row["phase"] != "check"}
    assert prompts == {"data-1", "data-2"}
