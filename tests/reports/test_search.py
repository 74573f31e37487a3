"""What a report says of searches: the knee, its evidence, never a capacity that was not found, and no gate."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest
from measurements import measured, scenario

import reports.summary
from exporters.tally import StepTally
from reports.capacity import breaches, rung_slos
from reports.measured import Measured, counting
from reports.search import answer, search_capacities, searches
from reports.search_chart import search_charts
from reports.search_tables import answers, answers_table, evidence_table, search_figures
from reports.verdict import Evidence, verdict
from scenarios.scenario import Scenario

CONTRACT = json.loads((Path(reports.summary.__file__).parent / "summary.schema.json").read_text(encoding="utf-8"))
ENTRY = jsonschema.Draft202012Validator({**CONTRACT, "$ref": "#/$defs/search", "required": [], "properties": {},
                                         "additionalProperties": True})  # fmt: skip
TABLES: dict[str, Any] = {
    "slo": {"ttft": "500ms"},
    "search": {"max": 64},
    "matrix": {"input": {"short": 128}, "output": {"long": 1024}},
}


def asked(arms: tuple[str, ...] = ("service",), **tables: Any) -> Scenario:
    return scenario(arms, **{**TABLES, **tables})


def probe(number: int, load: float, good: int, **fields: Any) -> Measured:
    """A probe of 100 ok requests of which so many were in time; the tally says the same."""
    arm, block, try_ = fields.pop("arm", "service"), fields.pop("block", 1), fields.pop("try_", 1)
    rate = fields.pop("rate", None)
    name = f"b{block}-short_long-s{number}-c{load:g}-{arm}" + (f"-try{try_}" if try_ > 1 else "")
    step = measured(
        [0.1] * 100, good=np.arange(100) < good, id=name, arm=arm, block=block, concurrency=int(load), probe=number,
        try_=try_, rate=rate, **fields,
    )  # fmt: skip
    tally = StepTally()
    tally.sent, tally.good, tally.by_outcome = 100, good, {"ok": 100}
    return msgspec.structs.replace(step, record=msgspec.structs.replace(step.record, tally=tally.to_wire()))


def quiet(knee: float, **fields: Any) -> list[Measured]:
    """Probes around a knee, four at each side, after a climb."""
    low, high = int(knee), int(knee) + 1
    loads = [1, 2, 4, *[low, high] * 4]
    return [probe(i, load, 100 if load <= knee else 10, **fields) for i, load in enumerate(loads, start=1)]


def judged(steps: Sequence[Measured], told: Scenario, stopped: str | None = None) -> dict[str, Any]:
    return verdict(Evidence(told, steps, [], [], rung_slos(steps, told), stopped, None, searches(steps, told)))


def test_the_knee_is_found_with_its_evidence() -> None:
    """Met at 9, missed at 10: both ends, the knee between, one row for each load and each probe."""
    (entry,) = searches(quiet(9.5), asked())
    assert (entry["state"], entry["meets"], entry["misses"], entry["by"]) == ("found", 9, 10, "concurrency")
    assert 9 <= entry["interval"][0] <= entry["knee"] <= entry["interval"][1] <= 10
    assert [load["load"] for load in entry["loads"]] == [1, 2, 4, 9, 10]
    ninth = {"load": 9, "probes": 4, "met": 4, "sent": 400, "good": 400, "bounds": [pytest.approx(0.9925, abs=1e-4), 1]}
    assert entry["loads"][3] == ninth
    assert entry["probes"][-1]["ttft_s"]["p50"] == pytest.approx(0.1)
    assert answer(entry) == "9 users meet the SLO and 10 do not"
    assert list(ENTRY.iter_errors(entry)) == []


def test_a_search_gates_nothing_and_says_so() -> None:
    """Loads that are missed are what a search looks for: pass, exit 0, and the answer among the reasons."""
    steps = quiet(9.5)
    told = judged(steps, asked())
    assert (told["status"], told["exit_code"]) == ("pass", 0)
    assert told["reasons"] == [
        "Search, service, short/long: 9 users meet the SLO and 10 do not.", "The search itself gates nothing."
    ]  # fmt: skip
    assert breaches(rung_slos(steps, asked()), asked()) == []


@pytest.mark.parametrize(
    ("steps", "state", "said"),
    [
        ([probe(i, 1, 5) for i in range(1, 7)], "below", "the SLO is missed at 1 user already"),
        ([probe(i, 64, 100) for i in range(1, 7)], "above", "the SLO is still met at 64 users"),
        (quiet(9.5)[:4], "open", "undecided above 9 users: the run ended before the search did"),
        ([], "open", "undecided from 1 user on: the run ended"),
    ],
)
def test_a_search_without_an_answer_is_no_pass(steps: list[Measured], state: str, said: str) -> None:
    """Missed at its start, still met at its end, or cut: said so, and exit code 4."""
    (entry,) = searches(steps, asked())
    assert entry["state"] == state
    assert said in answer(entry)
    assert list(ENTRY.iter_errors(entry)) == []
    assert (judged(steps, asked())["exit_code"]) == 4


def test_a_bottleneck_of_the_client_is_never_a_capacity() -> None:
    """An invalid probe ends the search above what was met; what it measured does not count as missed."""
    why = "the client was the bottleneck: TTFT is uncertain by 9 ms (p99), 0.5 ms is allowed; run more workers"
    steps = [*(probe(i, 8, 100) for i in range(1, 6)), probe(6, 16, 3, valid=False, why_invalid=(why,), try_=2)]
    (entry,) = searches(steps, asked())
    assert (entry["state"], entry["meets"], entry.get("misses")) == ("undecided", 8, None)
    assert answer(entry).startswith("undecided above 8 users: the probe at 16 stayed invalid: the client was the bott")
    assert [load["load"] for load in entry["loads"]] == [8]
    assert search_capacities([entry]) == [
        {"arm": "service", "cell": entry["cell"], "rung": 8, "next": None, "undecided": [16]}
    ]
    assert (judged(steps, asked())["status"], judged(steps, asked())["exit_code"]) == ("inconclusive", 4)
    assert list(ENTRY.iter_errors(entry)) == []


def test_of_a_probe_that_was_repeated_the_last_try_counts() -> None:
    """An invalid first try is no evidence, and does not end the search."""
    first = probe(1, 1, 0, valid=False, why_invalid=("a worker was lost",))
    steps = [first, probe(1, 1, 100, try_=2), *quiet(9.5)[1:]]
    (entry,) = searches(steps, asked())
    assert entry["state"] == "found"
    assert [one["try"] for one in entry["probes"]][:2] == [2, 1]
    assert len(counting(steps)) == len(steps) - 1


def test_arms_are_compared_over_the_blocks_in_which_both_were_found() -> None:
    """The candidate goes 20 % further in each of four blocks: the ratio has an interval around 1.2, and no gate."""
    told = asked(("baseline", "candidate"), plan={"blocks": 4})
    knees = {1: (9.5, 11.5), 2: (10.5, 12.5), 3: (9.5, 11.5), 4: (10.5, 12.5)}
    steps = [
        step
        for block, both in knees.items()
        for arm, knee in zip(("baseline", "candidate"), both, strict=True)
        for step in quiet(knee, arm=arm, block=block)
    ]
    base, candidate = searches(steps, told)
    assert "against" not in base
    against = candidate["against"]
    assert (against["arm"], against["n_pairs"]) == ("baseline", 4)
    assert against["ratio"] == pytest.approx(1.2, abs=0.03)
    assert 1.05 < against["ci"][0] < 1.2 < against["ci"][1] < 1.4
    assert against["ci_from"] == "blocks"
    assert [block["state"] for block in base["blocks"]] == ["found"] * 4
    assert judged(steps, told)["status"] == "pass"
    assert "recommendation" not in judged(steps, told)
    assert [list(ENTRY.iter_errors(entry)) for entry in (base, candidate)] == [[], []]


def test_blocks_that_agree_are_no_certainty() -> None:
    """Whole users hide where between two of them the knee lies: an interval of no width would be a lie."""
    told = asked(("baseline", "candidate"), plan={"blocks": 3})
    both = (("baseline", 6.5), ("candidate", 9.5))
    steps = [s for block in (1, 2, 3) for arm, knee in both for s in quiet(knee, arm=arm, block=block)]
    _, candidate = searches(steps, told)
    low, high = candidate["against"]["ci"]
    assert low < 9.25 / 6.75 < 9.75 / 6.25 < high


def test_one_block_gives_the_interval_of_both_knees() -> None:
    """How the service differs from block to block is not in it, and that is said."""
    told = asked(("baseline", "candidate"))
    steps = [*quiet(9.5, arm="baseline"), *quiet(11.5, arm="candidate")]
    _, candidate = searches(steps, told)
    low, high = candidate["against"]["ci"]
    assert low < 11.5 / 9.5 < high
    assert candidate["against"]["ci_from"] == "knees"
    table = answers_table(searches(steps, told))
    assert "raise [plan] blocks" in " ".join(table.notes)


def test_a_block_that_did_not_end_keeps_the_whole_from_being_found() -> None:
    """Two blocks, the second cut short: the answer is open, and says which block it was."""
    told = asked(plan={"blocks": 2})
    (entry,) = searches([*quiet(9.5), *quiet(9.5, block=2)[:3]], told)
    assert entry["state"] == "open"
    assert "block 2: " in answer(entry)
    assert [block["state"] for block in entry["blocks"]] == ["found", "open"]


def test_tables_and_pictures_hold_every_probe() -> None:
    """One row for each probe, with how sure it is; a picture with words for those who cannot see it."""
    entries = searches(quiet(9.5), asked())
    rows = evidence_table(entries).rows
    assert len(rows) == 11
    assert [rows[i][9].text for i in (0, -1)] == ["met", "missed"]
    summary = {"search": entries}
    assert answers(summary) == ["service, short/long: 9 users meet the SLO and 10 do not."]
    assert search_figures(summary)[0][1] == "9 users"
    ((name, chart),) = search_charts(summary, {"scenario": {"slo": {"attain": 0.95}}})
    assert name == "short/long"
    assert "100 % good at 9" in chart.words
    assert "10 % good at 10" in chart.words
    assert len(re.findall("<path", chart.svg)) > 5


def test_without_a_valid_probe_there_is_no_picture_and_no_number() -> None:
    """Nothing is drawn of nothing."""
    entries = searches([probe(1, 1, 0, valid=False, why_invalid=("no",))], asked())
    assert search_charts({"search": entries}, {}) == []
    assert answers_table(entries).rows[0][5].text == "–"
    assert search_figures({"search": entries})[0][1] == "undecided"


def test_a_rate_is_searched_in_requests_per_second() -> None:
    """Loads of an open loop are rates, with their digits."""
    told = asked(ladder={"rate": "1..64"})
    loads = [1, 2, 4, *[9.6, 10.0] * 5]
    steps = [probe(i, 8, 100 if load < 9.9 else 5, rate=load) for i, load in enumerate(loads, start=1)]
    (entry,) = searches(steps, told)
    assert (entry["by"], entry["meets"], entry["misses"]) == ("rate", 9.6, 10.0)
    assert answer(entry) == "9.6 requests/s meet the SLO and 10 do not"
