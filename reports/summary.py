"""A run directory becomes summary.json, format 1 (its schema is summary.schema.json beside this file)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from exporters.record import Run
from reports import figures
from reports.anomalies import anomalies
from reports.arrivals import arrivals
from reports.by_hand import led, left_alone, shown_at
from reports.calls import calls_warnings, counted_calls, with_calls
from reports.capacity import capacities, rung_slos
from reports.compare import comparisons
from reports.cost import Loads, costs
from reports.cost_running import running_cost
from reports.doubts import copy_warnings, scenario_warnings, warnings
from reports.ecdf import ecdf_figures
from reports.engines import engine_figures, sampling_warnings
from reports.fleet import fleet_figures, users_by_worker
from reports.growth import growth
from reports.inside import inside_figures
from reports.isolated import isolation, isolation_warnings
from reports.lengths import lengths
from reports.life import life_cycle, life_warnings
from reports.measured import Measured, counting, measured_steps
from reports.mix import mixes
from reports.pairs import all_pairs
from reports.paragraph import paragraph
from reports.places import held_to_places
from reports.replies import reply_warnings
from reports.scaling import scaling
from reports.score import scores
from reports.search import search_capacities, searches
from reports.soak import soaks
from reports.spent import spent_figures
from reports.spread import spread_warnings, spreads
from reports.stages import stage_warnings
from reports.talks import talk_warnings, talks
from reports.textual import dependence_warnings, dependences, judged_on_tasks
from reports.timeline import timeline
from reports.token_counts import Counts, token_counts, token_warnings
from reports.tokenizers import differences, tokenizer_warnings
from reports.verdict import Evidence, verdict
from reports.waste import wasted, with_waste
from scenarios.replicas import scales

FORMAT = 1


def summarize(run: Run) -> dict[str, Any]:
    """Every figure of a run, and what they come to in one paragraph; what was not measured is absent."""
    summary = _figures(run)
    summary["verdict"]["paragraph"] = paragraph(summary, run.manifest)
    return summary


def _figures(run: Run) -> dict[str, Any]:
    scenario, steps = run.scenario, measured_steps(run)
    textual = dependences(steps, scenario)
    searched, soaked = searches(steps, scenario), soaks(run, scenario)
    alone = left_alone(steps)
    planned = [step for step in alone if step.record.step.part is None]  # loads chosen by outcome compare nothing
    pairs = held_to_places(all_pairs(planned, scenario), scenario, run.manifest.get("aa"))
    pairs = judged_on_tasks(pairs, textual)
    isolated = isolation(run, steps, scenario)
    if isolated is not None or scales(scenario):  # no change of one another: nothing is judged
        pairs, textual = [], []
    counted, life = counted_calls(run, steps, scenario), life_cycle(run, steps, scenario)
    spread, talked = spreads(run, steps, scenario), talks(run, steps, scenario)
    compared, rungs = comparisons(pairs, scenario), rung_slos(alone, scenario)
    capacity = search_capacities(searched) if searched else capacities(rungs, scenario)
    cost = costs(Loads(steps, capacity, rungs), scenario, run.manifest["started"])
    waste = wasted(run, steps, scenario)
    seen = Evidence(
        scenario, alone, compared, pairs, rungs, stopped_why(run.manifest), isolated, searched, soaked, cost,
        scores(steps, cost, waste, scenario), led(steps),
    )  # fmt: skip
    counts = token_counts(run, steps)
    matrix = [step for step in steps if step.record.step.cell is not None]
    return {
        "format": FORMAT,
        "run": _run(run.manifest, steps, counts),
        "verdict": verdict(seen),
        "steps": [step_figures(step) for step in matrix],
        "tasks": [step_figures(step) for step in steps if step.record.step.cell is None],
        "points": with_calls(points(matrix), counted, scenario),
        "comparisons": compared,
        **_known(
            isolation=isolated,
            life=life,
            search=searched,
            soaks=soaked,
            scaling=scaling(steps, searched, scenario),
            replicas=spread,
            mixes=mixes(run, steps, scenario),
            conversations=talked,
            **_over_load_and_time(run, planned),
        ),
        "capacity": capacity,
        "cost": with_waste(cost.figures, waste.figures),
        "waste": waste.figures,
        **_unusual(run, steps),
        "warnings": [
            *sampling_warnings(steps),
            *scenario_warnings(scenario),
            *tokenizer_warnings([] if isolated else differences(steps, scenario)),
            *dependence_warnings(textual, pairs),
            *isolation_warnings(isolated),
            *calls_warnings(counted),
            *life_warnings(life),
            *spread_warnings(spread),
            *talk_warnings(talked, scenario),
            *token_warnings(counts),
            *_plain_warnings(run, steps),
        ],
    }


def _unusual(run: Run, steps: Sequence[Measured]) -> dict[str, Any]:
    found, counts = anomalies(run, steps)
    return {"anomalies": found, "anomaly_counts": counts}


def _plain_warnings(run: Run, steps: Sequence[Measured]) -> list[dict[str, Any]]:
    """Doubts that come straight from the steps and the rows."""
    scenario = run.scenario
    return [
        *stage_warnings(steps, scenario),
        *reply_warnings(run, steps, scenario),
        *warnings(steps, ("prefix cache",) if scenario.conversation else ()),
        *copy_warnings(run.manifest),
    ]


def _over_load_and_time(run: Run, planned: Sequence[Measured]) -> dict[str, Any]:
    return {"growth": growth(planned), "timeline": timeline(run)}


def _known(**sections: Any) -> dict[str, Any]:
    """The sections that a run has anything for."""
    return {name: section for name, section in sections.items() if section}


def stopped_why(manifest: dict[str, Any]) -> str | None:
    """Why a run did not reach its end; None when it did."""
    if manifest.get("stopped"):
        return str(manifest["stopped"])
    return None if manifest.get("ended") else "it was killed or is still running"


def _run(manifest: dict[str, Any], steps: Sequence[Measured], counts: Counts) -> dict[str, Any]:
    known = {
        "id": manifest["id"],
        "scenario": manifest["scenario"]["name"],
        "started": manifest["started"],
        "ended": manifest.get("ended"),
        "clock": figures.clock(steps),
        "workers": manifest["workers"],
        "seed": manifest["seed"],
        "calibration": manifest.get("calibration"),
        "rows": manifest.get("rows"),
        "tokens": counts or None,
        "fleet": fleet_figures(steps, manifest),
    }
    return {name: value for name, value in known.items() if value is not None or name == "ended"}  # null: it was killed


def step_figures(step: Measured) -> dict[str, Any]:
    """One step of the contract."""
    record, place = step.record, step.record.step
    figure: dict[str, Any] = {
        "id": place.id,
        "arm": place.arm,
        "block": place.block,
        "cell": msgspec.to_builtins(place.cell),
        "concurrency": place.concurrency,
        "try": place.try_,
        "marks": list(record.marks),
        "valid": record.valid,
        "why_invalid": list(record.why_invalid),
        "window_s": record.window_s,
        "users_by_worker": users_by_worker(step) or None,
        **_common([step]),
        **arrivals([step]),
        **figures.latencies([step]),
        "client": figures.client([step]),
    }
    if place.cell is None:
        del figure["cell"]
        figure |= {"finish": step.finish, **_drawn([step])}
    return {name: value for name, value in figure.items() if value is not None}


def points(steps: Sequence[Measured]) -> list[dict[str, Any]]:
    """Arm x cell x rung over its blocks: valid ones pooled, means with their interval over block means."""
    places: dict[tuple[Any, ...], list[Measured]] = {}
    for step in steps:
        places.setdefault(step.point, []).append(step)
    order = sorted(
        places.items(), key=lambda item: (item[0][1].input_tokens, item[0][1].output_tokens, item[0][2], item[0][0])
    )
    return [_point(place, found) for place, found in order]


def _point(place: tuple[Any, ...], steps: Sequence[Measured]) -> dict[str, Any]:
    arm, cell, _ = place
    steps, by_hand = shown_at(steps)
    valid = counting(steps)
    figure: dict[str, Any] = {
        "arm": arm,
        "cell": msgspec.to_builtins(cell),
        "concurrency": max(step.record.step.concurrency for step in steps),
        "blocks": len({(step.record.step.block, step.record.step.part) for step in steps}),
        "valid_blocks": len(valid),
        **({"by_hand": True} if by_hand else {}),
    }
    if not valid:
        rate = steps[-1].record.step.rate
        figure |= {} if rate is None else {"rate": rate}
        return {**figure, "why_invalid": list(steps[-1].record.why_invalid)}
    return {
        **figure,
        **_common(valid),
        **arrivals(valid),
        **figures.point_latencies(valid),
        **_drawn(valid),
        "client": figures.client(valid),
    }


def _drawn(steps: Sequence[Measured]) -> dict[str, Any]:
    """What pictures need: where the time goes, how latencies are distributed."""
    told = engine_figures(steps).get("server", {})
    return {**spent_figures([step.spent for step in steps], told), **ecdf_figures(steps)}


def _common(steps: Sequence[Measured]) -> dict[str, Any]:
    known = {
        "requests": figures.requests(steps),
        "tokens": figures.tokens(steps),
        "throughput": figures.throughput(steps),
        "goodput": figures.goodput(steps),
        **inside_figures([step.inside for step in steps]),
        **engine_figures(steps),
        **lengths(steps),
        "cost": running_cost(steps),
    }
    return {name: value for name, value in known.items() if value}
