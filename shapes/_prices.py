"""Listed prices: what `[cost.api] source = "genai-prices"` names is looked up once, when a scenario is read.

What is found goes into the scenario, and so into the manifest of the run: a report years later says the same, wherever
prices went. The list is the installed package's own; nothing is fetched. A price in the scenario wins.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from scenarios.load import ScenarioError, load_scenario
from scenarios.prices import LISTED, ApiPrice, Cost
from scenarios.scenario import Scenario

replace = msgspec.structs.replace
KEYS = {"input": "input_mtok", "cached_input": "cache_read_mtok", "output": "output_mtok"}  # per 1M tokens, USD


def asked(path: str | Path, overrides: Sequence[str] = ()) -> Scenario:
    """The scenario of a file, its listed prices filled in; ScenarioError in one line."""
    return with_listed_prices(load_scenario(path, overrides), datetime.now(UTC))


def with_listed_prices(scenario: Scenario, now: datetime) -> Scenario:
    """The scenario with the prices of today's list where it names one."""
    currency = (scenario.cost or Cost()).currency
    arms = {
        name: arm if arm.cost is None else replace(arm, cost=_filled(arm.cost, f"arms.{name}.cost.api", currency, now))
        for name, arm in scenario.arms.items()
    }
    common = scenario.cost and _filled(scenario.cost, "cost.api", currency, now)
    return replace(scenario, cost=common, arms=arms)


def _filled(cost: Cost, key: str, currency: str, now: datetime) -> Cost:
    if cost.api is None or cost.api.source != LISTED:
        return cost
    if currency != "USD":
        raise ScenarioError(f'{key}.source = "{LISTED}": its prices are in USD, and [cost] currency is {currency}')
    return replace(cost, api=_priced(cost.api, key, now))


def _priced(price: ApiPrice, key: str, now: datetime) -> ApiPrice:
    """The price with what the list has for its model, where it names no figure of its own."""
    listed, note = _listed(price, key, now)
    own = {name: getattr(price, name) for name in (*KEYS, "request") if getattr(price, name) is not None}
    source = f"{LISTED} {version(LISTED)}, {price.provider} {price.model}{note}"
    if own:
        source += f"; {', '.join(sorted(own))}: the scenario"
    return replace(price, **{**listed, **own}, source=source, date=price.date or now.date().isoformat())


def _listed(price: ApiPrice, key: str, now: datetime) -> tuple[dict[str, float], str]:
    """What the list has for a model, and what to know about it."""
    from genai_prices.data_snapshot import get_snapshot  # 2,300 models: only for those who ask for them

    known = get_snapshot()
    try:
        _, model = known.find_provider_model(str(price.model), None, price.provider, None)
    except LookupError:
        raise ScenarioError(f"{key}: {_unknown(price, known.providers)}") from None
    found = model.get_prices(now)
    listed = {name: _base(getattr(found, theirs)) for name, theirs in KEYS.items()}
    fee = _base(found.requests_kcount)
    listed["request"] = None if fee is None else fee / 1000
    tiers = [
        f"{tier.start:,}" for value in (found.input_mtok, found.output_mtok) for tier in getattr(value, "tiers", ())
    ]
    note = f" (requests of less than {tiers[0]} input tokens: longer ones cost more)" if tiers else ""
    return {name: value for name, value in listed.items() if value is not None}, note


def _base(price: Any) -> float | None:
    """A price, of tiers the lowest; None where the list has none."""
    return None if price is None else float(getattr(price, "base", price))


def _unknown(price: ApiPrice, providers: Sequence[Any]) -> str:
    """What of provider and model is not in the list, and what is near to it."""
    models: Mapping[str, list[str]] = {one.id: [model.id for model in one.models] for one in providers}
    name, what, names = price.model, "model", models.get(str(price.provider), [])
    if price.provider not in models:
        name, what, names = price.provider, "provider", list(models)
    near = difflib.get_close_matches(str(name), names, n=3)
    hint = f"near it are {', '.join(near)}" if near else f"it has {', '.join(sorted(names)[:8])}, ..."
    ours = f"{LISTED} {version(LISTED)} has no {what} {name!r}"
    return f"{ours}; {hint}; or state input and output per 1M tokens"
