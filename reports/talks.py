"""Conversations turn by turn, and what a prefix cache saves: turns of ordinary conversations against uncached ones.

Saved = mean TTFT of an uncached conversation's turn - mean TTFT of an ordinary one's same turn, in one step; over
several blocks with its 95 % interval. The first turn has nothing to save but the system message.
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
from reports.measured import Measured, counting
from reports.stats import mean_interval
from reports.tables import Column, Shown, Table, absent, cell_name, label
from reports.units import count, duration, money, number, plain, share
from scenarios.extent import arm_price
from scenarios.prices import ApiPrice
from scenarios.scenario import Scenario

COLUMNS = (
    "step", "outcome", "conversation_turn", "uncached", "input_tokens", "cached_tokens", "ttft_s", "e2e_s",
)  # fmt: skip
LEAST = 2  # requests of either kind, in a step


def talks(run: Run, steps: Sequence[Measured], scenario: Scenario) -> list[dict[str, Any]]:
    """By arm, cell and rung: figures of each turn, and what the cache saved; empty without conversations."""
    if scenario.conversation is None:
        return []
    rows = pd.concat([pd.DataFrame(), *(table.to_pandas() for table in run.windows(COLUMNS))])
    rows = rows[rows["conversation_turn"].notna()] if len(rows) else rows
    places: dict[tuple[Any, ...], list[Measured]] = {}
    for step in steps:
        places.setdefault(step.point, []).append(step)
    return [_talk(counting(here), rows, scenario) for here in places.values() if counting(here) and len(rows)]


def _talk(steps: Sequence[Measured], rows: pd.DataFrame, scenario: Scenario) -> dict[str, Any]:
    place = steps[0].record.step
    here = rows[rows["step"].isin([step.record.step.id for step in steps])]
    ordinary = here[here["uncached"] == 0]
    figure: dict[str, Any] = {
        "arm": place.arm,
        "cell": msgspec.to_builtins(place.cell),
        "concurrency": place.concurrency,
        "turns": [_turn(int(turn), part, here) for turn, part in ordinary.groupby("conversation_turn")],
    }
    hits = _hits(ordinary)
    price = arm_price(scenario, place.arm)
    overflowed = int((here["outcome"] == "context_overflow").sum())
    known: dict[str, Any] = {
        "cached_share": hits,
        "input_cost": input_cost(ordinary, price, scenario.cost.currency if scenario.cost else ""),
        "engine_hit_share": _engine_hits(steps),
        "context_overflows": overflowed or None,
    }
    return {**figure, **{name: value for name, value in known.items() if value is not None}}


def _turn(turn: int, part: pd.DataFrame, here: pd.DataFrame) -> dict[str, Any]:
    ok = part[part["outcome"] == "ok"]
    means = {name: ok[name].mean() for name in ("input_tokens", "ttft_s", "e2e_s")}
    figure: dict[str, Any] = {"turn": turn + 1, "sent": len(part), "ok": len(ok)}
    figure |= {name: float(mean) for name, mean in means.items() if not np.isnan(mean)}
    hits = _hits(part)
    figure |= {} if hits is None else {"cached_share": hits}
    control = here[(here["uncached"] == 1) & (here["conversation_turn"] == turn)]
    return figure | saved(part, control)


def saved(ordinary: pd.DataFrame, control: pd.DataFrame) -> dict[str, Any]:
    """uncached_ttft_s, saved_s and from three blocks on its interval; empty where no step has enough of both."""
    found, uncached = [], []
    for step, part in control[control["outcome"] == "ok"].groupby("step"):
        ours = ordinary[(ordinary["step"] == step) & (ordinary["outcome"] == "ok")]["ttft_s"].dropna()
        theirs = part["ttft_s"].dropna()
        if len(ours) >= LEAST and len(theirs) >= LEAST:
            found.append(theirs.mean() - ours.mean())
            uncached.append(theirs.mean())
    if not found:
        return {}
    known = mean_interval(found)
    figure: dict[str, Any] = {"uncached_ttft_s": float(np.mean(uncached)), "saved_s": known.mean}
    return {**figure, "saved_ci": [known.low, known.high]} if len(found) > LEAST else figure


def _hits(rows: pd.DataFrame) -> float | None:
    """Share of the input tokens that came from a cache, by usage; None where usage does not tell."""
    ok = rows[(rows["outcome"] == "ok") & rows["cached_tokens"].notna()]
    given = ok["input_tokens"].sum()
    return float(ok["cached_tokens"].sum() / given) if given else None


def _engine_hits(steps: Sequence[Measured]) -> float | None:
    """The same by the engine's own counters, of all requests that it served meanwhile."""
    known = [step.sampled.server["prefix_hit_share"] for step in steps if "prefix_hit_share" in step.sampled.server]
    return float(np.mean(known)) if known else None


def input_cost(rows: pd.DataFrame, price: ApiPrice | None, currency: str) -> dict[str, Any] | None:
    """Money for the input of 1,000 ordinary requests: as the cache made it, and had none of it been cached.

    None where cached tokens have no price of their own, or usage does not tell them.
    """
    ok = rows[(rows["outcome"] == "ok") & rows["cached_tokens"].notna() & rows["input_tokens"].notna()]
    if price is None or price.input is None or price.cached_input is None or not len(ok):
        return None
    whole = float(ok["input_tokens"].mean()) * price.input / 1000
    saved = float(ok["cached_tokens"].mean()) * (price.input - price.cached_input) / 1000
    return {"per_1k": whole - saved, "uncached_per_1k": whole, "currency": currency}


def talk_warnings(found: Sequence[Mapping[str, Any]], scenario: Scenario) -> list[dict[str, Any]]:
    """Conversations that outgrew the context, said once."""
    total = sum(talk.get("context_overflows", 0) for talk in found)
    if not total or scenario.conversation is None:
        return []
    turns = [turn["turn"] for talk in found for turn in talk["turns"] if turn["ok"] < turn["sent"]]
    where = f", first in turn {min(turns)}" if turns else ""
    text = f"{total} requests of conversations outgrew the model's context{where}: they are failures in every quantile."
    advice = f"Fewer turns than {scenario.conversation.turns}, smaller messages, or a smaller system message."
    return [{"code": "conversation too long", "text": text, "advice": advice, "steps": []}]


def talks_table(found: Sequence[dict[str, Any]]) -> Table | None:
    """Each turn of each point."""
    if not found:
        return None
    heads = (Column("cell", "cell", False), load_column(list(found)), Column("arm", None, False), Column("turn", None))
    columns = (
        Column("sent", None), Column("input tokens", None), Column("cached", "cached_share"),
        Column(f"{name_of('ttft_s')} mean", "ttft_s"), Column("TTFT uncached", "cached_share"),
        Column("saved", "cached_share"),
    )  # fmt: skip
    rows = tuple(_row(talk, turn) for talk in found for turn in talk["turns"])
    return Table("Conversations, turn by turn", (*heads, *columns), rows, heads=4, remark=_remark(found))


def _row(talk: dict[str, Any], turn: dict[str, Any]) -> tuple[Shown, ...]:
    heads = (
        Shown(cell_name(talk.get("cell"))),
        Shown(load_shown(talk)),
        label(talk["arm"]),
        Shown(count(turn["turn"])),
    )
    half = (turn["saved_ci"][1] - turn["saved_ci"][0]) / 2 if "saved_ci" in turn else None
    none = absent("too few uncached conversations: raise [conversation] uncached_share, or the window")
    return (
        *heads,
        Shown(count(turn["sent"])),
        Shown(number(turn.get("input_tokens"))),
        Shown(share(turn["cached_share"])) if "cached_share" in turn else absent("usage does not tell"),
        Shown(duration(turn.get("ttft_s"))),
        Shown(duration(turn["uncached_ttft_s"])) if "saved_s" in turn else none,
        Shown(duration(turn["saved_s"]), detail=f"± {duration(half)}" if half else None) if "saved_s" in turn else none,
    )


def _remark(found: Sequence[dict[str, Any]]) -> str | None:
    """The hit rates of both sources, and what they save."""
    ours = [talk["cached_share"] for talk in found if "cached_share" in talk]
    engine = [talk["engine_hit_share"] for talk in found if "engine_hit_share" in talk]
    said = [f"{share(float(np.mean(ours)))} of the input tokens were cached by usage."] if ours else []
    said += [f"By the engine's own counters {share(float(np.mean(engine)))}, uncached ones included."] if engine else []
    return " ".join([*said, *_costs(found)]) or None


def _costs(found: Sequence[dict[str, Any]]) -> list[str]:
    """What the input costs with the cache and without it: of each arm, over its points."""
    arms: dict[str, list[dict[str, Any]]] = {}
    for talk in found:
        if "input_cost" in talk:
            arms.setdefault(talk["arm"], []).append(talk["input_cost"])
    said = []
    for arm, costs in arms.items():
        cached, whole = (float(np.mean([cost[name] for cost in costs])) for name in ("per_1k", "uncached_per_1k"))
        currency = costs[0]["currency"]
        of = f" of {plain(arm, 40)}" if len(arms) > 1 else ""
        text = f"The input of 1,000 requests{of} costs {money(cached, currency)} with the cache"
        said.append(f"{text}, {money(whole, currency)} had none of it been cached.")
    return said
