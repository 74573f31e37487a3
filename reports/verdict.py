"""May the change ship? The roll-up of METRICS: one status, its reasons as sentences, an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from reports.capacity import RungSlo, breaches, has_gate, is_gated, users
from reports.compare import FEWEST_PAIRS, Unproven, not_ruled_out, proven
from reports.cost import Costs
from reports.cost_gate import texts
from reports.definitions import name_of
from reports.measured import Measured, counting
from reports.pairs import Pairs
from reports.search import found_sentence
from reports.soak_words import event_sentences, soak_breaches, soak_faults, soak_questions, soak_sentences
from reports.units import kind
from reports.verdict_advice import Advised, advice, sensitivity
from scenarios.replicas import scales
from scenarios.scenario import Scenario
from scenarios.slo import has_slo

EXIT_CODES = {"pass": 0, "fail": 3, "inconclusive": 4, "invalid": 4}


class Evidence(msgspec.Struct, frozen=True):
    """What the verdict looks at."""

    scenario: Scenario
    steps: Sequence[Measured]
    comparisons: Sequence[dict[str, Any]]
    pairs: Sequence[Pairs]
    rungs: Sequence[RungSlo]
    stopped: str | None
    isolated: dict[str, Any] | None = None  # what a service adds to its model, where that was asked for
    searches: Sequence[dict[str, Any]] = ()  # what each search has found
    soaks: Sequence[dict[str, Any]] = ()
    cost: Costs | None = None
    scores: Sequence[dict[str, Any]] = ()  # of each arm that could be adopted
    led: Sequence[Measured] = ()  # by hand: they are shown, and nothing is judged by them


def verdict(evidence: Evidence) -> dict[str, Any]:
    """Status, exit code, reasons; where there are two arms a recommendation with its conditions, and the scores."""
    status, reasons = _status(evidence)
    figures: dict[str, Any] = {"status": status, "exit_code": EXIT_CODES[status], "reasons": reasons}
    seen = Advised(evidence.scenario, evidence.rungs, evidence.cost, evidence.scores)
    compare = evidence.scenario.compare
    alone = evidence.searches or evidence.soaks  # of these nothing is compared
    apart = scales(evidence.scenario) or (alone and not evidence.pairs)
    several = len(evidence.scenario.arms) > 1 and not apart
    if several and compare.aa is not True and not compare.isolate:  # else nothing can ship
        figures |= advice(status, seen)
    more = {"scores": list(evidence.scores), "sensitivity": sensitivity(seen)}
    return figures | {name: found for name, found in more.items() if found}


def _status(evidence: Evidence) -> tuple[str, list[str]]:
    scenario = evidence.scenario
    soaked = soak_breaches(evidence.soaks, scenario)
    held = evidence.cost.gates if evidence.cost else ()
    failed = [*_changes(evidence, fails=True), *breaches(evidence.rungs, scenario), *soaked, *texts(held, "breached")]
    if failed:
        return "fail", [*failed, *event_sentences(evidence.soaks), *_ended_early(evidence)]
    invalid = _invalid(evidence)
    if invalid:
        return "invalid", invalid
    open_questions = [*_suspected(evidence), *_open_questions(evidence), *texts(held, "undecided", "missing")]
    if open_questions:
        return "inconclusive", open_questions
    return "pass", _pass_reasons(evidence)


def _changes(evidence: Evidence, *, fails: bool) -> list[str]:
    """What is worse, and fails the run or does not; of an A/A run better too, since its arms are the same thing."""
    aa = evidence.scenario.compare.aa is True
    wrong = ("worse", "better") if aa else ("worse",)
    return [
        f"{'A/A: ' if aa else ''}{_where(comparison)}: {name_of(comparison['metric'])} changed by "
        f"{comparison['ratio'] - 1:+.1%} ({' to '.join(comparison['arms'])}), proven {comparison['verdict']} over "
        f"{comparison['n_pairs']} pairs{', though both are the same' if aa else ''}."
        for comparison in evidence.comparisons
        if comparison["verdict"] in wrong and _proven(comparison) == fails
    ]


def _proven(comparison: dict[str, Any]) -> bool:
    return bool(proven(comparison["p_adjusted"], comparison["n_beyond"], comparison["n_pairs"]))


def _suspected(evidence: Evidence) -> list[str]:
    """What is worse at 5 % and does not fail a run: it passes none either."""
    return [
        f"{text.rstrip('.')} at the 5 % level, short of what fails a run (0.1 %, and nearly every pair beyond the "
        "threshold): more blocks decide."
        for text in _changes(evidence, fails=False)
    ]


def _where(comparison: dict[str, Any]) -> str:
    cell = comparison["cell"]
    place = f"{cell['input']}/{cell['output']}" if cell else "tasks"
    load = comparison["concurrency"]
    return f"{place} at {users(load, 'rate' in comparison)}" if load and cell else place


def _invalid(evidence: Evidence) -> list[str]:
    if evidence.stopped is not None:
        return _ended_early(evidence)
    if not evidence.steps:
        return [] if evidence.led else ["No step was measured."]
    valid = {_place(step) for step in counting(evidence.steps)}
    if not valid:
        return ["No step is valid: see the reasons under the invalid steps."]
    if not any(step.ok.any() for step in counting(evidence.steps)):
        return ["No request was answered, so nothing was measured: see the failures, mend the service, and run again."]
    gated = {_place(step): step for step in evidence.steps if _step_is_gated(step, evidence)}  # of each the last try
    stayed = [step for place, step in gated.items() if place not in valid]
    return [*_stayed_invalid(stayed), *soak_faults(evidence.soaks)]


def _ended_early(evidence: Evidence) -> list[str]:
    return [] if evidence.stopped is None else [f"The run ended early: {evidence.stopped.rstrip('.')}."]


def _stayed_invalid(steps: Sequence[Measured]) -> list[str]:
    """A sentence for each kind of reason; its figures are those of the first step that has it."""
    alike: dict[str, list[Measured]] = {}
    for step in steps:
        alike.setdefault(kind(_why(step)), []).append(step)
    return [
        f"The step {first.record.step.id}{f' and {len(more)} more' if more else ''} stayed invalid: {_why(first)}."
        for first, *more in alike.values()
    ]


def _why(step: Measured) -> str:
    return step.record.why_invalid[0].rstrip(".") if step.record.why_invalid else "no reason was recorded"


def _place(step: Measured) -> tuple[object, ...]:
    return *step.point, step.record.step.block, step.record.step.part


def _step_is_gated(step: Measured, evidence: Evidence) -> bool:
    if step.record.step.probe is not None:  # a search looks for its own way around what it cannot measure
        return False
    if step.record.step.stretch is not None:
        return True
    if len(evidence.scenario.arms) > 1 and not evidence.scenario.compare.isolate:
        return True
    place = step.record.step
    return has_gate(evidence.scenario) and (place.cell is None or place.load <= evidence.scenario.ladder.at)


def _led(evidence: Evidence) -> list[str]:
    """Gated points that nothing but steps led by hand has measured."""
    judged = {_place(step) for step in counting(evidence.steps)}
    open_ = [step for step in evidence.led if _step_is_gated(step, evidence) and _place(step) not in judged]
    if not open_:
        return []
    more = f", and {len(open_) - 1} more" if len(open_) > 1 else ""
    return [f"{open_[0].record.step.id} was led by hand{more}: that gates nothing; run the scenario by its plan."]


def _open_questions(evidence: Evidence) -> list[str]:
    led = _led(evidence)
    if led:
        return led
    if any(one["state"] != "found" for one in evidence.searches):
        return [found_sentence(one) for one in evidence.searches]
    if evidence.soaks:
        return soak_questions(evidence.soaks, evidence.scenario)
    if evidence.isolated is not None and not evidence.isolated["processing"]:
        return ["No request at 1 user was answered on both arms: nothing is isolated; see the failures."]
    if len(evidence.scenario.arms) < 2 or evidence.scenario.compare.isolate:
        return []
    if not evidence.pairs:
        if evidence.searches or scales(evidence.scenario):  # each arm at loads of its own; sizes of one service
            return []
        return ["No request was answered on both arms at any point: nothing can be compared; see the failures."]
    unproven = not_ruled_out(evidence.pairs, evidence.scenario)
    pairs = max(len(pair.values) for pair in evidence.pairs)
    if pairs < FEWEST_PAIRS and not all(one.why for one in unproven):
        return [f"Two arms with {pairs} pairs: a gate needs {FEWEST_PAIRS} or more; raise [plan] blocks."]
    held = {pair.held for pair in evidence.pairs}
    if unproven and len(held) == 1 and None not in held:  # one reason for all: said once
        return [f"Nothing is proven: {held.pop()}."]
    return [_unproven(one, evidence) for one in unproven]


def _unproven(one: Unproven, evidence: Evidence) -> str:
    """Why a metric over all points is no proof; of several candidates, which one is meant."""
    metric = name_of(one.metric) if len(evidence.scenario.arms) == 2 else f"{one.arms[1]}: {name_of(one.metric)}"
    if one.why is not None:
        return f"{metric} is comparable at no point: {one.why}."
    if one.bound is None:
        return f"{metric} over all points cannot be judged: fewer than {FEWEST_PAIRS} blocks hold every point."
    direction = "lower" if one.metric == "good_per_s" else "longer"
    return f"{metric} over all points could be {direction} by up to {one.bound:.1%}: more blocks would narrow it."


def _pass_reasons(evidence: Evidence) -> list[str]:
    said = [*(found_sentence(one) for one in evidence.searches), *soak_sentences(evidence.soaks)]
    gated = [rung for rung in evidence.rungs if is_gated(rung, evidence.scenario)]
    undecided = sum(rung.state == "undecided" for rung in gated)
    if has_slo(evidence.scenario) and gated:
        met = f"The SLO is met at {len(gated) - undecided} of {len(gated)} gated points"
        said.append(f"{met}, undecided at {undecided}." if undecided else f"{met}.")
    if evidence.scenario.slo.error_rate is not None and gated:
        said.append(
            f"No gated point is proven to fail more than {evidence.scenario.slo.error_rate:.1%} of its requests."
        )
    tested = [comparison for comparison in evidence.comparisons if comparison["gated"]]
    if tested:
        said.append(_tested(tested))
    said += _left_out(evidence.comparisons)
    said += texts(evidence.cost.gates, "met") if evidence.cost else []
    if evidence.searches:
        said.append("The search itself gates nothing.")
    if scales(evidence.scenario):
        said.append("The arms differ in replicas: how they scale is measured, and nothing between them is gated.")
    if evidence.scenario.compare.isolate:
        said.append("Isolation: what the service adds is measured, and nothing between the two arms is gated.")
    return said or ["Nothing was gated: add [slo] limits or a second arm for a verdict that can fail."]


def _tested(tested: Sequence[dict[str, Any]]) -> str:
    better = sum(comparison["verdict"] == "better" for comparison in tested)
    undecided = [comparison for comparison in tested if comparison["verdict"] == "inconclusive"]
    text = f"Nothing is proven worse in {len(tested)} comparisons; {_so_many(better)} proven better"
    seen = max((comparison["mde"] for comparison in undecided if "mde" in comparison), default=None)
    if seen is None:
        return f"{text}."
    return f"{text}, {_so_many(len(undecided))} undecided (there, a change above {seen:.0%} would have been seen)."


def _so_many(number: int) -> str:
    return "none is" if not number else "one is" if number == 1 else f"{number} are"


def _left_out(comparisons: Sequence[dict[str, Any]]) -> list[str]:
    """A pass names what it could not compare, with the first of it."""
    left_out = [comparison for comparison in comparisons if "reason" in comparison and "judged_by" not in comparison]
    if not left_out:
        return _judged_elsewhere(comparisons)
    first = left_out[0]
    where = f"{name_of(first['metric'])} of {_where(first)} is {first['reason']}"
    said = f"{len(left_out)} of {len(comparisons)} comparisons could not be made; the first: {where}."
    return [said, *_judged_elsewhere(comparisons)]


def _judged_elsewhere(comparisons: Sequence[dict[str, Any]]) -> list[str]:
    """What other comparisons judged in place of some, and why: one sentence for each of those."""
    elsewhere = {c["judged_by"]: c for c in reversed(comparisons) if "judged_by" in c}
    counts = {by: sum(c.get("judged_by") == by for c in comparisons) for by in elsewhere}
    return [
        f"{counts[by]} of {len(comparisons)} comparisons are judged by {name_of(by)}; the first: "
        f"{name_of(first['metric'])} of {_where(first)} is {first['reason']}."
        for by, first in elsewhere.items()
    ]
