"""The verdict in one paragraph of plain words, for a reader who reads nothing else."""

from __future__ import annotations

import re
from typing import Any

from reports.added import added_words
from reports.definitions import name_of
from reports.effects import badness, candidate, candidates, interval_of
from reports.latency import load_words
from reports.operating import TPOT_STATS, TTFT_STATS, Summary, first_stat, gated, judged, operating_point, totals
from reports.paragraph_money import money_words
from reports.prominent import all_arms
from reports.tables import cell_name, reading
from reports.trust import all_steps
from reports.units import ABSENT, change, change_interval, count, duration, held, plain

_PER_CENT = re.compile(r"(\d)%")
_NAME = re.compile(r"[a-z]+[_\d]")  # of an option or a step, not a word


def paragraph(summary: Summary, manifest: dict[str, Any]) -> str:
    """What to do, what that rests on, the largest changes, what it costs, and on which conditions."""
    verdict = summary["verdict"]
    opening = _opening(summary, manifest)
    advised = verdict.get("recommendation", "")
    reasons = [reason for reason in verdict.get("reasons", []) if not opening.startswith(reason.partition(":")[0])]
    sentences = ["" if advised == "inconclusive" else advised, opening, *reasons[:3]]
    more = len(reasons) - 3
    if more > 0 and verdict["status"] != "pass":
        sentences.append(f"{count(more)} more {'reason is' if more == 1 else 'reasons are'} listed below")
    if verdict["status"] != "invalid":  # an unsound measurement has no findings
        sentences.append(
            _largest_changes(summary) or added_words(summary) or _at_the_operating_point(summary, manifest)
        )
        sentences += money_words(summary)
    sentences += _conditions(verdict.get("conditions", []))
    return " ".join(_sentence(s) for s in sentences if s)


def _conditions(conditions: list[str]) -> list[str]:
    """The first two conditions, and how many more there are."""
    if not conditions:
        return []
    said = " and that ".join(conditions[:2])
    more = len(conditions) - 2
    rest = f", and {count(more)} more {'condition' if more == 1 else 'conditions'} listed below" if more > 0 else ""
    return [f"adopting it supposes that {said}{rest}"]


def _opening(summary: Summary, manifest: dict[str, Any]) -> str:
    steps, status = all_steps(summary), summary["verdict"]["status"]
    sent, ok = totals(steps)
    if not steps:
        return "The run ended before its first step was measured"
    if sent and not ok:
        return f"Every one of the {count(sent)} requests failed, so there is no latency to report"
    if summary.get("search") and status in _SEARCHED:
        return _SEARCHED[status]
    sizes = "scaling" in summary and not summary["comparisons"]  # arms are one service with more and more replicas
    two = len(all_arms(summary)) > 1 and "isolation" not in summary and not sizes
    if status == "pass" and not gated(summary, manifest):
        compared = "the arms are a model and a service around it" if "isolation" in summary else "no arms are compared"
        return f"Nothing was gated: no limit is set and {compared}, so this is a measurement, not a judgement"
    if status == "inconclusive" and _only_of_money(summary):
        return f"{'Nothing else stands against it, but w' if two else 'W'}hether it keeps a limit of cost is not known"
    return _MEANINGS.get((status, two), f"The run ended as {plain(status, 20)}")


def _only_of_money(summary: Summary) -> bool:
    """Whether a verdict is open because of its cost gates alone."""
    gates = (summary.get("cost") or {}).get("gates", [])
    return set(summary["verdict"]["reasons"]) <= {gate["text"] for gate in gates}


_SEARCHED = {
    "pass": "The search has its answer; nothing was gated, so this is a measurement, not a judgement",
    "inconclusive": "The search did not find the highest load that meets the SLO",
}
_MEANINGS = {
    ("pass", True): "As far as this run can tell it may ship: no limit is proven to be broken",
    ("pass", False): "Every limit that was set is kept, or at least not proven to be broken",
    ("fail", True): "It is proven to be worse or to break a limit, so it should not ship",
    ("fail", False): "A limit is proven to be broken",
    ("inconclusive", True): "This run can neither prove a regression nor rule one out",
    ("inconclusive", False): "This run can neither show that the limits are kept nor that they are broken",
    ("invalid", True): "The measurement is not sound, so it says nothing about the change",
    ("invalid", False): "The measurement is not sound, so it says nothing about the service",
}


def _largest_changes(summary: Summary) -> str:
    """The largest proven loss and gain; without any, that no cell differs provably."""
    cells = [c for c in judged(summary) if c.get("ratio") is not None]
    proven = [c for c in cells if c["verdict"] in {"worse", "better"}]
    if not cells:
        return ""
    if not proven:
        return f"No cell is provably better or worse ({count(len(cells))} comparisons)"
    losses = sorted((c for c in proven if c["verdict"] == "worse"), key=badness)
    gains = sorted((c for c in proven if c["verdict"] == "better"), key=badness)
    several = len(candidates(cells)) > 1
    said = [f"the largest loss is {_in_words(losses[-1], several)}"] if losses else []
    said += [f"the largest gain is {_in_words(gains[0], several)}"] if gains else []
    return ", ".join(said)


def _at_the_operating_point(summary: Summary, manifest: dict[str, Any]) -> str:
    """What one arm does where it is judged; empty with several arms or a search, which say more."""
    point = operating_point(summary, manifest)
    several = len(all_arms(summary)) > 1 or summary.get("search") or summary.get("soaks")
    if point is None or several or point.get("ttft_s", {}).get("mean") is None:
        return ""
    shown = [_typical(point, "ttft_s", TTFT_STATS), _typical(point, "tpot_s", TPOT_STATS)]
    said = " and ".join(text for text in shown if text)
    return f"at {load_words(point)} in {cell_name(point.get('cell'))}, {said}"


def _typical(point: dict[str, Any], metric: str, stats: tuple[str, ...]) -> str:
    stat = first_stat(point, metric, stats)
    value = reading(point, metric, stat, duration).text
    return "" if value == ABSENT else f"{name_of(metric)} {stat} is {value}"


def _in_words(comparison: dict[str, Any], several: bool) -> str:
    interval = interval_of(comparison)
    sure = f" (95 % interval {change_interval(*interval)})" if interval else ""
    where = f"{name_of(comparison['metric'])} {_place(comparison, several)}"
    return f"{where}, {change(comparison['ratio'], interval)}{sure}"


def _place(comparison: dict[str, Any], several: bool) -> str:
    """The cell; with several candidates also which one."""
    of = f"of {plain(candidate(comparison), 40)} " if several else ""
    return f"{of}in {cell_name(comparison.get('cell'))}"


def _sentence(text: str) -> str:
    """The text with a capital (a name that begins it stays as it is) and a full stop."""
    line = held(_PER_CENT.sub(r"\1 %", plain(text, 400)))
    start = line if _NAME.match(line) else line[:1].upper() + line[1:]
    return start + ("" if line.endswith((".", "!", "?", "…")) else ".")
