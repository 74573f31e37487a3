"""How long the requests of a cell are, on average and at most, and what an arm pays for them."""

from __future__ import annotations

from scenarios.conversation import Conversation
from scenarios.prices import ApiPrice
from scenarios.scenario import Cell, Scenario
from scenarios.spread import DATA, spread_of

NEARLY_ALL = 0.9999  # of what is drawn


def mean_tokens(talk: Conversation | None, cell: Cell) -> tuple[int, int]:
    """Input and output tokens of a request of a cell; a turn of a conversation has what was said before in it."""
    made = cell.output_tokens
    if talk is None:
        return cell.input_tokens, made
    return talk.input_tokens((talk.turns + 1) / 2, cell.input_tokens, made), made


def most_tokens(scenario: Scenario, cell: Cell) -> tuple[int, int]:
    """The same of the longest request: the last turn of a conversation, nearly the longest that is drawn."""
    talk, matrix = scenario.conversation, scenario.matrix
    given = _most(matrix.input.get(cell.input), cell.input_tokens)
    made = _most(matrix.output.get(cell.output), cell.output_tokens)
    return (given if talk is None else talk.input_tokens(talk.turns, given, made)), made


def arm_price(scenario: Scenario, arm: str) -> ApiPrice | None:
    """The API price that holds for an arm: its own table, else the common one."""
    own = scenario.arms[arm].cost
    if own is not None and own.api is not None:
        return own.api
    return scenario.cost.api if scenario.cost else None


def _most(size: int | str | None, mean: int) -> int:
    return spread_of(size).size(NEARLY_ALL) if isinstance(size, str) and size != DATA else mean
