"""Model calls by the engine's counters: exact when nobody else is served, refused when somebody is."""

from __future__ import annotations

from typing import Any

import msgspec
import pandas as pd
import pytest
from measurements import CELL, measured, scenario

from reports.calls import Counted, calls_warnings, foreign_share, grown_in, with_calls
from reports.measured import Measured
from scenarios.prices import ApiPrice, Cost

S = 1_000_000_000


def samples(rate: float, seconds: int = 10, tokens: float = 100.0, **gauges: float) -> pd.DataFrame:
    """An engine that ends `rate` calls a second, sampled twice a second; its clock is the window's."""
    at = [number * S // 2 for number in range(2 * seconds + 1)]
    counted = [rate * when / S for when in at]
    return pd.DataFrame({
        "at_ns": at, "instance": "e:1", "requests": counted, "input_tokens": [tokens * n for n in counted],
        "output_tokens": [2 * n for n in counted], "running": gauges.get("running", 1.0), "waiting": 0.0,
    })  # fmt: skip


def step(arm: str, finished: float, opened: float = 0.25, closed: float = 9.75, **more: Any) -> Measured:
    """A window within those ten seconds."""
    one = measured([0.1] * 5, arm=arm, finished=finished, concurrency=1, window_s=closed - opened, **more)
    record = msgspec.structs.replace(one.record, open_ns=int(opened * S), close_ns=int(closed * S))
    one.tally.in_flight_s = closed - opened
    return msgspec.structs.replace(one, record=record)


def test_growth_is_of_the_samples_in_the_window() -> None:
    """Between the first and the last sample inside: 9 of 9.5 seconds, at 3 calls a second; two instances add up."""
    one = grown_in(samples(3.0), step("service", 19))
    two = grown_in(pd.concat([samples(3.0), samples(1.0).assign(instance="e:2")]), step("service", 19))

    assert one is not None
    assert two is not None
    assert one.share == pytest.approx(9 / 9.5)
    assert one.counts == pytest.approx({"requests": 27, "input_tokens": 2700, "output_tokens": 54})
    assert two.counts["requests"] == pytest.approx(36)
    assert (one.busy, two.busy) == (1.0, 2.0)
    assert grown_in(samples(3.0), step("service", 19, closed=2.0)) is None  # four samples are no figure


@pytest.mark.parametrize(
    ("own", "seen", "foreign"),
    [(False, 2.0, 0.0), (False, 2.3, 0.0), (False, 6.0, 0.61), (True, 0.0, 0.0), (True, 3.0, 0.44)],
)  # fmt: skip
def test_somebody_else_s_calls_show_in_the_model_s_windows(own: bool, seen: float, foreign: float) -> None:
    """The model's own counters grow by its requests, the service's not at all; a call at an edge is nobody's."""
    model, service = step("direct", 19), step("service", 19)
    grown, ours = grown_in(samples(seen), model), grown_in(samples(6.0), service)
    assert grown is not None
    assert ours is not None

    assert foreign_share([(model, grown)], [(service, ours)], own) == pytest.approx(foreign, abs=0.01)


def test_without_the_other_arm_s_windows_nothing_is_known() -> None:
    """Foreign requests cannot be ruled out then, nor with so few calls that the windows' edges could hide some."""
    service = step("service", 19)
    grown, few = grown_in(samples(6.0), service), grown_in(samples(2.0), service)
    assert grown is not None
    assert few is not None

    assert foreign_share([], [(service, grown)], own=True) is None
    assert foreign_share([(service, few)], [(service, few)], own=False) is None


def test_calls_have_a_cost_and_a_number_at_once() -> None:
    """Two calls of 1,000 tokens in and 10 out at 2 and 10 per million, 0.001 each; the reply's word comes first."""
    asked = scenario(("direct", "service"), compare={"isolate": True}, ladder={"concurrency": [1], "at": 1})
    asked = msgspec.structs.replace(asked, cost=Cost(api=ApiPrice(input=2.0, output=10.0, request=0.001)))
    cell = msgspec.to_builtins(CELL)
    told = {"source": "reply", "calls": {"n": 9, "mean": 2.0}, "input_tokens": {"n": 9, "mean": 1000.0},
            "output_tokens": {"n": 9, "mean": 10.0}}  # fmt: skip
    counted = Counted({(CELL, 1): {"source": "counters", "calls": {"n": 9, "mean": 2.1}, "at_once": 0.7}}, 0.0)
    points = [
        {"arm": "service", "cell": cell, "concurrency": 1, "fan_out": told},
        {"arm": "direct", "cell": cell, "concurrency": 1},
    ]
    told_by_counters = with_calls([{**points[0], "fan_out": None}], counted, asked)[0]["fan_out"]
    service, direct = with_calls(points, counted, asked)

    assert service["fan_out"]["cost"] == pytest.approx(0.0021 + 0.002)
    assert (service["fan_out"]["calls"]["mean"], service["fan_out"]["at_once"]) == (2.0, 0.7)
    assert "fan_out" not in direct
    assert told_by_counters["calls"]["mean"] == 2.1
    assert "cost" not in told_by_counters


def test_foreign_calls_are_a_warning() -> None:
    """With their share and advice; without any there is none."""
    (warning,) = calls_warnings(Counted(foreign=0.3))

    assert "30% of them were not ours" in warning["text"]
    assert calls_warnings(Counted(foreign=0.0)) == calls_warnings(Counted()) == []
