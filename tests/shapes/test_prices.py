"""Listed prices are looked up once, offline, and go into the manifest; a price in the scenario wins."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from scenarios.load import ScenarioError, scenario_from_wire, scenario_of, scenario_to_wire
from scenarios.prices import ApiPrice
from scenarios.scenario import Scenario
from shapes._prices import with_listed_prices

NOW = datetime(2026, 11, 29, tzinfo=UTC)
LISTED = {"source": "genai-prices", "provider": "openai", "model": "gpt-4o-mini"}


def asked(common: dict[str, Any] | None, arm: dict[str, Any] | None = None, currency: str = "USD") -> Scenario:
    cost = {"cost": {"currency": currency, "api": common}} if common else {}
    own = {"cost": {"api": arm}} if arm else {}
    data = {"name": "s", "arms": {"a": {"url": "http://a:1", "model": "m", **own}}, **cost}
    return scenario_of(data, Path("s.toml"), (), {})


def api(scenario: Scenario) -> ApiPrice:
    assert scenario.cost is not None
    assert scenario.cost.api is not None
    return scenario.cost.api


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a price list was fetched")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.usefixtures("offline")
def test_a_listed_price_has_its_figures_source_and_date_and_survives_in_the_manifest() -> None:
    """GPT-4o mini: 0.15 in, 0.075 cached, 0.60 out; what the manifest holds needs no list any more."""
    found = with_listed_prices(asked(LISTED), NOW)
    price = api(scenario_from_wire(scenario_to_wire(found)))

    assert (price.input, price.cached_input, price.output) == (0.15, 0.075, 0.60)
    assert price.source == f"genai-prices {version('genai-prices')}, openai gpt-4o-mini"
    assert price.date == "2026-11-29"
    assert with_listed_prices(found, datetime(2030, 1, 1, tzinfo=UTC)) == found


def test_a_price_in_the_scenario_wins_and_is_named() -> None:
    """Only what is not given is looked up; the source says which is whose."""
    price = api(with_listed_prices(asked({**LISTED, "output": 0.5, "date": "2026-01-02"}), NOW))

    assert (price.input, price.output, price.date) == (0.15, 0.5, "2026-01-02")
    assert price.source is not None
    assert price.source.endswith("; output: the scenario")


def test_an_arm_s_own_price_may_be_listed_too() -> None:
    """The arm's table is filled, the common one stays."""
    arm = with_listed_prices(asked({"input": 1, "output": 2}, LISTED), NOW).arms["a"]

    assert arm.cost is not None
    assert arm.cost.api is not None
    assert arm.cost.api.input == 0.15


def test_of_tiers_the_lowest_counts_and_the_source_says_so() -> None:
    """A price that grows with the prompt is the one of short prompts, and is called that."""
    price = api(with_listed_prices(asked({**LISTED, "provider": "google", "model": "gemini-2.5-pro"}), NOW))

    assert price.input == 1.25
    assert "requests of less than 200,000 input tokens" in str(price.source)


@pytest.mark.parametrize(
    ("price", "currency", "said"),
    [
        ({**LISTED, "model": "gpt-4o-mimi"}, "USD", "near it are gpt-4o-mini"),
        ({**LISTED, "provider": "openia"}, "USD", "has no provider 'openia'; near it are openai"),
        (LISTED, "EUR", "its prices are in USD, and [cost] currency is EUR"),
    ],
)
def test_what_the_list_does_not_have_is_one_line_with_a_way_out(price: Any, currency: str, said: str) -> None:
    """An unknown model or provider names its nearest; another currency is not converted in silence."""
    with pytest.raises(ScenarioError) as found:
        with_listed_prices(asked(price, currency=currency), NOW)

    assert said in str(found.value)
    assert "\n" not in str(found.value)
