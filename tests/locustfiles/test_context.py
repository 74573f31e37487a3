"""Whether prompts fit: the context as each server tells it, and how many sizes are too long."""

from __future__ import annotations

import msgspec
import pytest

from locustfiles._context import Models, fitting, too_long
from locustfiles._prompts import Prompt
from scenarios.data import Data
from scenarios.scenario import Arm, Cell, Matrix, Scenario

CELL = Cell(input="a", output="b", input_tokens=100, output_tokens=20)


@pytest.mark.parametrize(("context", "beyond"), [(10_000, 0), (120, 0), (119, 1), (58, 2)])
def test_prompt_and_answer_share_the_context(context: int, beyond: int) -> None:
    """Pools of 40 and of 100 tokens with 20 out."""
    scenario = Scenario(name="s", arms={"a": Arm(url="http://h")}, matrix=Matrix(cells=(CELL,)))

    assert too_long(scenario, ["40", "100"], context) == (beyond, 2)


@pytest.mark.parametrize(
    ("output", "context", "fit"),
    [("data", 60, "12"), ("data", 59, "2"), ("data", None, "123"), (20, 60, "2"), (20, 70, "12"), (20, 10_000, "123")],
)
def test_prompts_of_a_data_set_fit_with_their_answers(output: int | str, context: int | None, fit: str) -> None:
    """50 tokens with an answer of 10 of their own or of the cell's 20, unknown ones, 200 with an answer of 1."""
    matrix = Matrix(input={"a": "data"}, output={"b": output}, cells=(CELL,))
    scenario = Scenario(name="s", arms={"a": Arm(url="http://h")}, matrix=matrix, data=Data(file="f"))
    prompts = [Prompt("1", 50, output=10), Prompt("2", None), Prompt("3", 200, output=1)]

    assert "".join(prompt.id for prompt in fitting(scenario, prompts, context)) == fit


def test_servers_tell_it_in_their_own_ways() -> None:
    """vLLM and SGLang by max_model_len, llama.cpp in meta; OpenAI not at all."""
    known = b'{"data":[{"id":"m","max_model_len":8192},{"id":"n","meta":{"n_ctx":2048}},{"id":"o"}]}'
    models = msgspec.json.decode(known, type=Models).data
    assert [(one.max_model_len, one.meta and one.meta.n_ctx) for one in models] == [
        (8192, None),
        (None, 2048),
        (None, None),
    ]
