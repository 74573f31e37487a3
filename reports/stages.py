"""Where the time goes: the table of stages per rung, and what is doubtful about them, said once with its counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from reports.inside import Inside, lost, pooled, unexplained
from reports.measured import Measured, counting
from scenarios.scenario import Scenario
from scenarios.stages import Stages

Warning_ = dict[str, Any]


def stage_warnings(steps: Sequence[Measured], scenario: Scenario) -> list[Warning_]:
    """Per arm: stages that some replies lack, or all of them; values that are no durations; parts above the whole."""
    found = []
    for name, arm in scenario.arms.items():
        own = [step for step in counting(steps) if step.record.step.arm == name]
        inside = pooled([step.inside for step in own if step.inside is not None])
        ok = sum(int(step.ok.sum()) for step in own)
        if ok:
            found += [_warning(name, *doubt) for doubt in _doubts(inside, ok, arm.stages or Stages())]
    return found


def _warning(arm: str, code: str, text: str, advice: str) -> Warning_:
    return {"code": f"{code}: {arm}", "text": f"{arm}: {text}.", "advice": advice, "steps": []}


def _doubts(inside: Inside | None, ok: int, asked: Stages) -> Iterator[tuple[str, str, str]]:
    never = [name for name in asked.named if inside is None or name not in inside.stages]
    if never:
        text = f"no reply has the {_plural('stage', never)} {', '.join(never)}, though [stages] says where"
        yield "stages not found", text, "Look at a reply's headers and body: `tokenswarm check` says what it finds."
    if (asked.calls or asked.calls_header) and (inside is None or np.isnan(inside.calls["model_calls"]).all()):
        yield "calls not found", "no reply tells of its model calls, though [stages] says where", "Look at a reply."
    if inside is None:
        return
    yield from _missing(inside, ok)
    if inside.unread:
        text = f"{inside.unread} values of stages or calls are none (text, negative, too many): they are left out"
        yield "stages unread", text, "Send plain numbers, in the unit that the name says; at most 16 stages."
    rest, over = unexplained(inside)
    if over:
        text = (
            f"in {over} of {len(rest)} replies ({over / len(rest):.1%}) the stages add up to more than the request "
            "took: they overlap or contain each other, and their shares add up to more than the whole"
        )
        yield (
            "stages overlap",
            text,
            "Name what contains others in [stages] ignore, or let stages exclude each other.",
        )


def _missing(inside: Inside, ok: int) -> Iterator[tuple[str, str, str]]:
    """Replies that tell nothing at all are missing every stage."""
    silent = ok - int(inside.telling.sum())
    if inside.stages and silent:
        text = f"{silent} of {ok} ok replies ({silent / ok:.1%}) tell of no stage: stages are those of the others"
        yield "stages missing", text, "Look which path, cache or replica leaves the header out."
    counts = lost(inside)
    if counts:
        told = len(inside.total)
        which = ", ".join(f"{name} in {count} of {told} ({count / told:.1%})" for name, count in counts.items())
        text = f"stages are missing: {which}; figures and shares are of the replies that have them"
        yield "stage missing", text, "Look which path, cache or replica leaves it out."


def _plural(word: str, names: Sequence[str]) -> str:
    return word if len(names) == 1 else f"{word}s"
