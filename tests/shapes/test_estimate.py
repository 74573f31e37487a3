import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from exporters.sample import Step
from scenarios.load import load_scenario, scenario_of
from scenarios.scenario import Cell, Scenario
from shapes._detectable import STEADY_SD, TTFT_SD, Noise, measured_noise, smallest_effect, t_quantile, t_tail
from shapes._estimate import Assumed, Estimate, estimate, refusal, rows
from shapes._plan import make_plan

SCENARIOS = Path(__file__).parents[2] / "scenarios"
PRICE = {"api": {"input": 1.0, "output": 4.0, "request": 0.001}}


def scenario_with(arms: int = 2, **tables: object) -> Scenario:
    """A complete scenario with so many arms."""
    data = {"arms": {f"arm{i}": {"url": f"http://h{i}"} for i in range(arms)}, **tables}
    return scenario_of(data, Path("x.toml"), [], {})


def estimated(scenario: Scenario, assumed: Assumed | None = None) -> Estimate:
    """What the scenario's own plan takes."""
    return estimate(make_plan(scenario), scenario, assumed)


def test_the_default_plan_takes_hours_not_days() -> None:
    """Two arms, six blocks, 30 s windows: the cross about 2.4 h and the full design about 17 h, within a third."""
    assert estimated(scenario_with()).seconds / 3600 == pytest.approx(2.4, rel=0.34)
    assert estimated(scenario_with(plan={"design": "full"})).seconds / 3600 == pytest.approx(17, rel=0.34)


def test_a_long_request_alone_takes_about_13_seconds() -> None:
    """4096 tokens in and 1024 out at one user: the reference of the assumed service."""
    cell = Cell(input="l", output="l", input_tokens=4096, output_tokens=1024)
    step = Step(id="s", workload="matrix", arm="a", block=1, cell=cell, concurrency=1)
    assert Assumed().e2e_s(step, 0) == pytest.approx(13.4, abs=0.2)


def test_a_conversation_takes_the_tokens_of_its_history() -> None:
    """Nine turns have five messages and four replies before them on average: a cell's 100 and 30 become 620 in."""
    sizes = {"input": {"s": 100}, "output": {"s": 30}}
    plain, talk = (scenario_with(matrix=sizes, **more) for more in ({}, {"conversation": {"turns": 9}}))
    told = estimated(talk)

    assert estimated(plain).input_tokens / estimated(plain).requests == pytest.approx(100, rel=1e-3)
    assert told.input_tokens / told.requests == pytest.approx(620, rel=1e-3)
    assert told.seconds > estimated(plain).seconds


def test_a_plan_by_hand() -> None:
    """One step of a service with 1 s a request: every phase counted, every token priced."""
    scenario = scenario_with(
        1,
        ladder={"concurrency": 4},
        matrix={"input": {"a": 100}, "output": {"b": 10}},
        window={"duration": 10, "turns": 1, "min_requests": 1},
        cost=PRICE,
    )
    second = Assumed(overhead_s=1.0, prefill_per_s=1e12, decode_s=0.0)
    found = estimated(scenario, second)
    # warm-up 1 + settle 2 + window 10 + tail 1 + drain 1, and 0.2 between the phases
    assert found.seconds == pytest.approx(15.2)
    # 4 users: one at warm-up, one at settle, ten in the window, one in the tail, one at the drain
    assert found.requests == 4 * 14
    assert (found.input_tokens, found.output_tokens) == (5600, 560)
    assert found.money == pytest.approx(5600e-6 * 1 + 560e-6 * 4 + 56 * 0.001)
    assert (found.steps, found.mde, found.mde_ttft) == (1, None, None)


@pytest.mark.parametrize(
    ("window", "seconds"),
    [
        ({"duration": 10, "turns": 1, "min_requests": 1}, 10),
        ({"duration": 10, "turns": 20, "min_requests": 1}, 20),
        ({"duration": 10, "turns": 1, "min_requests": 50}, 25),
        ({"duration": 10, "turns": 100, "min_requests": 1, "max": 40}, 40),
    ],
)
def test_a_window_lasts_until_all_its_conditions_hold_or_to_its_maximum(window: dict, seconds: float) -> None:
    """Duration, turns and requests each can be the last to be met; `max` ends them all (1 s a request, 2 users)."""
    scenario = scenario_with(
        1, ladder={"concurrency": 2}, matrix={"input": {"a": 100}, "output": {"b": 10}}, window=window
    )
    found = estimated(scenario, Assumed(overhead_s=1.0, prefill_per_s=1e12, decode_s=0.0))
    assert found.seconds == pytest.approx(seconds + 5.2)


def test_an_arms_own_price_wins_and_arms_without_a_price_cost_nothing() -> None:
    """Money is None without any price; one priced arm of two equal ones costs half of both."""
    both = estimated(scenario_with(cost=PRICE)).money
    arms = {"a": {"url": "http://a", "cost": PRICE}, "b": {"url": "http://b"}}
    assert estimated(scenario_with(arms=2)).money is None
    assert both == pytest.approx(2 * estimated(scenario_of({"arms": arms}, Path("x"), [], {})).money)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 3), st.booleans(), st.sampled_from(["cross", "full"]))
def test_the_rows_add_up_to_the_estimate(blocks: int, arms: int, tasks: bool, design: str) -> None:
    """One row per cell and one for the tasks; steps, seconds and requests sum to the total."""
    scenario = scenario_with(arms, plan={"blocks": blocks, "design": design}, **({"tasks": {}} if tasks else {}))
    plan = make_plan(scenario)
    table, total = rows(plan, scenario), estimate(plan, scenario)
    assert [row.cell for row in table] == [*scenario.matrix.cells, *([None] if tasks else [])]
    assert sum(row.steps for row in table) == total.steps == len(plan.steps)
    assert sum(row.seconds for row in table) == pytest.approx(total.seconds)
    assert sum(row.requests for row in table) == pytest.approx(total.requests, abs=len(table))
    assert all(row.visits == blocks * arms for row in table)


def test_a_plan_beyond_max_duration_is_refused_with_the_way_out() -> None:
    """The line has the estimate, the limit, and ways that would really fit."""
    full = scenario_with(plan={"design": "full"})
    text = refusal(estimated(full), full)
    assert text == (
        'the plan needs about 15.6 h, limits.max_duration is 4 h: take plan.design = "cross" (about 3.1 h), '
        "take fewer plan.blocks (1 would fit, too few for a gate), or raise limits.max_duration"
    )
    assert refusal(estimated(scenario_with()), scenario_with()) is None


def test_the_blocks_that_would_fit_do_fit() -> None:
    """Taking the advice gives a plan that is not refused."""
    many = scenario_with(plan={"blocks": 20})
    assert "(7 would fit)" in refusal(estimated(many), many)
    seven = scenario_with(plan={"blocks": 7})
    assert refusal(estimated(seven), seven) is None
    eight = scenario_with(plan={"blocks": 8})
    assert refusal(estimated(eight), eight) is not None


def test_a_plan_beyond_max_cost_is_refused() -> None:
    """The line has the money, its currency and the limit; a smaller bill passes."""
    dear = scenario_with(cost={"currency": "EUR", **PRICE}, limits={"max_cost": 10})
    text = refusal(estimated(dear), dear)
    assert text.startswith("the plan costs about ")
    assert " EUR, limits.max_cost is 10.00 EUR: take fewer plan.blocks (" in text
    assert text.endswith("or raise limits.max_cost")
    fine = scenario_with(cost=PRICE, limits={"max_cost": 1000})
    assert refusal(estimated(fine), fine) is None


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.toml")), ids=lambda path: path.stem)
def test_no_preset_is_refused(path: Path) -> None:
    """What we give people to start from fits its own limits."""
    scenario = load_scenario(path)
    assert refusal(estimated(scenario), scenario) is None


def test_quick_is_a_few_minutes() -> None:
    """The preset for a first look keeps its promise on the assumed service."""
    assert 30 < estimated(load_scenario(SCENARIOS / "quick.toml")).seconds < 240


@given(st.integers(1, 60), st.floats(1e-6, 0.49))
def test_t_is_students(df: int, tail: float) -> None:
    """The quantile agrees with scipy's over all degrees of freedom and tails in use."""
    assert t_quantile(tail, df) == pytest.approx(stats.t.isf(tail, df), rel=1e-6)
    assert t_tail(t_quantile(tail, df), df) == pytest.approx(tail, rel=1e-6)


@pytest.mark.parametrize("pairs", [4, 6, 10, 20])
@pytest.mark.parametrize("sd", [STEADY_SD, TTFT_SD])
def test_an_effect_of_the_detectable_size_is_found_in_80_of_100_runs(pairs: int, sd: float) -> None:
    """Simulated: pairs with that true ratio pass the gate (rejected, and above the threshold) in 80 % of runs."""
    compared, bar = 92, math.log1p(0.05)
    effect = math.log1p(smallest_effect(pairs, compared, sd, 0.05))
    draws = stats.norm(loc=effect, scale=sd).rvs((20_000, pairs), random_state=1)
    means, ses = draws.mean(axis=1), draws.std(axis=1, ddof=1) / pairs**0.5
    rejected = stats.t.sf(means / ses, pairs - 1) < 0.05 / compared
    assert (rejected & (means > bar)).mean() == pytest.approx(0.8, abs=0.015)


def test_more_pairs_show_less_and_too_few_show_nothing() -> None:
    """Below four pairs there is no gate; above, the smallest effect falls towards the threshold, never below it."""
    assert smallest_effect(3, 92, STEADY_SD, 0.05) is None
    effects = [smallest_effect(pairs, 92, STEADY_SD, 0.05) for pairs in (4, 5, 6, 8, 12, 40)]
    assert effects == sorted(effects, reverse=True)
    assert effects[-1] > 0.05
    assert smallest_effect(6, 1, STEADY_SD, 0.01) < smallest_effect(6, 92, STEADY_SD, 0.01)


@given(st.lists(st.floats(0.001, 0.3), min_size=1, max_size=9), st.integers(4, 12))
def test_the_noise_of_an_aa_run_is_that_of_its_intervals(sds: list[float], pairs: int) -> None:
    """From 95 % intervals back to the sd of a pair: the root of the mean square over the comparisons."""
    half = [stats.t.isf(0.025, pairs - 1) * sd / math.sqrt(pairs) for sd in sds]
    compared = [
        {"metric": metric, "n_pairs": pairs, "ci": [math.exp(-x * scale), math.exp(x * scale)]}
        for x in half
        for metric, scale in (("tpot_s", 1), ("e2e_s", 1), ("ttft_s", 3))
    ]
    noise = measured_noise([*compared, {"metric": "ttft_s", "n_pairs": 2, "ratio": None}])

    expected = math.sqrt(sum(sd * sd for sd in sds) / len(sds))
    assert noise.steady == pytest.approx(expected, rel=1e-6)
    assert noise.ttft == pytest.approx(3 * expected, rel=1e-6)
    assert noise.measured
    assert measured_noise([]) == Noise()


def test_less_noise_shows_smaller_effects() -> None:
    """`plan` with an A/A run of half the usual noise promises more."""
    scenario, plan = scenario_with(), make_plan(scenario_with())
    usual, quiet = estimate(plan, scenario), estimate(plan, scenario, noise=Noise(STEADY_SD / 2, TTFT_SD / 2, True))
    assert quiet.mde < usual.mde
    assert quiet.mde_ttft < usual.mde_ttft
