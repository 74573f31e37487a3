"""Efficiency over replicas and how requests were spread: known shares come out, chance is no finding."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
from measurements import CELL, measured

import reports.summary
from reports.measured import Measured
from reports.scaling import scaling
from reports.scaling_tables import efficiency_table, spread_table
from reports.spread import MOST_NAMES, spread_warnings, spreads
from reports.verdict import Evidence, verdict
from scenarios.load import scenario_of
from scenarios.replicas import scales
from scenarios.scenario import Scenario

CONTRACT = json.loads((Path(reports.summary.__file__).parent / "summary.schema.json").read_text(encoding="utf-8"))
SIZES = {"input": {"short": 128}, "output": {"long": 1024}}


def obeys(name: str, entry: dict[str, Any]) -> bool:
    """Whether an entry is what the contract says."""
    contract = {"$schema": CONTRACT["$schema"], "$defs": CONTRACT["$defs"], "$ref": f"#/$defs/{name}"}
    return list(jsonschema.Draft202012Validator(contract).iter_errors(entry)) == []


def asked(replicas: Mapping[str, int], **tables: Any) -> Scenario:
    arms = {
        arm: {"url": f"http://{arm}", "replicas": count, "replica_header": "x-served-by", **tables.pop(arm, {})}
        for arm, count in replicas.items()
    }
    return scenario_of({"arms": arms, "matrix": SIZES, **tables}, Path("s.toml"), (), {})


def step(arm: str, users: int, per_s: float, block: int = 1) -> Measured:
    """A step of 10 s with so many ok requests per second."""
    name = f"b{block}-short_long-c{users}-{arm}"
    return measured([0.1] * 20, arm=arm, concurrency=users, block=block, id=name, finished=per_s * 10)


def test_perfect_scaling_is_all_of_it() -> None:
    """Twice and four times the throughput at the same load per replica: 100 %, whatever the order of the arms."""
    told = asked({"r4": 4, "r1": 1, "r2": 2})
    steps = [step("r4", 8, 40), step("r1", 2, 10), step("r2", 4, 20), step("r2", 8, 31)]
    (entry,) = scaling(steps, [], told)
    assert [(row["arm"], row["efficiency"]) for row in entry["arms"]] == [
        ("r1", 1.0), ("r2", pytest.approx(1.0)), ("r4", pytest.approx(1.0))
    ]  # fmt: skip
    assert (entry["load_per_replica"], entry["arms"][2]["value"]) == (2, pytest.approx(40))
    assert obeys("scaling", entry)


def test_blocks_give_an_interval_and_one_block_none() -> None:
    """Pairs of blocks: 80 % on average, the interval around it; the service's drift falls on both arms."""
    told = asked({"r1": 1, "r2": 2}, plan={"blocks": 4})
    drift, shares = (1.0, 1.3, 0.8, 1.1), (0.78, 0.82, 0.80, 0.80)
    steps = [step("r1", 4, 10 * slow, block) for block, slow in enumerate(drift, start=1)]
    steps += [step("r2", 8, 20 * slow * part, b) for b, (slow, part) in enumerate(zip(drift, shares, strict=True), 1)]
    (entry,) = scaling(steps, [], told)
    row = entry["arms"][1]
    assert row["efficiency"] == pytest.approx(0.8, rel=0.01)
    assert 0.75 < row["ci"][0] < 0.8 < row["ci"][1] < 0.85
    assert (row["n_pairs"], row["ci_from"]) == (4, "blocks")
    (alone,) = scaling([one for one in steps if one.record.step.block == 1], [], told)
    assert "ci" not in alone["arms"][1]
    assert "raise [plan] blocks" in " ".join(efficiency_table([alone]).notes)


def test_arms_of_one_size_do_not_scale() -> None:
    """Without different replicas there is nothing to say."""
    assert scaling([step("a", 2, 10), step("b", 2, 20)], [], asked({"a": 2, "b": 2})) == []


def searched(arm: str, knee: float, state: str = "found", width: float = 0.05) -> dict[str, Any]:
    """What a search found, as far as scaling looks at it."""
    cell = {"input": CELL.input, "output": CELL.output, "input_tokens": 128, "output_tokens": 1024}
    interval = [knee * (1 - width / 2), knee * (1 + width / 2)]
    blocks = [{"block": 1, "state": state, "knee": knee, "probes": 20, "interval": interval}]
    return {"arm": arm, "cell": cell, "state": state, "knee": knee, "interval": interval, "blocks": blocks}


def test_capacities_are_compared_per_replica() -> None:
    """10 users on one replica, 36 on four: 90 %, with an interval from both knees' own."""
    told = asked({"r1": 1, "r4": 4}, slo={"ttft": 1}, search={})
    (entry,) = scaling([], [searched("r1", 10), searched("r4", 36)], told)
    row = entry["arms"][1]
    assert (entry["basis"], row["value"], row["ci_from"]) == ("search", pytest.approx(36), "knees")
    assert row["efficiency"] == pytest.approx(0.9)
    assert 0.85 < row["ci"][0] < 0.9 < row["ci"][1] < 0.95
    assert obeys("scaling", entry)


def test_a_search_that_did_not_end_has_no_efficiency() -> None:
    """An undecided arm is left out; alone an arm scales nowhere."""
    told = asked({"r1": 1, "r4": 4}, slo={"ttft": 1}, search={})
    assert scaling([], [searched("r1", 10), searched("r4", 36, state="undecided")], told) == []


# -- spread


class Rows:
    """A run of which only the windows' replicas are known."""

    def __init__(self, served: Mapping[str, Mapping[str | None, int]]) -> None:
        self._served = served

    def windows(self, columns: list[str]) -> Iterator[pa.Table]:
        assert list(columns) == ["step", "replica"]
        for name, counts in self._served.items():
            names = [one for one, count in counts.items() for _ in range(count)]
            half = len(names) // 2
            for part in (names[:half], names[half:]):  # rows come in pieces
                yield pa.table({"step": pa.array([name] * len(part)), "replica": pa.array(part, pa.string())})


def spread(counts: Mapping[str | None, int], replicas: int = 3, users: int = 12, **arm: Any) -> dict[str, Any]:
    """The one entry of a step whose requests were served so."""
    told = asked({"a": replicas}, a=arm)
    one = step("a", users, 5.0)
    (entry,) = spreads(Rows({one.record.step.id: counts}), [one], told)
    assert obeys("spread", entry)
    return entry


def test_the_busiest_is_held_against_the_mean() -> None:
    """60 of 120 requests on one of three replicas is 1.5 times the mean, which no even balancer does."""
    entry = spread({"p1": 30, "p2": 60, "p3": 30})
    assert list(entry["requests"].items()) == [("p2", 60), ("p1", 30), ("p3", 30)]
    assert entry["imbalance"] == pytest.approx(1.5)
    (warning,) = spread_warnings([entry])
    assert "1.50 times the mean" in warning["text"]
    assert 'connection = "fresh"' in warning["advice"]


def test_chance_is_no_finding() -> None:
    """The same ratio of a few requests is what an even balancer does now and then."""
    entry = spread({"p1": 3, "p2": 6, "p3": 3})
    assert entry["imbalance"] == pytest.approx(1.5)
    assert spread_warnings([entry]) == []


def test_a_replica_that_served_nothing_counts() -> None:
    """Two of four replicas served: each twice the mean, and said with what to do; not when there are too few users."""
    entry = spread({"p1": 60, "p2": 60}, replicas=4)
    assert entry["imbalance"] == pytest.approx(2.0)
    (warning,) = spread_warnings([entry])
    assert warning["text"] == "2 of 4 replicas of a served at 12."
    assert spread_warnings([spread({"p1": 60, "p2": 60}, replicas=4, users=2)]) == []


def test_fresh_connections_are_the_balancers_doing() -> None:
    """Nobody is told to use what is used already."""
    (warning,) = spread_warnings([spread({"p1": 30, "p2": 60, "p3": 30}, connection="fresh")])
    assert "algorithm" in warning["advice"]


def test_a_header_that_names_requests_is_found_out() -> None:
    """As many names as requests: bounded in the summary, and said."""
    entry = spread({f"request-{i}": 1 for i in range(500)})
    assert len(entry["requests"]) == MOST_NAMES + 1
    assert sum(entry["requests"].values()) == 500
    assert [warning["code"] for warning in spread_warnings([entry])] == ["replica names"]


def test_replies_without_a_name_are_counted() -> None:
    """They are no replica of their own."""
    entry = spread({"p1": 40, "p2": 41, "p3": 39, None: 7})
    assert (entry["seen"], entry["unnamed"]) == (3, 7)
    (warning,) = spread_warnings([entry])
    assert warning["text"] == "7 of 127 replies do not say who served them."
    nothing = spread({None: 9})
    assert "imbalance" not in nothing
    assert spread_table([nothing]).rows[0][4].text == "–"


def test_nobody_asked_nobody_told() -> None:
    """Without a header there is no second pass over the rows."""
    told = scenario_of({"arms": {"a": {"url": "http://a"}}, "matrix": SIZES}, Path("s.toml"), (), {})
    assert spreads(None, [step("a", 4, 1.0)], told) == []


def test_tables_hold_what_was_found() -> None:
    """A row for each step, names bounded; arms under their cell."""
    entry = spread(Counter({f"pod-{i}": 10 + i for i in range(9)}), replicas=9)
    table = spread_table([entry])
    assert table.rows[0][5].text == "pod-8 18, pod-7 17, pod-6 16, pod-5 15, 5 more"
    assert table.rows[0][3].text == "9 of 9"


def test_sizes_of_one_service_are_no_change_of_it() -> None:
    """Two arms that differ in replicas: no pair, no gate, no recommendation; unless [compare] names a candidate."""
    told = asked({"r1": 1, "r2": 2})
    assert scales(told)
    steps = [step("r1", 4, 10), step("r2", 4, 20)]
    said = verdict(Evidence(told, steps, [], [], [], None))
    assert (said["status"], said["exit_code"]) == ("pass", 0)
    assert "recommendation" not in said
    assert any("nothing between them is gated" in reason for reason in said["reasons"])
    assert not scales(asked({"r1": 1, "r2": 2}, compare={"candidate": "r2"}))
    assert not scales(asked({"a": 2, "b": 2}))
