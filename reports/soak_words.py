"""What a soak says, and what of it gates: the error budget of the whole, and the time to recover where that is set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.capacity import users
from reports.stats import share_bounds
from reports.units import change, change_interval, count, plain, share, span
from scenarios.scenario import Scenario
from scenarios.slo import has_slo

Entry = dict[str, Any]
ILL = {"unaffected": False, "recovered": False, "not recovered": True}


def soak_breaches(soaks: Sequence[Entry], scenario: Scenario) -> list[str]:
    """Sentences about what a soak has proven too bad; of several arms the baseline gates nothing."""
    compared = len(scenario.arms) > 1
    judged = [one for one in soaks if not compared or one["arm"] != scenario.compare.baseline]
    return [said for one in judged for said in (*_shares(one, scenario), *_slow(one, scenario))]


def _shares(one: Entry, scenario: Scenario) -> list[str]:
    slo, sent, said = scenario.slo, one["sent"], []
    if has_slo(scenario) and sent and one["bounds"][1] < slo.attain:
        used = f", {one['budget_used']:.1f} times the error budget" if "budget_used" in one else ""
        good = f"{one['good'] / sent:.1%} of the requests were good, {slo.attain:.0%} must be{used}."
        said.append(f"{_place(one)}: {good}")
    failed = sent - one["ok"]
    if slo.error_rate is not None and share_bounds(failed, sent)[0] > slo.error_rate:
        said.append(f"{_place(one)}: {failed / sent:.1%} of the requests failed, {slo.error_rate:.1%} may.")
    return said


def _slow(one: Entry, scenario: Scenario) -> list[str]:
    """Recoveries that took longer than they may, by more than they are uncertain."""
    limit = scenario.soak.recover if scenario.soak else None
    if limit is None:
        return []
    said = []
    for event in _gated(one):
        if ILL.get(event["state"]) and event["until_s"] - event["at_s"] > limit:
            said.append(f"{_place(one)}: not well again {span(event['until_s'] - event['at_s'])} after {named(event)}.")
        elif event.get("recovered_s", 0.0) - one["bin_s"] > limit:
            took = f"{event['recovered_s']:.1f} s to recover from {named(event)}, {span(limit)} are allowed"
            said.append(f"{_place(one)}: it took {took}.")
    return said


def _gated(one: Entry) -> list[Entry]:
    """What a service must recover from: while a spike lasts it need not."""
    return [event for event in one["events"] if event["what"] != "spike begins"]


def soak_faults(soaks: Sequence[Entry]) -> list[str]:
    """Why nothing is known of a recovery: the disturbance itself did not work."""
    return [f"{_place(one)}: {plain(fault, 200).rstrip('.')}." for one in soaks for fault in one["faults"]]


def soak_questions(soaks: Sequence[Entry], scenario: Scenario) -> list[str]:
    """Recoveries that are to be gated and could not be judged."""
    if scenario.soak is None or scenario.soak.recover is None:
        return []
    return [
        f"{_place(one)}: whether it recovered from {named(event)} cannot be told: {_why_open(event)}."
        for one in soaks
        for event in _gated(one)
        if event["state"] not in ILL
    ]


def _why_open(event: Entry) -> str:
    reasons = {
        "too short": "less than [soak] hold is left until the next event or the end",
        "ill before": "it was not well before",
    }
    return str(event.get("why") or reasons.get(event["state"], event["state"]))


def soak_sentences(soaks: Sequence[Entry]) -> list[str]:
    """Each soak as a whole, and what was done to it, a sentence each."""
    return [said for one in soaks for said in (_whole(one), *event_sentences([one]))]


def event_sentences(soaks: Sequence[Entry]) -> list[str]:
    """What was done to each, and what became of it."""
    return [_recovered(one, event) for one in soaks for event in one["events"]]


def _whole(one: Entry) -> str:
    sent = one["sent"]
    used = f", {share(one['budget_used'], 0)} of the error budget" if "budget_used" in one else ""
    good = f"{share(one['good'] / sent)} of {count(sent)} requests were good{used}" if sent else "no request was sent"
    return f"{_place(one)} for {span(one['seconds'])}: {good}."


def _recovered(one: Entry, event: Entry) -> str:
    return f"{_place(one)}, {named(event)}: {outcome(one, event)}."


def outcome(one: Entry, event: Entry) -> str:
    """What became of the service after an event, in words."""
    state, lost = event["state"], f", {count(event['failed'])} requests failed" if event["failed"] else ""
    match state:
        case "unaffected":
            return "it never left its level"
        case "recovered":
            back = f"; its E2E is {level_words(event)}" if "level" in event else ""
            return f"well again after {event['recovered_s']:.1f} s (± {one['bin_s']:g} s){lost}{back}"
        case "not recovered":
            looked = span(event["until_s"] - event["at_s"])
            if event["what"] == "spike begins":
                return f"not well while it lasted, {looked}{lost}"
            return f"not well again by the next event or the end, {looked} later{lost}"
    return f"its recovery cannot be told: {_why_open(event)}"


def level_words(event: Entry) -> str:
    """Whether latency came back to its level."""
    (low, high), ratio = event["level"]["ci"], event["level"]["ratio"]
    interval = f"{change(ratio, (low, high))} ({change_interval(low, high)})"
    if low > 1 or high < 1:
        return f"{'higher' if low > 1 else 'lower'} than before: {interval}"
    return f"back at its level: {interval}"


def named(event: Entry) -> str:
    """An event as a noun."""
    if event["what"] == "disturbance":
        return f"the disturbance at {event['at_s']:.1f} s"
    end = "the end of the spike" if event["what"] == "spike ends" else f"the spike to {event['load']:g}"
    return f"{end} at {event['at_s']:.1f} s"


def _place(one: Entry) -> str:
    return f"Soak, {one['arm']}, {users(one['load'], one['by'] == 'rate')}"
