"""Whether prompts fit: the context as each server tells it, and how many sizes are too long."""

from __future__ import annotations

import msgspec
import pytest

from locustfiles._context import Models, too_long
from locustfiles._prompts import Prompt
from locustfiles._texts import Texts
from scenarios.data import Data
from scenarios.scenario import Arm, Cell, Matrix, Scenario

CELL = Cell(input="a", output="b", input_tokens=100, output_tokens=20)


@pytest.mark.parametrize(
    ("context", "beyond"), [(10_000, 0), (120, 0), (119, 1), (80, 1), (58, 2)],
)  # fmt: skip
def test_prompt_and_answer_share_the_context(context: int, beyond: int) -> None:
    """A pool of 100 tokens with 20 out, and entries of 50 + 9 and of unknown length."""
    scenario = Scenario(name="s", arms={"a": Arm(url="http://h")}, matrix=Matrix(cells=(CELL,)), data=Data(file="f"))
    data = [Prompt("1", 50, output=9), Prompt("2", None)]
    texts = Texts(tokenizer="t", pools={"100": [Prompt("p", 100)]}, data=data)

    assert too_long(scenario, texts, context)[0] == beyond
    assert too_long(scenario, texts, context)[1] == 2


def test_servers_tell_it_in_their_own_ways() -> None:
    """vLLM and SGLang by max_model_len, llama.cpp in meta; OpenAI not at all."""
    known = b'{"data":[{"id":"m","max_model_len":8192},{"id":"n","meta":{"n_ctx":2048}},{"id":"o"}]}'
    models = msgspec.json.decode(known, type=Models).data
    assert [(one.max_model_len, one.meta and one.meta.n_ctx) for one in models] == [
        (8192, None),
        (None, 2048),
        (None, None),
    ]
