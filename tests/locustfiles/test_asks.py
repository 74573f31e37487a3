"""Who is asked what: the same prompts on both arms, under nonces that keep them apart where they share a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exporters.fleet import Lane, Order
from exporters.sample import Step
from locustfiles._asks import Asks
from locustfiles._dialects import Ask
from locustfiles._pace import Turn
from locustfiles._texts import make_texts
from locustfiles._tokens import load_tokenizer
from scenarios.load import scenario_of
from scenarios.scenario import Scenario

ONE, OTHER = "http://127.0.0.1:1", "http://127.0.0.1:2"


def scenario(urls: tuple[str, str], **tables: Any) -> Scenario:
    arms = {name: {"url": url} for name, url in zip(("direct", "service"), urls, strict=True)}
    matrix = {"input": {"short": 32}, "output": {"short": 8}}
    ladder = {"concurrency": [1], "at": 1}
    plan = {"cell": "short/short"}
    prompts = {"tokenizer": "o200k_base"}
    data = {"name": "s", "arms": arms, "matrix": matrix, "ladder": ladder, "plan": plan, "prompts": prompts, **tables}
    return scenario_of(data, Path("s.toml"), (), {})


def ask(scenario: Scenario, arm: str, key: str = "run", **fields: Any) -> Ask:
    """The third request of the first user of a step on this arm."""
    (cell,) = scenario.matrix.cells
    step = Step(id=arm, workload="matrix", arm=arm, block=2, cell=cell, concurrency=1, **fields)
    order = Order(seq=1, phase="window", lanes=(Lane(arm=arm, step=step),), block=2, cell=cell, users=1)
    turn = Turn(order, order.lanes[0], "window", user=0, number=3, backoff_s=0.0, opened_ns=0)
    return Asks(scenario, key, make_texts(scenario, load_tokenizer("o200k_base"), 4)).make(turn)


@pytest.mark.parametrize(
    ("urls", "compare", "apart"),
    [
        ((ONE, OTHER), {}, False),
        ((ONE, ONE), {}, True),  # one server: the second arm would hit the first one's prefix cache
        ((ONE, OTHER), {"isolate": True}, True),  # the service asks the other arm's server
    ],
)
def test_arms_that_share_a_server_have_nonces_of_their_own(
    urls: tuple[str, str], compare: dict[str, bool], apart: bool
) -> None:
    """The prompt behind the nonce, its length and the output's are the same on both arms in any case."""
    asked = scenario(urls, compare=compare)
    direct, service = ask(asked, "direct"), ask(asked, "service")

    assert direct.prompt == service.prompt
    assert direct.max_tokens == service.max_tokens
    assert (direct.nonce != service.nonce) == apart


def test_what_is_measured_again_is_asked_under_other_nonces() -> None:
    """Another run of that name, a step tried again or come to again, a search's next probe: one prompt, new words."""
    asked = scenario((ONE, OTHER))
    again = [{}, {"key": "other"}, {"try_": 2}, {"visit": 2}, {"probe": 2}]
    made = [ask(asked, "direct", **fields) for fields in again]

    assert {one.prompt for one in made} == {made[0].prompt}
    assert len({one.nonce for one in made}) == len(again)
