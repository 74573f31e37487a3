"""The first screen: the verdict in a word, one paragraph in plain words, the three numbers that carry it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reports.added import added_figures, added_words
from reports.definitions import name_of
from reports.effects import TONES, badness, candidate, candidates, capacity_text, change_shown, interval_of
from reports.latency import load_of, load_words
from reports.prominent import all_arms
from reports.search_tables import search_figures
from reports.soak_tables import soak_figures
from reports.tables import Tone, cell_name, in_order, reading
from reports.trust import all_steps, validity, worst
from reports.units import ABSENT, change, change_interval, count, duration, held, plain, rate, share

Summary = dict[str, Any]
WORDS = {"pass": "Pass", "fail": "Fail", "inconclusive": "Inconclusive", "invalid": "Invalid"}
STATUS_TONES: dict[str, Tone] = {"pass": "good", "fail": "bad", "inconclusive": "warn", "invalid": "bad"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number large enough to be read across a room, with what it is and how sure it is."""

    label: str
    value: str
    detail: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Headline:
    """Everything that the first screen says."""

    word: str
    tone: Tone
    paragraph: str
    figures: tuple[Figure, ...]
    validity: str
    validity_tone: Tone


def headline(summary: Summary, manifest: dict[str, Any]) -> Headline:
    """The first screen of a run."""
    status = summary["verdict"]["status"]
    sound, sound_tone = validity(summary)
    if status == "invalid":
        figures = validity_figures(summary)
    else:
        added = tuple(Figure(*one) for one in added_figures(summary))
        searched = tuple(Figure(*one) for one in search_figures(summary))
        soaked = tuple(Figure(*one) for one in soak_figures(summary))
        figures = searched or soaked or effect_figures(summary) or added or point_figures(summary, manifest)
    return Headline(
        WORDS.get(status, plain(status, 20)), STATUS_TONES.get(status, "warn"), paragraph(summary, manifest), figures,
        sound, sound_tone,
    )  # fmt: skip


# ---- the paragraph --------------------------------------------------------------------------------------------


def paragraph(summary: Summary, manifest: dict[str, Any]) -> str:
    """The verdict for a reader who reads nothing else: what it means, why, the largest changes, what to do."""
    verdict = summary["verdict"]
    opening = _opening(summary, manifest)
    reasons = [reason for reason in verdict.get("reasons", []) if not opening.startswith(reason.partition(":")[0])]
    sentences = [opening, *reasons[:3]]
    if verdict["status"] != "invalid":  # an unsound measurement has no findings
        sentences.append(
            _largest_changes(summary) or added_words(summary) or _at_the_operating_point(summary, manifest)
        )
    more = len(reasons) - 3
    if more > 0:
        sentences.append(f"{count(more)} more {'reason is' if more == 1 else 'reasons are'} listed below")
    sentences.append(verdict.get("recommendation") or "")
    return " ".join(_sentence(s) for s in sentences if s)


def _opening(summary: Summary, manifest: dict[str, Any]) -> str:
    steps, status = all_steps(summary), summary["verdict"]["status"]
    sent, ok = _totals(steps)
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
    return _MEANINGS.get((status, two), f"The run ended as {plain(status, 20)}")


_SEARCHED = {
    "pass": "The search has its answer; nothing was gated, so this is a measurement, not a judgement",
    "inconclusive": "The search did not find the highest load that meets the SLO",
}
_MEANINGS = {
    ("pass", True): "No gate is breached: as far as this run can tell, the candidate may ship",
    ("pass", False): "Every limit that was set is met or at least not proven breached",
    ("fail", True): "A gate is proven breached: the candidate should not ship",
    ("fail", False): "A limit is proven breached",
    ("inconclusive", True): "This run can neither prove a regression nor rule one out",
    ("inconclusive", False): "This run can neither show that the limits are met nor that they are breached",
    ("invalid", True): "The measurement is not sound, so it says nothing about the change",
    ("invalid", False): "The measurement is not sound, so it says nothing about the service",
}


def _largest_changes(summary: Summary) -> str:
    """The largest proven loss and gain; without any, that no cell differs provably."""
    cells = [c for c in _cells(summary) if c.get("ratio") is not None]
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
    figures = [_latency_figure(point, "ttft_s", _TTFT_STATS, ""), _latency_figure(point, "tpot_s", _TPOT_STATS, "")]
    said = " and ".join(f"{f.label} is {f.value}" for f in figures if f.value != ABSENT)
    return f"at {load_words(point)} in {cell_name(point.get('cell'))}, {said}"


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
    """The text with a capital and a full stop."""
    line = held(plain(text, 400))
    return line[:1].upper() + line[1:] + ("" if line.endswith((".", "!", "?", "…")) else ".")


# ---- the three numbers ----------------------------------------------------------------------------------------

_TTFT_STATS, _TPOT_STATS = ("p95", "p50", "mean"), ("mean", "p50")  # the first that was measured


def validity_figures(summary: Summary) -> tuple[Figure, ...]:
    """What makes a measurement unsound: steps that count, our own error, requests that ended well."""
    steps = all_steps(summary)
    valid, sent, ok = sum(bool(s.get("valid")) for s in steps), *_totals(steps)
    error = worst(steps, "uncertainty_p99_s")
    return (
        Figure("Steps that count", f"{count(valid)} of {count(len(steps))}", "the rest is listed with its reasons"),
        Figure("Our own error on TTFT", duration(error), "99th percentile, the worst of all steps"),
        Figure("Requests that were ok", share(ok / sent) if sent else ABSENT, f"{count(ok)} of {count(sent)} sent"),
    )


def _totals(steps: list[dict[str, Any]]) -> tuple[int, int]:
    """Requests sent and ok."""
    return sum(s["requests"].get("sent", 0) for s in steps), sum(s["requests"].get("ok", 0) for s in steps)


def effect_figures(summary: Summary) -> tuple[Figure, ...]:
    """Of up to three metrics the cell where the candidate does worst, proven losses first; empty with one arm."""
    cells = [c for c in _cells(summary) if c.get("ratio") is not None]
    worst = [_worst([c for c in cells if c["metric"] == m]) for m in in_order(c["metric"] for c in cells)]
    first = sorted(worst, key=lambda c: c["verdict"] != "worse")  # a proven loss before the usual order of metrics
    return tuple(_effect_figure(c, len(candidates(cells)) > 1) for c in first[:3])


def _worst(comparisons: list[dict[str, Any]]) -> dict[str, Any]:
    return max(comparisons, key=_severity)


def _severity(comparison: dict[str, Any]) -> tuple[bool, float]:
    return comparison["verdict"] == "worse", badness(comparison)


def _effect_figure(comparison: dict[str, Any], several: bool) -> Figure:
    shown = change_shown(comparison)
    sure = f"; 95 % interval {shown.detail}" if shown.detail else ""
    worst_cell = f"{name_of(comparison['metric'])}, worst cell: {cell_name(comparison.get('cell'))}"
    what = f"{worst_cell}, {plain(candidate(comparison), 40)}" if several else worst_cell
    text = held(f"{comparison['verdict']}{sure}")
    return Figure(what, shown.text, text, TONES.get(comparison["verdict"], ""))


def point_figures(summary: Summary, manifest: dict[str, Any]) -> tuple[Figure, ...]:
    """TTFT, TPOT and throughput (or capacity) of the first arm at the operating point."""
    point = operating_point(summary, manifest)
    if point is None:
        return ()
    where = f"{cell_name(point.get('cell'))}, {load_words(point)}"
    first = (
        [_latency_figure(point, "ttft_s", _TTFT_STATS, where), _latency_figure(point, "tpot_s", _TPOT_STATS, where)]
        if "ttft_s" in point or "e2e_s" not in point
        else [_latency_figure(point, "e2e_s", (stat,), where) for stat in ("mean", "p95")]  # it answers at once
    )
    return (*first, _third_figure(summary, point, where))


def _latency_figure(point: dict[str, Any], metric: str, stats: tuple[str, ...], where: str) -> Figure:
    """The first statistic that was measured."""
    stat = next((s for s in stats if s in point.get(metric, {})), stats[0])
    shown = reading(point, metric, stat, duration)
    return Figure(f"{name_of(metric)} {stat}", shown.text, shown.note or where, shown.tone)


def _third_figure(summary: Summary, point: dict[str, Any], where: str) -> Figure:
    for capacity in summary.get("capacity", []):
        if capacity.get("arm") == point["arm"] and capacity.get("cell") == point.get("cell"):
            unit = "users" if point.get("rate") is None else "requests/s"
            return Figure("Capacity", capacity_text(capacity), f"{unit} within the SLO, {cell_name(point.get('cell'))}")
    good = point.get("goodput", {}).get("share")
    tail = "" if good is None else f"; {share(good)} good"
    throughput = point.get("throughput", {})
    if "output_tokens" not in throughput:
        return Figure("Throughput", rate(throughput.get("requests"), "requests"), where + tail)
    return Figure("Throughput", rate(throughput["output_tokens"], "tok"), where + tail)


# ---- what the run holds ---------------------------------------------------------------------------------------


def gated(summary: Summary, manifest: dict[str, Any]) -> bool:
    """Whether anything could have failed: a gated comparison, or a limit in the scenario."""
    limits: dict[str, Any] = (manifest.get("scenario") or {}).get("slo") or {}
    by_cell = any(_has_limit(of) for of in (limits.get("cells") or {}).values())
    priced = bool((summary.get("cost") or {}).get("gates"))
    return any(c.get("gated") for c in summary["comparisons"]) or _has_limit(limits) or by_cell or priced


def _has_limit(limits: dict[str, Any]) -> bool:
    return any(limits.get(k) is not None for k in ("ttft", "tpot", "e2e", "error_rate"))


def operating_point(summary: Summary, manifest: dict[str, Any]) -> dict[str, Any] | None:
    """The first arm's point of the plan's cell at the operating point, else the nearest thing to it."""
    scenario = manifest.get("scenario") or {}
    cell, at = (scenario.get("plan") or {}).get("cell"), operating_load(manifest)
    ranked = sorted(
        summary["points"], key=lambda p: (p.get("cell") is None or cell_name(p["cell"]) != cell, load_of(p) != at)
    )
    return ranked[0] if ranked else None


def operating_load(manifest: dict[str, Any]) -> float | None:
    """The rung `at` of the scenario; a search has none."""
    scenario = manifest.get("scenario") or {}
    at = None if scenario.get("search") else (scenario.get("ladder") or {}).get("at")
    return None if at is None else float(at)


def _cells(summary: Summary) -> list[dict[str, Any]]:
    return [c for c in summary["comparisons"] if c["level"] in {"cell", "tasks"} and "judged_by" not in c]
