"""A search by simulation: the knee is known, the service varies by 5 % from probe to probe, requests are binomial."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from exporters.files import StepRecord
from exporters.knee import Bounds, Finding, Probe, chance_met, find
from exporters.tally import StepTally
from scenarios.load import scenario_of
from scenarios.scenario import Scenario
from shapes._detectable import Noise
from shapes._estimate import estimate, refusal
from shapes._plan import Pass, make_plan
from shapes._preview import preview
from shapes._progress import Lines
from shapes._search import next_load, searching, steady

ATTAIN, SHARPNESS = 0.95, 40  # at 5 % above the knee 70 % of the requests are good, at 5 % below 99 %
USERS = Bounds(start=1, max=256, whole=True)
RATES = Bounds(start=1, max=256, whole=False)


def simulated(truth: float, bounds: Bounds, seed: int, noise: float = 0.05, requests: int = 100) -> list[Probe]:
    """All probes of one search against a service whose knee is `truth`, up to +-5 % off in each probe."""
    draws, probes = random.Random(seed), list[Probe]()
    while (load := next_load(probes, bounds)) is not None:
        here = truth * (1 + draws.uniform(-noise, noise))
        share = ATTAIN ** min((load / here) ** SHARPNESS, 1000.0)
        good = sum(draws.random() < share for _ in range(requests))
        probes.append(Probe(load=load, met=chance_met(good, requests, ATTAIN)))
    return probes


def off_by(finding: Finding, truth: float, bounds: Bounds) -> float:
    """How far the knee that was found is from the truth, in steps of the tolerance (of one user at least)."""
    assert finding.knee is not None
    step = bounds.tolerance * truth
    return abs(finding.knee - truth) / (max(step, 1) if bounds.whole else step)


@pytest.mark.parametrize("bounds", [USERS, RATES], ids=["users", "rates"])
def test_the_knee_is_found_within_one_step_in_20_of_20_seeds(bounds: Bounds) -> None:
    """Truths from 2 to 200, +-5 % noise between probes: each search ends, within one step of the tolerance."""
    for seed in range(20):
        truth = math.exp(random.Random(f"truth/{seed}").uniform(math.log(2), math.log(200)))
        found = find(simulated(truth, bounds, seed), bounds)
        assert found.state == "found", (seed, truth, found)
        assert off_by(found, truth, bounds) <= 1, (seed, truth, found)


def test_a_quiet_service_takes_few_probes() -> None:
    """Without noise a search from 1 to 256 users takes at most 35 probes, and the truth is inside its interval."""
    for seed in range(10):
        truth = random.Random(seed).uniform(3, 200)
        probes = simulated(truth, USERS, seed, noise=0.001)
        found = find(probes, USERS)
        assert found.meets is not None
        assert found.misses is not None
        assert found.meets <= truth < found.misses
        assert len(probes) <= 35


def test_it_climbs_by_twos_and_halves_before_it_repeats() -> None:
    """The first probes of a quiet search for 11.5 users: 1 2 4 8 16, then between 8 and 16."""
    loads = [probe.load for probe in simulated(11.5, USERS, 1, noise=0.0)]
    assert loads[:5] == [1, 2, 4, 8, 16]
    assert all(8 < load < 16 for load in loads[5:8])
    assert loads.count(11) >= USERS.repeats
    assert loads.count(12) >= USERS.repeats


@pytest.mark.parametrize("truth", [5.05, 6.07, 12.0])
def test_a_knee_at_a_whole_number_is_found_too(truth: float) -> None:
    """There the load itself is met now and then, for ever: the search ends with its neighbours, not with its probes."""
    for seed in range(12):
        probes = simulated(truth, USERS, seed)
        found = find(probes, USERS)
        assert found.state == "found", (seed, found)
        assert off_by(found, truth, USERS) <= 1
        assert len(probes) < USERS.probes


@pytest.mark.parametrize(("truth", "state"), [(0.3, "below"), (5000.0, "above")])
def test_a_knee_outside_is_said_to_be_outside(truth: float, state: str) -> None:
    """Missed at `start`, or still met at `max`: repeated until sure, no more probes than that, and no capacity."""
    probes = simulated(truth, USERS, 3)
    assert find(probes, USERS).state == state
    assert len(probes) <= 16


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.05, 500),
    st.booleans(),
    st.sampled_from([0.0, 0.05, 0.3, 3.0]),
    st.integers(0, 9999),
    st.integers(1, 60),
)
def test_every_search_ends_inside_its_bounds(truth: float, whole: bool, noise: float, seed: int, requests: int) -> None:
    """Whatever the service does: at most `probes` probes, each between start and max, whole where users are meant."""
    bounds = Bounds(start=1, max=100, whole=whole, probes=30, tolerance=0.1)
    draws, probes = random.Random(seed), list[Probe]()
    while (load := next_load(probes, bounds)) is not None:
        assert bounds.start <= load <= bounds.max
        assert not whole or load == int(load)
        here = truth * math.exp(draws.gauss(0, noise))
        good = sum(draws.random() < ATTAIN ** min((load / here) ** SHARPNESS, 1000.0) for _ in range(requests))
        probes.append(Probe(load=load, met=chance_met(good, requests, ATTAIN)))
    assert len(probes) <= bounds.probes
    assert find(probes, bounds).state != "open"


def test_an_invalid_probe_is_the_last() -> None:
    """Its tries are over: nothing can be said above, so nothing more is probed."""
    seen = [Probe(load=1, met=0.99), Probe(load=2, met=0.0, valid=False, why="the client was the bottleneck")]
    assert next_load(seen, USERS) is None


# -- as passes of a run


def asked(**tables: object) -> Scenario:
    data = {
        "arms": {"a": {"url": "http://h1"}, "b": {"url": "http://h2"}},
        "slo": {"ttft": 1.0},
        "search": {"max": 64, "probes": 20},
        "plan": {"blocks": 2},
        **tables,
    }
    return scenario_of(data, Path("x.toml"), [], {})


def measured(one: Pass, knee: float) -> StepRecord:
    """The record of a probe: every request is good up to the knee, none beyond."""
    (step,) = one.steps
    tally = StepTally()
    tally.sent, tally.good = 100, 100 if step.load <= knee else 0
    tally.by_outcome = {"ok": 100}
    return StepRecord(
        step=step, started="", ended="", phases={}, window_s=1.0, open_ns=0, close_ns=1, valid=True, why_invalid=(),
        marks=(), tally=tally.to_wire(), client={}, workers={},
    )  # fmt: skip


def led(scenario: Scenario, kept: list[StepRecord], most: int = 10**6) -> list[StepRecord]:
    """A run of the search (its first `most` passes) on top of what is kept: a holds 11 users, b holds 23."""
    for one, _ in zip(searching(scenario, kept), range(most), strict=False):
        kept.append(measured(one, {"a": 11.5, "b": 23.5}[one.arms[0]]))
    return kept


def test_each_arm_is_searched_in_each_block() -> None:
    """Two arms, two blocks: four searches, one after the other, each with its own end; ids name block, cell, probe,
    load and arm."""
    kept = led(asked(), [])
    steps = [record.step for record in kept]
    assert steps[0].id == f"b1-medium_medium-s1-c1-{steps[0].arm}"
    assert len({step.id for step in steps}) == len(steps)
    visits = list(dict.fromkeys((step.block, step.arm) for step in steps))
    assert sorted(visits) == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]
    for place in visits:
        mine = [step for step in steps if (step.block, step.arm) == place]
        assert [step.probe for step in mine] == list(range(1, len(mine) + 1))
        assert {11, 12} <= {step.load for step in mine} if place[1] == "a" else {23, 24} <= {s.load for s in mine}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 60))
def test_a_search_goes_on_where_it_was(cut: int) -> None:
    """Interrupted after any number of probes and resumed, it makes the very same probes as without."""
    scenario = asked()
    whole = [record.step.id for record in led(scenario, [])]
    assert [record.step.id for record in led(scenario, led(scenario, [], cut))] == whole


def test_tasks_come_after_the_searches_of_their_block() -> None:
    """With [tasks] each block ends with them, once also after a resume."""
    scenario = asked(tasks={"requests": 8})
    kept = led(scenario, [])
    places = [(record.step.block, record.step.cell is None) for record in kept]
    assert places == sorted(places)
    assert sum(task for _, task in places) == 4
    assert led(scenario, list(kept)) == kept


def test_the_plan_is_the_longest_that_a_search_may_become() -> None:
    """As many probes as allowed for each arm and block; the estimate grows with them."""
    short, long = asked(), asked(search={"max": 64, "probes": 40})
    assert len(make_plan(short).steps) == 2 * 2 * 20
    assert estimate(make_plan(long), long).seconds > 1.5 * estimate(make_plan(short), short).seconds


def test_a_steady_service_is_what_a_plan_hopes_for() -> None:
    """The probable plan is no longer than the longest, and made of the searches' own probes."""
    scenario = asked()
    likely, longest = steady(scenario), make_plan(scenario)
    assert longest.at_most
    assert 4 * 5 < len(likely.steps) < len(longest.steps)
    assert {step.load for step in likely.steps} >= {1, 2, 4, 8}


def test_the_preview_says_both(capsys: pytest.CaptureFixture[str]) -> None:
    """`plan` says how many probes a search takes at most, and how many when the service is steady."""
    scenario = asked()
    plan = make_plan(scenario)
    preview(Console(width=200), scenario, plan, estimate(plan, scenario), Noise())
    said = capsys.readouterr().out
    assert "80 steps, at most" in said
    assert "a search takes 20 probes at most" in said
    assert "of a steady service: " in said


def test_progress_says_at_most(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody knows how many probes it will be."""
    scenario = asked()
    lines = Lines(Console(stderr=True, width=200), make_plan(scenario), 60.0)
    lines.done(measured(next(searching(scenario, [])), 11.5))
    assert capsys.readouterr().err.startswith("1/at most 80 b1-medium_medium-s1-c1-")


def test_a_search_beyond_its_limits_is_refused_with_a_way_out() -> None:
    """The longest search must fit into max_duration."""
    scenario = asked(limits={"max_duration": 60})
    refused = refusal(estimate(make_plan(scenario), scenario), scenario)
    assert refused is not None
    assert "take fewer search.probes" in refused
