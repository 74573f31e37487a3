"""The first screen: the verdict in a word, one paragraph in plain words, the three numbers that carry it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reports.added import added_figures
from reports.definitions import name_of
from reports.effects import TONES, badness, candidate, candidates, capacity_text, change_shown
from reports.latency import load_words
from reports.operating import TPOT_STATS, TTFT_STATS, first_stat, judged, operating_point, totals
from reports.paragraph import paragraph
from reports.search_tables import search_figures
from reports.soak_tables import soak_figures
from reports.tables import Tone, cell_name, in_order, reading
from reports.trust import all_steps, validity, worst
from reports.units import ABSENT, count, duration, held, plain, rate, share

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


# ---- the three numbers ----------------------------------------------------------------------------------------


def validity_figures(summary: Summary) -> tuple[Figure, ...]:
    """What makes a measurement unsound: steps that count, our own error, requests that ended well."""
    steps = all_steps(summary)
    valid, sent, ok = sum(bool(s.get("valid")) for s in steps), *totals(steps)
    error = worst(steps, "uncertainty_p99_s")
    return (
        Figure("Steps that count", f"{count(valid)} of {count(len(steps))}", "the rest is listed with its reasons"),
        Figure("Our own error on TTFT", duration(error), "99th percentile of the worst step, valid or not"),
        Figure("Requests that were ok", share(ok / sent) if sent else ABSENT, f"{count(ok)} of {count(sent)} sent"),
    )


def effect_figures(summary: Summary) -> tuple[Figure, ...]:
    """Of up to three metrics the cell where the candidate does worst, proven losses first; empty with one arm."""
    cells = [c for c in judged(summary) if c.get("ratio") is not None]
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
        [_latency_figure(point, "ttft_s", TTFT_STATS, where), _latency_figure(point, "tpot_s", TPOT_STATS, where)]
        if "ttft_s" in point or "e2e_s" not in point
        else [_latency_figure(point, "e2e_s", (stat,), where) for stat in ("mean", "p95")]  # it answers at once
    )
    return (*first, _third_figure(summary, point, where))


def _latency_figure(point: dict[str, Any], metric: str, stats: tuple[str, ...], where: str) -> Figure:
    """The first statistic that was measured."""
    stat = first_stat(point, metric, stats)
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
