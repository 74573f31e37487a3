"""Life-cycle stages against known answers: a slow first request, a queue that empties, memory that stays."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from samples import ab

from reports.added import life_tables
from reports.life import Pass, at_rest, life_warnings, warm_up

S = 1_000_000_000
CELL = ("short", "short")


def visits(count: int, first_s: float | None = 0.5) -> list[Pass]:
    """Visits of both arms in turn, each from 10 s to 20 s of its own 20 s."""
    return [
        Pass((arm, block, CELL), ended_ns=(20 * number + 20) * S, first_ns=(20 * number + 10) * S, first_s=first_s)
        for number, (block, arm) in enumerate((b, a) for b in range(count) for a in ("direct", "service"))
    ]


def samples(passes: list[Pass], late_s: float, kv: float = 0.0) -> pd.DataFrame:
    """Twice a second; busy from each first request until `late_s` after the last; `kv` of the pool stays per visit."""
    rows = []
    for at in range(0, passes[-1].ended_ns + 5 * S, S // 2):
        busy = any((one.first_ns or 0) <= at < one.ended_ns + late_s * S for one in passes)
        gone = sum(one.ended_ns < at for one in passes)
        rows.append({"at_ns": at, "running": float(busy), "waiting": 0.0, "kv_used_share": 0.3 * busy + kv * gone})
    return pd.DataFrame(rows)


def test_warm_up_is_what_the_first_request_takes_longer() -> None:
    """0.5 s against a median of 0.2 s, after 30 s without a request of that arm."""
    following = {("service", block, CELL): 0.2 + 0.01 * block for block in range(3)}
    found = warm_up("service", visits(3), following)

    assert found["extra_s"]["mean"] == pytest.approx(0.29)
    assert found["extra_s"]["ci"] == pytest.approx([0.29 - 0.0248, 0.29 + 0.0248], abs=1e-3)
    assert (found["passes"], found["idle_s"]) == (3, 30.0)


def test_a_first_request_in_company_tells_nothing() -> None:
    """Several users warm up at once: which of them waited for which is not known, so it is absent."""
    assert warm_up("service", visits(3, first_s=None), {("service", 0, CELL): 0.2}) == {}
    assert warm_up("service", visits(3), {}) == {}


@pytest.mark.parametrize("late_s", [0.2, 2.2])
def test_cool_down_is_bounded_by_the_first_sample_at_rest(late_s: float) -> None:
    """The engine works on for a while after the last reply: the figure is at most a sample's distance above that."""
    passes = visits(2)
    found = at_rest("direct", samples(passes, late_s), passes)

    assert late_s <= found["cool_down_s"] <= late_s + found["resolution_s"]
    assert (found["gaps"], found["resolution_s"]) == (4, 0.5)
    assert (found["kv_before"], found["kv_after"]) == (0.0, 0.0)
    assert life_warnings({"rest": [found]}) == []


def test_memory_that_is_not_given_back_is_said() -> None:
    """Each visit keeps 2 % of the pool: a warning with the sum and advice."""
    passes = visits(2)
    found = at_rest("direct", samples(passes, 0.2, kv=0.02), passes)
    (warning,) = life_warnings({"rest": [found]})

    assert found["kv_after"] == pytest.approx(0.08)
    assert "at rest 8.0% more of the KV memory is in use" in warning["text"]


def test_without_a_sample_at_rest_there_is_no_figure() -> None:
    """An engine that is always busy, or was never sampled, has no cool-down."""
    passes = visits(2)
    busy = samples(passes, 0.2).assign(running=1.0)

    assert at_rest("direct", busy, passes) == {}
    assert at_rest("direct", busy.iloc[:0], passes) == {}


def test_the_tables_say_what_is_absent() -> None:
    """An engine that does not tell its memory has a dash with the reason."""
    summary: dict[str, Any] = ab()
    summary["life"] = {"rest": [{"arm": "direct", "gaps": 3, "cool_down_s": 0.4, "resolution_s": 0.5}]}
    (table,) = life_tables(summary)

    assert [shown.text for shown in table.rows[0]] == ["direct", "3", "≤ 400 ms", "500 ms", "–", "–"]
    assert life_tables(ab()) == []
