"""What replies lack, and prompts beyond the context: said once for each arm, with counts and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from measurements import measured, scenario

from exporters.record import Run, pack
from reports.measured import Measured
from reports.replies import reply_warnings
from scenarios.conversation import Conversation
from scenarios.scenario import Arm, JsonApi, Scenario
from tests.exporters.runs import begun, row

NO_RUN: Any = None  # of a scenario without a mapping no row is read
MAPPED = Arm(url="http://rag:1", api="json", json=JsonApi(body="{}", text="a.b", input_tokens="usage.in"))


def overflowed(failed: int, ok: int, cell: str = "long", arm: str = "baseline") -> Measured:
    step = measured([0.1] * ok, failed=failed, arm=arm)
    place = msgspec.structs.replace(step.record.step, cell=msgspec.structs.replace(step.record.step.cell, input=cell))
    record = msgspec.structs.replace(step.record, step=place)
    return msgspec.structs.replace(step, record=record, outcomes={"ok": ok, "context_overflow": failed})


def test_a_mapping_that_matches_nothing_is_counted(tmp_path: Path) -> None:
    """Three replies of 100 lack the text, all lack the count; failures without a reply are not asked for any."""
    writer = begun(tmp_path / "run")
    lost = [row(number, status=200, outcome="empty", unmapped="text,input_tokens") for number in range(3)]
    most = [row(number, status=200, unmapped="input_tokens") for number in range(3, 100)]
    refused = [row(number, status=500, outcome="http_error") for number in range(100, 120)]
    writer.rows(pack([*lost, *most, *refused]))
    asked = msgspec.structs.replace(scenario(), arms={"a": MAPPED})

    (warning,) = reply_warnings(Run(tmp_path / "run", {}), [], asked)

    assert 'json.input_tokens = "usage.in" in 100 (100 %)' in warning["text"]
    assert 'json.text = "a.b" in 3 (3.0 %)' in warning["text"]
    assert "of 100 replies" in warning["text"]
    assert "[arms.a.json]" in warning["advice"]


def test_a_mapping_that_fits_is_no_doubt(tmp_path: Path) -> None:
    """Every path of every reply matched."""
    writer = begun(tmp_path / "run")
    writer.rows(pack([row(number, status=200) for number in range(9)]))
    asked = msgspec.structs.replace(scenario(), arms={"a": MAPPED})

    assert reply_warnings(Run(tmp_path / "run", {}), [], asked) == []


def test_prompts_beyond_the_context_are_counted_with_their_cells() -> None:
    """7 of 40 requests of one arm, in two of its cells; the other arm's context is long enough."""
    steps = [overflowed(3, 7), overflowed(4, 6, cell="huge"), overflowed(0, 20), overflowed(0, 20, arm="candidate")]

    (warning,) = reply_warnings(NO_RUN, steps, scenario())

    assert "baseline: 7 of 40 requests (17.5 %) exceed the model's context, in long/long, huge/long" in warning["text"]
    assert "max_errors" in warning["advice"]
    assert len(warning["steps"]) == 2


def test_conversations_that_outgrow_the_context_are_told_by_turn() -> None:
    """Their own warning names the turn; it is not said twice."""
    talking: Scenario = msgspec.structs.replace(scenario(), conversation=Conversation())

    assert reply_warnings(NO_RUN, [overflowed(3, 7)], talking) == []
