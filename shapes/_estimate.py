"""What a plan will take: time, requests, tokens, money, and the smallest effect it could prove. Pure.

Before the first request nothing is known of the service, so it is assumed to be a mid-size one on one accelerator
(`Assumed`); the figures are for planning and for refusing a plan that cannot end in its limits, never a result.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from exporters.sample import Step
from scenarios.conversation import Conversation
from scenarios.extent import arm_price, mean_tokens
from scenarios.scenario import Cell, Scenario
from shapes._arrivals import spans
from shapes._detectable import FEWEST_PAIRS, GATED_METRICS, Noise, smallest_effect
from shapes._plan import Pass, Plan, make_plan

STEP_OVERHEAD_S = 0.2  # messages between phases


class Assumed(msgspec.Struct, frozen=True, kw_only=True):
    """How a service is assumed to answer. Decode slows down with the users, and every prompt takes its turn.

    E2E(n users) = overhead + n x input / prefill rate + output x decode x (1 + n / crowd): prefills of the others
    stall a stream once each while it runs. An 8B model on one accelerator: 13 s for 4096/1024 tokens at one user.
    """

    overhead_s: float = 0.02
    prefill_per_s: float = 10_000.0  # input tokens
    decode_s: float = 0.0125  # per output token, alone
    crowd: float = 100.0  # users at which a decode step takes twice as long
    task_input: int = 256  # tokens of a task's prompt and of its answer, when `max_tokens` allows it
    task_output: int = 512
    talk: Conversation | None = None  # a cell's sizes are those of one turn of it

    def e2e_s(self, step: Step, output_limit: int) -> float:
        """Seconds of one request of a step."""
        given, made = self.tokens(step.cell, output_limit)
        users = self.users(step, output_limit)
        decode = made * self.decode_s * (1 + users / self.crowd)
        return self.overhead_s + users * given / self.prefill_per_s + decode

    def users(self, step: Step, output_limit: int) -> float:
        """Requests in flight: the rung; in open loop rate x E2E (Little), at most as many as may be."""
        if step.rate is None:
            return step.concurrency
        given, made = self.tokens(step.cell, output_limit)
        alone = step.rate * (self.overhead_s + made * self.decode_s)
        growth = step.rate * (given / self.prefill_per_s + made * self.decode_s / self.crowd)
        return step.concurrency if growth >= 1 else min(max(alone / (1 - growth), 1.0), step.concurrency)

    def tokens(self, cell: Cell | None, output_limit: int) -> tuple[int, int]:
        """Input and output tokens of one request: a cell's sizes, or those of a task."""
        if cell is not None:
            return mean_tokens(self.talk, cell)
        return self.task_input, min(self.task_output, output_limit)


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan takes. `money` is the API's, None without a price; `mde` is the smallest detectable ratio - 1.

    `mde` holds for mean TPOT and E2E, `mde_ttft` for mean TTFT, which is noisier; both None without a gate.
    """

    steps: int
    seconds: float
    requests: int
    input_tokens: int
    output_tokens: int
    money: float | None
    mde: float | None
    mde_ttft: float | None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the plan's table: a cell (None: the tasks) with its rungs, and what all its visits take."""

    cell: Cell | None
    rungs: tuple[float, ...]  # users at once, or requests per second
    visits: int  # blocks x arms, parallel ones counted once
    steps: int
    seconds: float
    requests: int


class _Load(msgspec.Struct, frozen=True):
    """Seconds and requests of one pass."""

    seconds: float
    requests: float


def estimate(plan: Plan, scenario: Scenario, assumed: Assumed | None = None, noise: Noise | None = None) -> Estimate:
    """What the plan takes on an assumed service; retries of invalid steps are not in it."""
    noise = noise or Noise()
    assumed = _of(scenario, assumed)
    loads = [(one, _load(one, scenario, assumed)) for one in plan.passes]
    limit = _output_limit(scenario)
    tokens = [(load.requests, *assumed.tokens(one.cell, limit)) for one, load in loads]
    shares = [(arm, load.requests / len(one.arms), one.cell) for one, load in loads for arm in one.arms]
    money = [_money(arm, scenario, requests, assumed.tokens(cell, limit)) for arm, requests, cell in shares]
    priced = [part for part in money if part is not None]
    mde = _detectable(plan, scenario, noise.steady, "e2e")
    mde_ttft = _detectable(plan, scenario, noise.ttft, "ttft")
    return Estimate(
        steps=len(plan.steps),
        seconds=sum(load.seconds for _, load in loads),
        requests=round(sum(load.requests for _, load in loads)),
        input_tokens=round(sum(requests * given for requests, given, _ in tokens)),
        output_tokens=round(sum(requests * made for requests, _, made in tokens)),
        money=sum(priced) if priced else None,
        mde=mde,
        mde_ttft=mde_ttft,
    )


def rows(plan: Plan, scenario: Scenario, assumed: Assumed | None = None) -> list[Row]:
    """The plan as a table: one row per cell in the matrix's order, then the tasks."""
    assumed = _of(scenario, assumed)
    by_cell: dict[Cell | None, list[Pass]] = {cell: [] for cell in (*scenario.matrix.cells, None)}
    for one in plan.passes:
        by_cell[one.cell].append(one)
    return [_row(cell, passes, scenario, assumed) for cell, passes in by_cell.items() if passes]


def _of(scenario: Scenario, assumed: Assumed | None) -> Assumed:
    return replace(assumed or Assumed(), talk=scenario.conversation)


def refusal(estimate: Estimate, scenario: Scenario) -> str | None:
    """Why a plan is beyond its own limits and the way out, in one line; None when it fits."""
    longest, dearest = scenario.limits.max_duration, scenario.limits.max_cost
    if estimate.seconds > longest:
        needs, limit = f"about {_time(estimate.seconds)}", f"limits.max_duration is {_time(longest)}"
        return f"the plan needs {needs}, {limit}: {_way_out(scenario, 'max_duration', estimate.seconds / longest)}"
    if dearest is not None and estimate.money is not None and estimate.money > dearest:
        currency = scenario.cost.currency if scenario.cost else "USD"
        needs, limit = f"about {estimate.money:.2f} {currency}", f"limits.max_cost is {dearest:.2f} {currency}"
        return f"the plan costs {needs}, {limit}: {_way_out(scenario, 'max_cost', estimate.money / dearest)}"
    return None


def _way_out(scenario: Scenario, limit: str, excess: float) -> str:
    ways = []
    if scenario.search is not None:
        ways.append("take fewer search.probes")
    elif scenario.plan.design == "full":
        cross = msgspec.structs.replace(scenario, plan=msgspec.structs.replace(scenario.plan, design="cross"))
        ways.append(f'take plan.design = "cross" (about {_time(estimate(make_plan(cross), cross).seconds)})')
    fitting = int(scenario.plan.blocks / excess)
    if 0 < fitting < scenario.plan.blocks:
        gated = "" if fitting >= FEWEST_PAIRS or len(scenario.arms) < 2 else ", too few for a gate"
        ways.append(f"take fewer plan.blocks ({fitting} would fit{gated})")
    ways.append(f"{'or ' if ways else ''}raise limits.{limit}")
    return ", ".join(ways)


def _load(one: Pass, scenario: Scenario, assumed: Assumed) -> _Load:
    """A pass: warm-up and drain of one request each at the top rung, and its rungs between them; arms at once."""
    top = one.steps[-1]
    limit = _output_limit(scenario)
    around_s = 2 * assumed.e2e_s(top, limit)
    parts = [_step_load(rung[0], scenario, assumed) for rung in one.rungs]
    return _Load(
        around_s + sum(part.seconds for part in parts),
        len(one.arms) * (2 * assumed.users(top, limit) + sum(part.requests for part in parts)),
    )


def _step_load(step: Step, scenario: Scenario, assumed: Assumed) -> _Load:
    """A step: stagger and one whole request of each user, the window, and a tail of one more request."""
    e2e_s = assumed.e2e_s(step, _output_limit(scenario))
    if step.stretch is not None:
        window_s = step.stretch.end - step.stretch.begin
        seconds = window_s if step.stretch.begin else 2 * e2e_s + window_s
        return _Load(seconds, seconds * (step.rate or step.concurrency / e2e_s))
    if step.rate is not None:
        settle_s, window_s = spans(scenario, step.rate, e2e_s)
        seconds = settle_s + window_s + e2e_s
        return _Load(STEP_OVERHEAD_S + seconds, step.rate * seconds)
    window_s = _window_s(step, scenario, e2e_s)
    seconds = STEP_OVERHEAD_S + 2 * e2e_s + window_s + e2e_s
    return _Load(seconds, step.concurrency * (2 * e2e_s + window_s) / e2e_s)  # settle 1, tail 1 per user


def _window_s(step: Step, scenario: Scenario, e2e_s: float) -> float:
    """Tasks: until all were sent. Matrix: `duration`, `turns` of every user and `min_requests`, `max` at most."""
    window, users = scenario.window, step.concurrency
    if step.requests is not None:
        return math.ceil(step.requests / users) * e2e_s
    return min(window.max, max(window.duration, window.turns * e2e_s, math.ceil(window.min_requests / users) * e2e_s))


def _output_limit(scenario: Scenario) -> int:
    return scenario.tasks.max_tokens if scenario.tasks else 0


def _money(arm: str, scenario: Scenario, requests: float, tokens: tuple[int, int]) -> float | None:
    """API money of requests of one size, nothing taken from a cache; None when the arm has no price."""
    price = arm_price(scenario, arm)
    if price is None:
        return None
    given, made = tokens
    return requests * ((given * (price.input or 0.0) + made * (price.output or 0.0)) / 1e6 + (price.request or 0.0))


def _detectable(plan: Plan, scenario: Scenario, sd: float, metric: str) -> float | None:
    """The smallest effect over all gated comparisons: four metrics at every cell, rung and the tasks, in one family.

    A cell of one rung is compared once, one of several also as their mean.
    """
    if len(scenario.arms) < 2:
        return None
    rungs = Counter(cell for cell, _ in {(step.cell, step.load) for step in plan.steps})
    places = sum(count + (count > 1 and cell is not None) for cell, count in rungs.items())
    compared = GATED_METRICS * places * (len(scenario.arms) - 1)
    return smallest_effect(scenario.plan.blocks, compared, sd, _threshold(scenario, metric))


def _threshold(scenario: Scenario, metric: str) -> float:
    threshold = scenario.compare.threshold
    return threshold.get(metric, 0.05) if isinstance(threshold, dict) else threshold


def _row(cell: Cell | None, passes: list[Pass], scenario: Scenario, assumed: Assumed) -> Row:
    loads = [_load(one, scenario, assumed) for one in passes]
    return Row(
        cell=cell,
        rungs=tuple(sorted({step.load for step in _steps(passes)})),
        visits=len(passes),
        steps=len(list(_steps(passes))),
        seconds=sum(load.seconds for load in loads),
        requests=round(sum(load.requests for load in loads)),
    )


def _steps(passes: list[Pass]) -> Iterable[Step]:
    return (step for one in passes for step in one.steps)


def _time(seconds: float) -> str:
    """Hours, minutes or seconds, whichever a person would say."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}".replace(".0 ", " ")
    return f"{seconds:.0f} s"
