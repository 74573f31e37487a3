"""What a search has found: per arm and cell the knee with its interval, and the evidence of each probe.

The answer is recomputed from the run's steps by the very function that led the search (exporters.knee).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import msgspec

from exporters.knee import Bounds, Finding, Probe, find
from exporters.probes import bounds_of, probe_of
from reports import figures
from reports.capacity import users
from reports.measured import Measured
from reports.stats import mean_interval, share_bounds
from scenarios.places import at_once
from scenarios.scenario import Cell, Scenario

Z95, Z90 = 1.959964, 1.644854
UNFINISHED = "the run ended before the search did: --resume goes on where it was"


def searches(steps: Sequence[Measured], scenario: Scenario) -> list[dict[str, Any]]:
    """One entry for each cell of each arm, in the scenario's order; empty without a search."""
    if scenario.search is None:
        return []
    cells = [cell for cell in scenario.matrix.cells if cell.name in scenario.search.cells]
    arms = [arm for group in at_once(scenario) for arm in group]
    found = [_search(steps, scenario, cell, arm) for cell in cells for arm in arms]
    return [_compared(entry, found, scenario.compare.baseline) for entry in found]


def _search(steps: Sequence[Measured], scenario: Scenario, cell: Cell, arm: str) -> dict[str, Any]:
    mine = [step for step in steps if step.record.step.arm == arm and step.record.step.cell == cell]
    blocks = [
        _block(probes_in(mine, block), scenario, bounds_of(scenario), block)
        for block in range(1, scenario.plan.blocks + 1)
    ]
    bounds = bounds_of(scenario)
    probes = [step for block in range(1, scenario.plan.blocks + 1) for step in probes_in(mine, block)]
    whole = find([_seen(step, scenario) for step in probes], bounds)
    state, why = _overall(blocks)
    entry = {
        "arm": arm,
        "cell": msgspec.to_builtins(cell),
        "by": "concurrency" if bounds.whole else "rate",
        "start": bounds.start,
        "max": bounds.max,
        "tolerance": bounds.tolerance,
        **_figures(whole),
        "state": state,
        "why": why,
        "blocks": blocks,
        "loads": _loads(probes, scenario),
        "probes": [_probe(step, scenario) for step in probes],
    }
    return {name: value for name, value in entry.items() if value not in (None, "")}


def probes_in(steps: Sequence[Measured], block: int) -> list[Measured]:
    """The probes of one search, in order: of each the last try."""
    found: dict[int, Measured] = {}
    for step in steps:
        place = step.record.step
        if place.block == block and place.probe is not None:
            found[place.probe] = step
    return [found[number] for number in sorted(found)]


def _seen(step: Measured, scenario: Scenario) -> Probe:
    return probe_of(step.record, scenario)


def _block(probes: Sequence[Measured], scenario: Scenario, bounds: Bounds, block: int) -> dict[str, Any]:
    """One block's own search."""
    found = find([_seen(step, scenario) for step in probes], bounds)
    figure = {"block": block, "probes": len(probes), "state": found.state, "why": _why(found), **_figures(found)}
    return {name: value for name, value in figure.items() if value not in (None, "")}


def _figures(found: Finding) -> dict[str, Any]:
    known = {name: getattr(found, name) for name in ("meets", "misses", "knee", "spread")}
    if found.low is not None and found.high is not None:
        known["interval"] = [found.low, found.high]
    return {name: value for name, value in known.items() if value is not None}


def _why(found: Finding) -> str:
    if found.state == "open":
        return UNFINISHED
    if found.state == "wide" and found.spread is not None:
        return (
            f"{found.why}: the service varies by {found.spread:.0%} from probe to probe; longer windows, "
            "more [search] probes or a larger tolerance would end it"
        )
    return found.why


def _overall(blocks: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """Found when it was found in every block, else the first block's state that was not, and why."""
    for block in blocks:
        if block["state"] != "found":
            where = f"block {block['block']}: " if len(blocks) > 1 and "why" in block else ""
            return block["state"], where + block.get("why", "")
    return "found", ""


def _loads(probes: Sequence[Measured], scenario: Scenario) -> list[dict[str, Any]]:
    """Per load what its valid probes add up to, ascending: the shares of a picture."""
    by_load: dict[float, list[Measured]] = {}
    for step in probes:
        if step.record.valid:
            by_load.setdefault(step.record.step.load, []).append(step)
    return [_load(load, by_load[load], scenario) for load in sorted(by_load)]


def _load(load: float, steps: Sequence[Measured], scenario: Scenario) -> dict[str, Any]:
    met = sum(_seen(step, scenario).met >= 0.5 for step in steps)
    return {"load": load, "probes": len(steps), "met": met, **_share(steps)}


def _share(steps: Sequence[Measured]) -> dict[str, Any]:
    """Good of sent, with its exact one-sided 95 % bounds."""
    sent, good = sum(step.sent for step in steps), sum(int(step.good.sum()) for step in steps)
    return {"sent": sent, "good": good, "bounds": list(share_bounds(good, sent))}


def _probe(step: Measured, scenario: Scenario) -> dict[str, Any]:
    """The evidence of one probe."""
    record, place = step.record, step.record.step
    latencies = figures.latencies([step])
    known: dict[str, Any] = {
        "step": place.id,
        "block": place.block,
        "probe": place.probe,
        "try": place.try_,
        "load": place.load,
        "valid": record.valid,
        "met": _seen(step, scenario).met,
        **_share([step]),
        **{metric: latencies[metric] for metric in ("ttft_s", "tpot_s", "e2e_s") if metric in latencies},
    }
    return known if record.valid else {**known, "why_invalid": list(record.why_invalid)}


def _compared(entry: dict[str, Any], entries: Sequence[dict[str, Any]], baseline: str) -> dict[str, Any]:
    """The entry with its knee against the baseline's, over the blocks in which both were found. It gates nothing."""
    if not baseline or entry["arm"] == baseline:
        return entry
    other = next(one for one in entries if one["arm"] == baseline and one["cell"] == entry["cell"])
    ratio = knee_ratio(entry, other)
    return entry if ratio is None else {**entry, "against": {"arm": baseline, **ratio}}


def knee_ratio(entry: dict[str, Any], other: dict[str, Any]) -> dict[str, Any] | None:
    """One search's knee over another's, with its 95 % interval; None without a block in which both were found.

    The interval is Student's over the blocks, widened by how exactly each knee is known: of whole numbers of users all
    blocks may agree, and the knee still lies anywhere between two of them. Of a single block that is all there is.
    """
    mine, its = ({b["block"]: b for b in one["blocks"] if b["state"] == "found"} for one in (entry, other))
    both = [(mine[block], its[block]) for block in mine if block in its]
    if not both:
        return None
    mean = mean_interval([math.log(one["knee"] / another["knee"]) for one, another in both])
    known = fmean(math.hypot(_known(one), _known(another)) for one, another in both)
    between = 0.0 if mean.high is None else mean.high - mean.mean
    half = math.hypot(between, known)
    return {
        "ratio": math.exp(mean.mean),
        "ci": [math.exp(mean.mean - half), math.exp(mean.mean + half)],
        "ci_from": "knees" if mean.high is None else "blocks",
        "n_pairs": len(both),
    }


def _known(block: dict[str, Any]) -> float:
    """Half of the 95 % interval of ln knee within one block, from its 90 % one."""
    low, high = block["interval"]
    return math.log(high / low) / 2 * Z95 / Z90


def search_capacities(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The searches as entries of `capacity`: from what is met to what is missed; undecided where none ended there."""
    return [
        {
            "arm": one["arm"],
            "cell": one["cell"],
            "rung": one.get("meets"),
            "next": one.get("misses"),
            "undecided": _undecided(one),
        }
        for one in found
    ]


def _undecided(entry: dict[str, Any]) -> list[float]:
    """Probed loads between both ends, of which no end is sure; where the search has no upper end, its last probe."""
    low, high = entry.get("meets") or 0, entry.get("misses") or math.inf
    between = [load["load"] for load in entry["loads"] if low < load["load"] < high]
    if entry["state"] in ("found", "below", "above"):
        return between
    return sorted({*between, *(probe["load"] for probe in entry["probes"][-1:] if probe["load"] > low)})


def found_sentence(entry: dict[str, Any]) -> str:
    """The answer with where it holds, for the verdict."""
    said = answer(entry)
    return f"Search, {entry['arm']}, {entry['cell']['input']}/{entry['cell']['output']}: {said.rstrip('.')}."


def answer(entry: dict[str, Any]) -> str:
    """What a search has found, in one sentence."""
    is_rate, low, high = entry["by"] == "rate", entry.get("meets"), entry.get("misses")
    start, end = users(entry["start"], is_rate), users(entry["max"], is_rate)
    match entry["state"]:
        case "found" if low is not None:
            return f"{users(low, is_rate)} meet{'s' if low == 1 else ''} the SLO and {high:g} do not"
        case "below":
            return f"the SLO is missed at {start} already, where the search starts: lower [search] start"
        case "above":
            return f"the SLO is still met at {end}, where the search ends: raise [search] max"
    begun = f"undecided above {users(low, is_rate)}" if low is not None else f"undecided from {start} on"
    upto = f", below {high:g}" if high is not None and entry["state"] != "undecided" else ""
    return f"{begun}{upto}: {entry.get('why', UNFINISHED)}"
