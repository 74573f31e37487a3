"""Several models or adapters behind one endpoint: figures of each, and what it costs to switch between them.

Switching cost = TTFT of a request that follows one for another model - TTFT of one that follows its own, within each
model, averaged over models by how often they were switched to. Requests follow each other in the order of sending. It
is exact where one user sends them; with more at once the server mixes them, and the difference says so ("mixed").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from exporters.record import Run
from reports.definitions import name_of
from reports.latency import load_column, load_shown
from reports.measured import LATENCIES, Measured, counting
from reports.stats import mean_interval
from reports.tables import Column, Shown, Table, absent, cell_name, label
from reports.units import count, duration, share
from scenarios.scenario import Arm, Scenario

COLUMNS = ("step", "model", "outcome", "sent_ns", "ttft_s", "tpot_s", "e2e_s", "output_tokens")
LEAST = 3  # requests of either kind in a block


def mixes(run: Run, steps: Sequence[Measured], scenario: Scenario) -> list[dict[str, Any]]:
    """By arm, cell and rung: the models' figures and the switching cost; empty without an arm of several models."""
    several = {name for name, arm in scenario.arms.items() if not isinstance(arm.model, str)}
    if not several:
        return []
    rows = pd.concat([pd.DataFrame(), *(table.to_pandas() for table in run.windows(COLUMNS))])
    places: dict[tuple[Any, ...], list[Measured]] = {}
    for step in steps:
        if step.record.step.arm in several:
            places.setdefault(step.point, []).append(step)
    found = [_mix(counting(here), rows, scenario) for here in places.values() if counting(here)]
    return [mix for mix in found if mix["models"]]


def _mix(steps: Sequence[Measured], rows: pd.DataFrame, scenario: Scenario) -> dict[str, Any]:
    place = steps[0].record.step
    ids = [step.record.step.id for step in steps]
    here = rows[rows["step"].isin(ids)]
    asked = shares(scenario.arms[place.arm])
    figure: dict[str, Any] = {
        "arm": place.arm,
        "cell": msgspec.to_builtins(place.cell),
        "concurrency": place.concurrency,
        **({} if place.rate is None else {"rate": place.rate}),
        "models": {str(name): _figures(part, len(here), asked) for name, part in here.groupby("model")},
    }
    switching = switch_cost([part for _, part in here.groupby("step")])
    if switching is not None:
        figure["switching"] = {**switching, "how": "exact" if place.load == 1 and place.rate is None else "mixed"}
    return figure


def shares(arm: Arm) -> dict[str, float]:
    """The share of the requests that each model was to have."""
    if isinstance(arm.model, str):
        return {arm.model: 1.0}
    total = sum(model.weight for model in arm.model)
    return {model.model: model.weight / total for model in arm.model}


def _figures(rows: pd.DataFrame, sent: int, asked: Mapping[str, float]) -> dict[str, Any]:
    ok = rows[rows["outcome"] == "ok"]
    figures: dict[str, Any] = {"sent": len(rows), "ok": len(ok), "share": len(rows) / sent}
    name = str(rows["model"].iloc[0])
    figures |= {"asked_share": asked[name]} if name in asked else {}
    means = {column: ok[column].mean() for column in (*LATENCIES, "output_tokens")}
    return figures | {column: float(mean) for column, mean in means.items() if not np.isnan(mean)}


def switch_cost(blocks: Sequence[pd.DataFrame]) -> dict[str, Any] | None:
    """Seconds that TTFT is longer after another model's request: mean over blocks, 95 % interval from three on."""
    parts = [part for part in map(_of_block, blocks) if part is not None]
    if not parts:
        return None
    costs = [cost for cost, _, _ in parts]
    known = mean_interval(costs)
    figure: dict[str, Any] = {
        "cost_s": known.mean,
        "blocks": len(parts),
        "switched": sum(switched for _, switched, _ in parts),
        "stayed": sum(stayed for _, _, stayed in parts),
    }
    return {**figure, "ci": [known.low, known.high]} if len(costs) >= LEAST else figure


def _of_block(rows: pd.DataFrame) -> tuple[float, int, int] | None:
    """The cost in one block, and how many requests followed another model's or their own; None for too few."""
    ordered = rows.sort_values("sent_ns")
    switched = (ordered["model"] != ordered["model"].shift()).to_numpy()[1:]
    known = ordered.iloc[1:].assign(switched=switched)
    known = known[(known["outcome"] == "ok") & known["ttft_s"].notna()]
    costs, weights, stayed = [], [], 0
    for _, part in known.groupby("model"):
        other, own = part[part["switched"]]["ttft_s"], part[~part["switched"]]["ttft_s"]
        if len(other) >= LEAST and len(own) >= LEAST:
            costs.append(other.mean() - own.mean())
            weights.append(len(other))
            stayed += len(own)
    return (float(np.average(costs, weights=weights)), sum(weights), stayed) if costs else None


def mix_table(mixes: list[dict[str, Any]]) -> Table | None:
    """Each model of each point, and what switching to another one costs there."""
    if not mixes:
        return None
    words = (Column("arm", None, False), Column("model", None, False))
    heads = (Column("cell", "cell", False), load_column(mixes), *words)
    counted = (Column("sent", None), Column("share", "requests"), Column("ok", None))
    latencies = tuple(Column(f"{name_of(metric)} mean", metric) for metric in LATENCIES)
    columns = (*counted, *latencies, Column("switching", "switching"))
    rows = tuple(_row(mix, name) for mix in mixes for name in mix["models"])
    return Table("Models behind one endpoint", (*heads, *columns), rows, heads=4)


def _row(mix: dict[str, Any], name: str) -> tuple[Shown, ...]:
    model = mix["models"][name]
    heads = (Shown(cell_name(mix.get("cell"))), Shown(load_shown(mix)), label(mix["arm"]), label(name))
    asked = f"{share(model['asked_share'])} asked" if "asked_share" in model else "not asked for"
    figures = (Shown(count(model["sent"])), Shown(share(model["share"]), detail=asked), Shown(count(model["ok"])))
    return (*heads, *figures, *(Shown(duration(model.get(metric))) for metric in LATENCIES), _switching(mix))


def _switching(mix: dict[str, Any]) -> Shown:
    switching = mix.get("switching")
    if switching is None:
        return absent("too few requests of either kind: after another model's, and after its own")
    half = (switching["ci"][1] - switching["ci"][0]) / 2 if "ci" in switching else None
    said = "one user at a time" if switching["how"] == "exact" else "mixed load: others' requests run beside"
    detail = f"± {duration(half)}" if half else f"{switching['blocks']} blocks"
    return Shown(duration(switching["cost_s"]), detail=detail, note=said)
