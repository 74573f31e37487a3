"""Against llama.cpp with SmolLM2: our counts are its counts, our latencies are its own timings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc
import pytest

from benchmarks.real_engine import WITHOUT_TEXT, predicted_total
from exporters.record import Run
from simulator.llamacpp import CONTEXT_PER_SLOT
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
    """Output tokens of all rows together are the delta of the engine's counter; each chunk is a token of usage. Its
    KV pool is slots x context, of which our few requests hold at most their tokens: the rest is fragmentation."""
    before = predicted_total(engine)
    out = tmp_path / "run"
    more = "[sampling]\nhz = 10\n[tasks]\nconcurrency = 2\nrequests = 4\nmax_tokens = 12\n"
    asked = scenario(tmp_path, engine, duration="2s", more=more)
    extra = f"arms.baseline.extra_body.logit_bias={json.dumps(WITHOUT_TEXT)}"
    asked.write_text(asked.read_text().replace("[ladder]", f'metrics = ["{engine}/metrics"]\n[ladder]'))
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
    summary = read(out / "summary.json")
    assert [task["requests"]["sent"] for task in summary["tasks"]] == [4]
    longest = max(row["input_tokens"] + row["output_tokens"] for row in forced.to_pylist())
    assert set(Run.open(out).server()["pool_tokens"].to_pylist()) == {4.0 * CONTEXT_PER_SLOT}
    for step in (step for step in summary["steps"] if step["valid"]):
        held = step["concurrency"] * longest / (4 * CONTEXT_PER_SLOT)
        assert (step["gpu"]["kv_slots"], step["gpu"]["kv_used_share"]) == (4.0, 1.0)
        assert 1 - held <= step["gpu"]["kv_fragmentation"] < 1, step["gpu"]
        assert step["gpu"]["kv_live_share"] == pytest.approx(1 - step["gpu"]["kv_fragmentation"])
