"""The page's state as plain data: a pure function of what is live."""

from __future__ import annotations

from itertools import islice
from typing import Any

from scenarios.arm_prices import prices_of
from scenarios.scenario import Scenario
from web.live import MOST_WARNINGS, QUANTILES, SHOWN, Begun, Json, Live, failed_of, latencies_of, place_of

ERRORS_FROM = 0.05  # share of failed requests that is worth a warning
TOLD = 3  # steps that do not count, the newest


def state_of(live: Live, run: str = "", steps: int = 0, after_s: float = -1.0) -> Json:
    """Everything that the page shows; of run `run` only steps and points that it does not have yet."""
    begun, look = live.begun, live.look
    if begun is None or begun.id != run:
        steps, after_s = 0, -1.0
    return {
        "state": live.state, "text": live.text, "report": live.report,
        "run": _run(begun, live) if begun else None,
        "step": _step(live), "progress": _progress(live),
        "figures": figures(live), "outcomes": dict(live.outcomes), "rates": live.rates(),
        "cost": cost(begun.scenario, live) if begun else None,
        "workers": {"present": look.workers, "expected": look.expected},
        "users": look.users, "target": look.target, "engines": list(look.engines), "warnings": warnings(live),
        "held": look.held, "allowed": list(look.allowed), "actions": list(look.actions),
        "series": _series(live, after_s), "steps": live.steps[steps:], "steps_before": steps,
    }  # fmt: skip


def _run(begun: Begun, live: Live) -> Json:
    scenario = begun.scenario
    return {
        "id": begun.id, "scenario": scenario.name, "shape": begun.shape, "arms": list(scenario.arms),
        "at": None if scenario.search or scenario.soak else scenario.ladder.at,
        "limits": {k: v for k in ("ttft", "tpot", "e2e") if (v := getattr(scenario.slo, k)) is not None},
        "cells": list(begun.cells),
        "inputs": list(scenario.matrix.input), "outputs": list(scenario.matrix.output),
        "elapsed_s": live.now_s - live.began_s,
    }  # fmt: skip


def _step(live: Live) -> Json | None:
    if live.state not in ("starting", "running"):
        return None
    place: Json = place_of(live.step) if live.step else {}
    return {**place, "phase": live.phase_name or "check", "phase_s": live.now_s - live.phased_s}


def _progress(live: Live) -> Json | None:
    if live.begun is None:
        return None
    done = sum(step["try"] == 1 for step in live.steps)
    return {
        "done": done, "steps": len(live.begun.steps), "at_most": live.begun.at_most, "left_s": live.look.left_s,
    }  # fmt: skip


def figures(live: Live) -> Json:
    """Of the requests sent in the present window so far: latencies in seconds, the share that was good, outcomes."""
    tallies = [tally for _, tally in live.look.tallies]
    latencies = latencies_of(tallies) if tallies else {name: dict.fromkeys(QUANTILES) for name in SHOWN}
    sent = sum(tally.sent for tally in tallies)
    uncertain = [u for tally in tallies if (u := tally.uncertainty.quantile(0.99)) is not None]
    return {
        **latencies, "sent": sent, "failed": sum(failed_of(tally.by_outcome) for tally in tallies),
        "good": sum(tally.good for tally in tallies) / sent if sent else None,
        "lag_s": live.lag_s, "uncertainty_s": max(uncertain, default=None),
    }  # fmt: skip


def cost(scenario: Scenario, live: Live) -> Json | None:
    """Money so far and per hour, of the API by its tokens and of the GPUs by the clock; None without a price."""
    prices = [prices_of(scenario, name) for name in scenario.arms]
    hourly = [p.gpu.hourly * p.gpu.gpus_per_replica * p.replicas for p in prices if p.gpu is not None]
    if not hourly and live.look.money is None:
        return None
    gpus = sum(hourly) if hourly else None
    hours = (live.now_s - live.began_s) / 3600
    return {
        "currency": scenario.cost.currency if scenario.cost else "USD",
        "api_spent": live.look.money, "api_per_hour": live.money_per_hour,
        "gpu_spent": None if gpus is None else gpus * hours, "gpu_per_hour": gpus,
    }  # fmt: skip


def warnings(live: Live) -> list[Json]:
    """What a person should know, the newest step's first; each text says what to do."""
    found = [
        {"kind": "check", "text": f"{one['arm']}: {one['text']}"} for one in live.findings if one["status"] != "ok"
    ]
    found += [{"kind": "worker", "text": text} for text in live.look.changes]
    invalid = [step for step in reversed(live.steps) if not step["valid"]]
    more = [{"kind": "step", "text": f"{len(invalid) - TOLD} more steps do not count"}] if len(invalid) > TOLD else []
    texts = [f"{step['id']} does not count: {why}" for step in invalid[:TOLD] for why in step["why"]]
    found += [{"kind": "step", "text": text} for text in texts]
    found += more
    failed, ended = failed_of(live.outcomes), sum(live.outcomes.values())
    if ended >= 20 and failed > ERRORS_FROM * ended:
        worst = max((name for name in live.outcomes if name != "ok"), key=lambda name: live.outcomes[name])
        text = f"{failed / ended:.0%} of {ended:,} requests failed, mostly {worst}: `tokenswarm check` says why"
        found.insert(0, {"kind": "errors", "text": text})
    return list(islice(found, MOST_WARNINGS))


def _series(live: Live, after_s: float) -> dict[str, list[Any]]:
    """Columns of the charts over time, from the first point after `after_s`."""
    times = live.series.get("t", ())
    first = next((i for i, t in enumerate(times) if t is not None and t > after_s), len(times))
    return {name: [_rounded(value) for value in islice(values, first, None)] for name, values in live.series.items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
