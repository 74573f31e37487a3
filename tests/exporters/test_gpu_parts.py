"""The GPU exporter's pure parts: the page, integrals, names of processes, and the simulated GPU's rules."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from exporters.exposition import Field, labels, page
from exporters.gpu_fields import GPU_UTIL, POWER
from exporters.gpu_integral import BUSY_SECONDS, POWER_JOULES, Integrals
from exporters.gpu_processes import cleaned
from exporters.gpu_words import reason_of
from simulator.gpu import IDLE_W, LIMIT_W, Card, load_of
from tests.exporters.names import FIELDS

GAUGE = Field("a_gauge", "gauge", "Help.")


@given(st.text(max_size=250), st.floats(allow_nan=False))
def test_any_label_and_value_come_through_the_page(text: str, number: float) -> None:
    """What a parser reads is what was written: printable letters as they are, others as `?`, 200 at most."""
    (family,) = text_string_to_metric_families(page([(GAUGE, labels(name=text), number)]).decode())
    (sample,) = family.samples

    assert sample.value == number
    assert sample.labels == {"name": "".join(letter if letter.isprintable() else "?" for letter in text[:200])}


def test_series_of_one_name_stand_together() -> None:
    """Help and type come once, whatever the order of the readings: the text format asks for it."""
    other = Field("other_total", "counter", "Other.")
    lines = page([(GAUGE, 'gpu="0"', 1), (other, "", 2), (GAUGE, 'gpu="1"', 3)]).decode().splitlines()

    assert lines == [
        "# HELP a_gauge Help.", "# TYPE a_gauge gauge", 'a_gauge{gpu="0"} 1', 'a_gauge{gpu="1"} 3',
        "# HELP other_total Other.", "# TYPE other_total counter", "other_total 2",
    ]  # fmt: skip


@given(st.lists(st.tuples(st.floats(0.01, 0.9), st.floats(0, 700)), min_size=2, max_size=50))
def test_an_integral_is_the_sum_of_its_trapezoids(steps: list[tuple[float, float]]) -> None:
    """Power over time adds up to joules, utilization to busy seconds."""
    integrals, at, found = Integrals(1.0), 0.0, []
    for step, watts in steps:
        at += step
        found = integrals.add("GPU-a", at, [(POWER, "", watts), (GPU_UTIL, "", 50)])
    expected = sum((before + now) / 2 * step for (_, before), (step, now) in itertools.pairwise(steps))
    values = {field: value for field, _, value in found}

    assert math.isclose(values[POWER_JOULES], expected, rel_tol=1e-9, abs_tol=1e-6)
    assert math.isclose(values[BUSY_SECONDS], 0.5 * (at - steps[0][0]), rel_tol=1e-9, abs_tol=1e-9)


def test_time_without_samples_adds_nothing() -> None:
    """A gap longer than the samples are fresh is left out, not made up; nor is a GPU's absence."""
    integrals = Integrals(1.0)
    for at in (0.0, 1.0, 11.0, 12.0):
        found = integrals.add("GPU-a", at, [(POWER, "", 100)])
    integrals.keep(set())
    back = integrals.add("GPU-a", 12.5, [(POWER, "", 100)])

    assert found == [(POWER_JOULES, "", 200.0)]
    assert back == found


@given(st.text(max_size=300))
def test_a_process_s_name_is_short_and_printable(text: str) -> None:
    """Whatever a process calls itself: one word, no folder, no control letters, at most 64 of them."""
    name = cleaned(text)

    assert len(name) <= 64
    assert name == "" or name.isprintable()
    assert "/" not in name


def test_arguments_of_a_process_do_not_get_out() -> None:
    """Only the program's own name stays."""
    assert cleaned("/usr/bin/python3 serve.py --api-key secret") == "python3"
    assert cleaned("VLLM::EngineCore") == "VLLM::EngineCore"
    assert cleaned("  ") == ""


def test_failures_have_words_of_a_closed_set() -> None:
    """An unknown code of NVML is `other`, and what is no error of NVML's is a fault of ours."""
    known, unknown = Exception(), Exception()
    known.value, unknown.value = 15, 4711

    assert [reason_of(one) for one in (known, unknown, KeyError("x"))] == ["gpu_is_lost", "other", "unexpected"]


def test_a_simulated_gpu_s_energy_is_the_integral_of_its_power() -> None:
    """Two seconds idle, three at eight running requests (three quarters of the way to the limit), one idle."""
    now = 0.0
    card = Card(lambda: now)
    now = 2.0
    card.load(8, 0.5)
    busy = card.watts()
    now = 5.0
    card.load(0, 0)
    now = 6.0

    assert busy == IDLE_W + 0.75 * (LIMIT_W - IDLE_W)
    assert card.joules() == pytest.approx(3 * IDLE_W + 3 * busy)


def test_the_load_of_several_engines_adds_up() -> None:
    """Running requests are a sum, the share of the pool is a mean; an empty page is no load."""
    two = (
        "# TYPE vllm:num_requests_running gauge\n"
        'vllm:num_requests_running{engine="0"} 3\nvllm:num_requests_running{engine="1"} 4\n'
        'vllm:kv_cache_usage_perc{engine="0"} 0.2\nvllm:kv_cache_usage_perc{engine="1"} 0.4\n'
    )

    assert load_of(two) == (7, pytest.approx(0.3))
    assert load_of("") == (0, 0)


def test_every_name_of_ours_is_documented() -> None:
    """The second table of docs/prometheus.md against the exporter's fields, both ways: names and kinds."""
    text = (Path(__file__).parents[2] / "docs" / "prometheus.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(tokenswarm_gpu_\w+)` \| (\w+) \|", text, re.MULTILINE)

    assert set(rows) == {(field.name, field.kind) for field in FIELDS if field.name.startswith("tokenswarm_gpu_")}
