"""The page's state: what is live in, plain data out, and no more of it than a browser lacks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from exporters.counts import Counted
from exporters.fleet import Delta
from exporters.sample import Step
from exporters.tally import StepTally
from scenarios.prices import ApiPrice, Cost, GpuPrice
from scenarios.scenario import Arm, Cell, Matrix, Scenario
from tests.exporters.runs import record
from web.live import POINTS, Begun, Live, Look
from web.pages import States
from web.state import state_of

CELL = Cell(input="short", output="short", input_tokens=32, output_tokens=24)


def step(number: int = 1, **fields: Any) -> Step:
    known = {"id": f"s{number}", "workload": "matrix", "arm": "a", "block": 1, "cell": CELL, "concurrency": number}
    return Step(**{**known, **fields})


def scenario(**fields: Any) -> Scenario:
    sizes = Matrix(input={"short": 32}, output={"short": 24}, cells=(CELL,))
    return Scenario(name="n", arms={"a": Arm(url="http://h:1")}, matrix=sizes, **fields)


def running(**fields: Any) -> Live:
    """A run that is in a window of its second step of three."""
    live = Live()
    live.begin(Begun(id="r", scenario=scenario(**fields), shape="ladder", steps=(step(1), step(2), step(3))), 100.0)
    live.tick(101.0, Look())
    live.phase(step(1), "window")
    live.done(record(step=step(1), tally=tally().to_wire(), window_s=2.0))
    live.phase(step(2), "window")
    return live


def tally(ttft_s: float = 0.05, sent: int = 4, good: int = 3) -> StepTally:
    made = StepTally()
    made.sent, made.good, made.output_tokens = sent, good, 200.0
    made.by_outcome = {"ok": sent - 1, "timeout": 1}
    made.ttft.add(np.full(sent, ttft_s))
    return made


def delta(output: int | None = 50, outcomes: dict[str, int] | None = None, lag: float | None = 0.001) -> Delta:
    part = Counted("a", "short/short", "s2", 2, outcomes or {"ok": 2}, 64, None, output, None, lag, None)
    return Delta(
        worker="w", seq=1, rows=2, rows_sent=2, packed=b"", tally={}, responses=[], failed=0, counts=[part]
    )  # fmt: skip


def test_an_idle_page_is_empty_and_encodes() -> None:
    """Before the first run everything is there and nothing is invented."""
    state = state_of(Live())

    assert (state["state"], state["run"], state["step"], state["cost"]) == ("idle", None, None, None)
    assert state["figures"]["ttft"] == {"p50": None, "p95": None, "p99": None}
    assert msgspec.json.decode(msgspec.json.encode(state))["series"] == {}


def test_a_running_step_s_figures_are_its_tally_s() -> None:
    """Latencies, goodput and failures are those of the tally that the record will be made of."""
    live = running()
    live.tick(103.0, Look(users=2, target=2, tallies=((step(2), tally(0.2)),)))
    state = state_of(live)

    assert state["figures"]["ttft"]["p50"] == pytest.approx(0.2, rel=0.006)
    assert (state["figures"]["sent"], state["figures"]["good"], state["figures"]["failed"]) == (4, 0.75, 1)
    assert (state["step"]["id"], state["step"]["phase"], state["step"]["phase_s"]) == ("s2", "window", 2.0)
    assert state["progress"] == {"done": 1, "steps": 3, "at_most": False, "left_s": None}
    assert state["steps"][0]["output_per_s"] == 100.0


def test_rates_are_of_the_last_ten_seconds() -> None:
    """Tokens of requests that ended longer ago do not count; a service that tells none adds none."""
    live = running()
    for second in range(102, 122):
        live.reported(delta(50 if second < 112 else None))
        live.tick(float(second), Look())

    assert live.rates()["output"] == 0.0
    assert live.rates()["input"] == 64.0
    assert state_of(live)["outcomes"] == {"ok": 40}


def test_a_browser_gets_only_what_it_lacks() -> None:
    """Steps and points that it has are left out; of another run it gets all."""
    live = running()
    for second in range(102, 106):
        live.tick(float(second), Look(users=second))
    new, other = state_of(live, "r", 1, 4.0), state_of(live, "old", 1, 4.0)

    assert (new["steps"], new["series"]["t"], new["series"]["users"]) == ([], [5.0], [105.0])
    assert (len(other["steps"]), other["steps_before"], len(other["series"]["t"])) == (1, 0, 5)


def test_a_long_run_keeps_ten_minutes_of_points() -> None:
    """The page's memory does not grow with the run."""
    live = running()
    for second in range(102, 102 + 2 * POINTS):
        live.tick(float(second), Look())

    assert {len(column) for column in state_of(live)["series"].values()} == {POINTS}


def test_the_fullest_pool_is_drawn_and_what_nobody_tells_is_a_gap() -> None:
    """Of several engines the highest figure; no engine, no price and no request leave their charts without a point."""
    live = running()
    live.tick(102.0, Look())
    live.tick(103.0, Look(engines=({"figures": {"kv_used_share": 0.2}}, {"figures": {"kv_used_share": 0.7}})))
    series = state_of(live)["series"]

    assert series["kv_used_share"][-2:] == [None, 0.7]
    assert (series["busy"][-1], series["good"][-1], series["money_per_hour"][-1]) == (None, None, None)


def test_money_is_of_tokens_and_of_the_clock() -> None:
    """API money per hour is by the last minute, GPUs cost by time; without a price there is no cost."""
    live = running(cost=Cost(api=ApiPrice(output=1.0), gpu=GpuPrice(hourly=3.6, gpus_per_replica=2)))
    for second in range(102, 202):
        live.tick(float(second), Look(money=(second - 100) * 0.001))
    cost = state_of(live)["cost"]

    assert cost["api_per_hour"] == pytest.approx(3.6)
    assert (cost["gpu_per_hour"], cost["gpu_spent"]) == (7.2, pytest.approx(7.2 * 101 / 3600))
    assert state_of(running())["cost"] is None


def test_warnings_say_what_to_do() -> None:
    """Findings, invalid steps (three at most, and how many more), failures above a share."""
    live = running()
    live.found([SimpleNamespace(arm="a", status="warn", text="no usage: counts are ours")])
    for number in range(5):
        live.done(record(step=step(2, try_=2), valid=False, why_invalid=(f"why {number}: do that",)))
    live.reported(delta(outcomes={"ok": 50, "rate_limited": 50}))
    texts = [one["text"] for one in state_of(live)["warnings"]]

    assert texts[0] == "50% of 100 requests failed, mostly rate_limited: `tokenswarm check` says why"
    assert texts[1] == "a: no usage: counts are ours"
    assert texts[2:] == [*(f"s2 does not count: why {n}: do that" for n in (4, 3, 2)), "2 more steps do not count"]


def test_many_browsers_share_one_encoding() -> None:
    """Within a second the same question has the very same answer; a tick makes a new one."""
    live = running()
    states = States(live)
    first = states.encoded("r", 1, 4.0)

    assert all(states.encoded("r", 1, 4.0) is first for _ in range(5))
    live.tick(102.0, Look())
    assert states.encoded("r", 1, 4.0) is not first
    assert all(states.encoded(f"r{n}", 0, -1.0) for n in range(1000))
    assert len(states._kept) <= 32


def test_an_end_says_why() -> None:
    """After the run the page keeps its figures; a run that could not begin says why."""
    live = running()
    live.ended("stopped by hand", report=True)
    assert (state_of(live)["state"], state_of(live)["text"], state_of(live)["step"]) == (
        "ended",
        "stopped by hand",
        None,
    )
    live.failed("x.toml: ladder.at = 3: not a rung")
    assert state_of(live)["state"] == "failed"
