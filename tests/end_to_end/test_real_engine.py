"""Against llama.cpp with SmolLM2: our counts are its counts, our latencies are its own timings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc

from benchmarks.real_engine import WITHOUT_TEXT, predicted_total
from exporters.record import Run
from tests.end_to_end.service import front_door, read, scenario

MEASURE = """
import json, sys, locust
from benchmarks.real_engine import agreement, measure
print(json.dumps(agreement(measure(sys.argv[1], 32, 2))))
"""


def test_ttft_and_tpot_agree_with_the_engines_timings(engine: str) -> None:
    """Medians of 32 requests within 10 % of the engine's own; every content chunk is one token."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, engine], capture_output=True, text=True, timeout=100, check=True
    )
    figures = json.loads(done.stdout)

    assert figures["requests"] == figures["chunks_equal_tokens"] == 32
    assert abs(figures["ttft_ratio"] - 1) < 0.10, figures
    assert abs(figures["tpot_ratio"] - 1) < 0.10, figures


def test_a_run_on_the_real_engine_counts_what_the_engine_counts(tmp_path: Path, engine: str) -> None:
    """Output tokens of all rows together are the delta of the engine's counter; each chunk is a token of usage."""
    before = predicted_total(engine)
    out = tmp_path / "run"
    asked = scenario(tmp_path, engine, more="[tasks]\nconcurrency = 2\nrequests = 4\nmax_tokens = 12\n")
    extra = f"arms.baseline.extra_body.logit_bias={json.dumps(WITHOUT_TEXT)}"
    done = front_door("run", asked, "--out", out, "--set", "prompts.tokenizer=auto", "--set", extra)
    assert done.returncode in (0, 4), done.stderr
    rows = Run.open(out).requests()

    ok = rows.filter(pc.equal(rows["outcome"], "ok"))
    assert ok.num_rows == rows.num_rows
    # By itself the model ends with a token without text, which usage counts and no chunk carries.
    forced = ok.filter(pc.equal(ok["workload"], "matrix"))
    assert forced["chunks"].to_pylist() == forced["output_tokens"].to_pylist()
    assert sum(ok["output_tokens"].to_pylist()) == predicted_total(engine) - before
    assert {row["workload"] for row in ok.to_pylist()} == {"matrix", "task"}
    assert [task["requests"]["sent"] for task in read(out / "summary.json")["tasks"]] == [4]
