"""`isolation` of summary.json: what the service arm adds to the direct one, from the rows of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from exporters.record import Run
from reports.isolation import Prefill, Reply, effect, paired, prefill, processing
from reports.measured import Measured, counting
from scenarios.scenario import Cell, Scenario

COLUMNS = (
    "step", "outcome", "turn", "prompt_id", "end_s", "ttft_s", "tpot_s", "input_tokens", "cached_tokens",
    "output_tokens", "stages", "model_input_tokens", "model_output_tokens",
)  # fmt: skip
PREFILL = "prefill"  # the name of the stage by which a model tells its prefill time
NO_SLOPE = (
    "the model's time for an input token is not known: give the matrix a second input size at 1 user ([ladder] at = "
    "1), or the model's arm a stage named prefill"
)
NO_USAGE = "input tokens of both arms are not known: turn usage on in the service"
EFFECTS = ("ttft_s", "e2e_s")

Place = tuple[str, Cell | None]
Turns = dict[tuple[int, int], Reply]


def isolation(run: Run, steps: Sequence[Measured], scenario: Scenario) -> dict[str, Any] | None:
    """What the service adds: per cell the processing time in parts at 1 user, and the service effect above."""
    if not scenario.compare.isolate:
        return None
    arms = model, service = scenario.compare.baseline, scenario.compare.candidate
    replies = replies_of(run, steps)
    own = [turns for (arm, _), turns in replies.items() if arm == model]
    slope = prefill(own)
    cells = [cell for arm, cell in replies if arm == model and (service, cell) in replies]
    cells.sort(key=lambda cell: (cell is None or cell.name != scenario.plan.cell, cell.input_tokens if cell else 0))
    found = [
        {"cell": msgspec.to_builtins(cell), **processing(paired(replies[model, cell], replies[service, cell]), slope)}
        for cell in cells
    ]
    figures: dict[str, Any] = {"arms": list(arms), "processing": [one for one in found if one["pairs"]]}
    if slope is not None:
        figures["prefill"] = _prefill(slope)
    why = _why_no_split(figures["processing"], slope)
    return {**figures, **({"why_no_split": why} if why else {}), "effects": list(_effects(steps, arms))}


def _prefill(slope: Prefill) -> dict[str, Any]:
    values = list(slope.per_token.values())
    return {"s_per_token": sum(values) / len(values), "how": slope.how}


def _why_no_split(found: Sequence[Mapping[str, Any]], slope: Prefill | None) -> str | None:
    if not found or all("own_work_s" in one for one in found):
        return None
    return NO_SLOPE if slope is None else NO_USAGE


def replies_of(run: Run, steps: Sequence[Measured]) -> dict[Place, Turns]:
    """By arm and cell, the ok requests of the steps at 1 user that count, by block and turn."""
    alone = {
        step.record.step.id: step.record.step
        for step in counting(steps)
        if step.record.step.concurrency == 1 and step.record.step.rate is None
    }
    found: dict[Place, Turns] = {}
    for row in _rows(run, list(alone)):
        step = alone[row["step"]]
        found.setdefault((step.arm, step.cell), {})[step.block, row["turn"]] = _reply(row)
    return found


def _rows(run: Run, steps: Sequence[str]) -> Iterator[dict[str, Any]]:
    for table in run.windows(COLUMNS):
        ours = pc.and_(
            pc.is_in(table["step"], value_set=pa.array(steps, pa.string())), pc.equal(table["outcome"], "ok")
        )
        yield from (row for row in table.filter(ours).to_pylist() if row["turn"] is not None and row["end_s"])


def _reply(row: Mapping[str, Any]) -> Reply:
    given = row["input_tokens"] if row["model_input_tokens"] is None else row["model_input_tokens"]
    made = row["output_tokens"] if row["model_output_tokens"] is None else row["model_output_tokens"]
    told = msgspec.json.decode(row["stages"], type=dict[str, float]) if row["stages"] else {}
    return Reply(
        prompt=row["prompt_id"],
        end_s=row["end_s"],
        ttft_s=row["ttft_s"],
        tpot_s=row["tpot_s"],
        input_tokens=None if given is None else given - (row["cached_tokens"] or 0),
        output_tokens=made,
        prefill_s=told.get(PREFILL),
    )


def _effects(steps: Sequence[Measured], arms: tuple[str, str]) -> Iterator[dict[str, Any]]:
    """At more than 1 user, the difference of the arms' means."""
    places: dict[tuple[Cell | None, float], dict[str, list[Measured]]] = {}
    for step in counting(steps):
        arm, cell, load = step.point
        if load > 1:
            places.setdefault((cell, load), {}).setdefault(arm, []).append(step)
    for (cell, load), by_arm in places.items():
        for metric in EFFECTS:
            sides = [
                {s.record.step.block: mean for s in by_arm.get(arm, ()) if (mean := s.mean(metric)) is not None}
                for arm in arms
            ]
            found = effect(*sides)
            if found is not None:
                yield {"cell": msgspec.to_builtins(cell), "concurrency": load, "metric": metric, **found}


def isolation_warnings(figures: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """What a reader of the isolation must know."""
    if figures is None:
        return []
    found = []
    if not figures["processing"]:
        text = "No request at 1 user was answered on both arms: there is no processing time."
        found.append(("nothing to pair", text, "See the failures and the invalid steps at 1 user."))
    elif "why_no_split" in figures:
        text = f"The processing time is not split: {figures['why_no_split'].partition(':')[0]}."
        found.append(("no split", text, f"{figures['why_no_split'].partition(': ')[2].capitalize()}."))
    single = [one for one in figures["processing"] if one["blocks"] < 2]
    if single:
        text = f"The processing time of {len(single)} cells is that of one block: it has no interval."
        found.append(("one block", text, "Raise [plan] blocks: each block is one value."))
    negative = [one for one in figures["processing"] if one.get("own_work_s", {}).get("ci", [0, 0])[1] < 0]
    if negative:
        text = f"Own work is below 0 in {len(negative)} cells: calls ran side by side, or its model is faster."
        found.append(("negative work", text, "Check that both arms reach the same model, and how it is cached."))
    return [{"code": f"isolation: {code}", "text": text, "advice": advice, "steps": []} for code, text, advice in found]
