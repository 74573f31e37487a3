"""How long the requests of a cell are."""

from __future__ import annotations

from pathlib import Path

from scenarios.conversation import Conversation
from scenarios.extent import mean_tokens, most_tokens
from scenarios.load import scenario_of
from scenarios.scenario import Scenario


def scenario(**tables: object) -> Scenario:
    return scenario_of({"arms": {"a": {"url": "http://h"}}, **tables}, Path("x.toml"), [], {})


def test_a_turn_holds_all_that_was_said_before() -> None:
    """Four turns of 100 in and 30 out after 50 of the system: 50 + 250 + 45 on average, 50 + 400 + 90 at the end."""
    talk = {"turns": 4, "system": 50}
    told = scenario(conversation=talk, matrix={"input": {"s": 100}, "output": {"s": 30}})
    (cell,) = told.matrix.cells

    by_turn = [Conversation(**talk).input_tokens(turn, 100, 30) for turn in (1, 2, 3, 4)]

    assert mean_tokens(told.conversation, cell) == (sum(by_turn) / 4, 30) == (345, 30)
    assert most_tokens(told, cell) == (by_turn[-1], 30) == (540, 30)


def test_of_a_distribution_nearly_the_longest_counts() -> None:
    """The mean of a uniform one is its middle; nearly all of what it draws is below its most."""
    told = scenario(matrix={"input": {"s": "uniform(100, 300)"}, "output": {"s": 30}})
    (cell,) = told.matrix.cells

    assert mean_tokens(None, cell) == (200, 30)
    assert most_tokens(told, cell) == (300, 30)
