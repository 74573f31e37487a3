"""Why the numbers may be believed, or not: validity, how it was measured, checks, warnings, banners, the manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from reports import by_hand
from reports.latency import load_shown
from reports.tables import Column, Shown, Table, Tone, absent, cell_name, label
from reports.units import ABSENT, count, duration, number, plain, share, span

Step = dict[str, Any]
_CHECK_WORDS: dict[str, tuple[str, Tone]] = {
    "ok": ("ok", "good"),
    "warn": ("warning", "warn"),
    "fail": ("failed", "bad"),
}


def banners(summary: dict[str, Any], manifest: dict[str, Any]) -> list[str]:
    """What a reader must know before any number."""
    said = []
    if manifest.get("simulated"):
        said.append("Simulated model: these figures say nothing about a real one.")
    if manifest.get("stopped"):
        done, planned = len({s["id"] for s in all_steps(summary)}), _planned(manifest)
        of = f" after {count(done)} of {count(planned)} steps" if planned else ""
        said.append(f"Partial run, stopped early{of}: {plain(manifest['stopped'])}.")
    elif manifest.get("started") and not manifest.get("ended"):
        said.append("Partial run: it was ended from outside, and holds what had been written by then.")
    return [*said, *by_hand.banner(manifest)]


def _planned(manifest: dict[str, Any]) -> int | None:
    steps = (manifest.get("plan") or {}).get("steps")
    return len(steps) if isinstance(steps, list) else steps


def all_steps(summary: dict[str, Any]) -> list[Step]:
    """The steps of the matrix and of the tasks."""
    return [*summary["steps"], *summary.get("tasks", [])]


def validity(summary: dict[str, Any]) -> tuple[str, Tone]:
    """One sentence on how many steps are valid and how large our own error is, and its tone."""
    steps = all_steps(summary)
    valid = sum(bool(s.get("valid")) for s in steps)
    error = worst([s for s in steps if s.get("valid")] or steps, "uncertainty_p99_s")
    where = "in these " if 0 < valid < len(steps) else ""
    ours = "" if error is None else f"; {where}the client left TTFT uncertain by {_at_most(error)} (p99)"
    tone: Tone = "good" if valid == len(steps) and steps else "bad" if not valid else "warn"
    return f"{count(valid)} of {count(len(steps))} steps valid{ours}", tone


def _at_most(error: float) -> str:
    return f"at most {duration(error)}" if error else "nothing"


def worst(steps: Iterable[Step], key: str) -> float | None:
    """The largest value of one of the client's own figures."""
    known = [v for s in steps if (v := s.get("client", {}).get(key)) is not None]
    return max(known) if known else None


def invalid_table(steps: list[Step]) -> Table | None:
    """Steps that do not count, each with its reasons; None when all do."""
    rows = tuple(
        (Shown(cell_name(s.get("cell"))), Shown(load_shown(s)), label(s["arm"]),
         Shown(f"{count(s['block'])}, try {count(s.get('try', 1))}"),
         Shown(plain("; ".join(s.get("why_invalid") or ["no reason recorded"]))))
        for s in steps if not s.get("valid")
    )  # fmt: skip
    columns = (
        Column("cell", "cell", False), Column("users", "rung"), Column("arm", None, False), Column("block", "blocks"),
        Column("why it does not count", None, False),
    )  # fmt: skip
    return Table("Invalid steps", columns, rows, heads=4) if rows else None


def measured_table(summary: dict[str, Any], manifest: dict[str, Any]) -> Table:
    """The client's own figures, the worst over all steps, each beside what it should be."""
    steps, run = all_steps(summary), summary["run"]
    rows = [
        _row("Clock", "clock", plain(run.get("clock") or ABSENT), "kernel"),
        _row("Lag of our reads, p99", "lag", duration(worst(steps, "lag_p99_s")), _lag_rule(run.get("clock"))),
        _row("Uncertainty of TTFT, p99", "uncertainty", duration(worst(steps, "uncertainty_p99_s")),
             "below 2 % of TTFT p50, or 0.5 ms"),
        _row("Censored gaps", "coalesced_share", share(worst(steps, "coalesced_share"), 2), "below 1 %"),
        _row("In flight against target", "in_flight", _shortfall(steps), "98 % to 102 %"),
        _row("Bunching", "bunching", share(worst(steps, "bunching")), "below 50 %"),
        _row("CPU of the busiest worker", None, share(worst(steps, "cpu"), 0), "below 90 %"),
        _row("Workers", None, count(run.get("workers")), ""),
        _row("Requests", "identity", *_identity(steps)),
        *_calibration(manifest.get("calibration")),
    ]  # fmt: skip
    columns = (
        Column("figure", None, False),
        Column("worst of all steps", None, False),
        Column("should be", None, False),
    )
    return Table("The load generator itself", columns, tuple(rows))


def _lag_rule(clock: str | None) -> str:
    return "not part of any latency" if clock == "kernel" else "part of the latencies that have no kernel stamp"


def _row(what: str, term: str | None, value: str, wanted: str) -> tuple[Shown, ...]:
    shown = absent("this run did not record it") if value == ABSENT else Shown(value)
    return (Shown(what, term=term), shown, Shown(wanted))


def _shortfall(steps: list[Step]) -> str:
    ratios = [
        s["client"]["in_flight"] / s["concurrency"]
        for s in steps
        if s.get("rate") is None and s.get("client", {}).get("in_flight") is not None and s.get("concurrency")
    ]
    return share(min(ratios, key=lambda r: -abs(r - 1))) if ratios else ABSENT


def _identity(steps: list[Step]) -> tuple[str, str]:
    totals = {k: sum(s["requests"].get(k, 0) for s in steps) for k in ("sent", "ok", "failed", "aborted")}
    ended = totals["ok"] + totals["failed"] + totals["aborted"]
    text = f"{count(totals['sent'])} sent = " + " + ".join(
        f"{count(totals[k])} {k}" for k in ("ok", "failed", "aborted")
    )
    return text.replace(" = ", " = " if ended == totals["sent"] else " ≠ "), "sent = ok + failed + aborted"


def _calibration(figures: Mapping[str, Any] | None) -> list[tuple[Shown, ...]]:
    """What `tokenswarm calibrate` measured on this machine against known answers."""
    if not figures:
        why = absent("not calibrated: run `tokenswarm calibrate` on this machine")
        return [(Shown("Error against known answers"), why, Shown("calibrated"))]
    return [
        (label(f"Calibration: {_in_words(name)}"), Shown(_figure(name, value)), Shown(""))
        for name, value in figures.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]


def _in_words(name: str) -> str:
    """A figure's key as words: its unit is printed with the value."""
    words = name if name.endswith("_per_s") else name.removesuffix("_s")
    return words.replace("_per_s", "/s").replace("_", " ")


def _figure(name: str, value: float) -> str:
    return duration(value) if name.endswith("_s") and not name.endswith("per_s") else number(value)


def checks_table(checks: list[dict[str, Any]]) -> Table | None:
    """What `check` found before the run, in words."""
    rows = []
    for check in checks:
        word, tone = _CHECK_WORDS.get(check["status"], (plain(check["status"], 20), "warn"))
        rows.append((label(check["name"]), label(check.get("arm") or ABSENT), Shown(word, tone=tone),
                     Shown(plain(check["text"]))))  # fmt: skip
    columns = tuple(Column(title, None, False) for title in ("check", "arm", "result", "what was found"))
    return Table("Checks before the run", columns, tuple(rows)) if rows else None


def warning_texts(warnings: list[Any]) -> list[str]:
    """The warnings, each with its advice, as one text each."""
    return [plain(_with_advice(w) if isinstance(w, dict) else w, 600) for w in warnings]


def _with_advice(warning: dict[str, Any]) -> str:
    text, advice = str(warning.get("text", "")).rstrip("."), str(warning.get("advice") or "")
    return f"{text}. {advice[:1].upper()}{advice[1:]}" if advice else text


def facts_table(summary: dict[str, Any], manifest: dict[str, Any]) -> Table:
    """What ran where: the manifest without the scenario, flattened to dotted names."""
    run = summary["run"]
    facts = {
        "run": run["id"], "scenario": manifest.get("scenario_file"), "started": run.get("started"),
        "ended": run.get("ended") or "it did not end by itself", "seed": run.get("seed"),
        **_flat({k: manifest.get(k) for k in ("versions", "host", "server", "gpu")}),
    }  # fmt: skip
    rows = tuple((label(k), label(v, 300)) for k, v in facts.items() if v not in (None, ""))
    return Table("Versions, host, server", (Column("fact", None, False), Column("value", None, False)), rows)


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value if isinstance(value, (str, int, float)) or value is None else json.dumps(value)}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    return flat


def scenario_text(manifest: dict[str, Any]) -> str:
    """The scenario as it ran, defaults included, as indented JSON without control characters."""
    lines = json.dumps(manifest.get("scenario") or {}, indent=2, ensure_ascii=True).splitlines()
    return "\n".join(lines)


def taken(summary: dict[str, Any]) -> str:
    """How long the windows were in all: "168 steps, 1 h 24 min of measuring"."""
    steps = all_steps(summary)
    seconds = sum(s.get("window_s") or 0 for s in steps)
    return f"{count(len(steps))} {'step' if len(steps) == 1 else 'steps'}, {span(seconds)} of measuring"
