"""The searches as tables: the answer of each, every load with what its probes add up to, and every probe."""

from __future__ import annotations

from typing import Any

from reports.latency import latency_of
from reports.search import answer
from reports.tables import Column, Shown, Table, Tone, absent, cell_name, label
from reports.units import ABSENT, change, change_interval, count, duration_scale, number, plain, share

Entry = dict[str, Any]
METRICS = (("ttft_s", "TTFT"), ("tpot_s", "TPOT"), ("e2e_s", "E2E"))
STATES: dict[str, tuple[str, Tone]] = {
    "found": ("found", "good"), "below": ("below the start", "bad"), "above": ("above the end", "warn"),
    "wide": ("too noisy", "warn"), "undecided": ("undecided", "warn"), "open": ("unfinished", "warn"),
}  # fmt: skip


def search_tables(summary: dict[str, Any]) -> list[Table]:
    """All tables of the searches of a run; none without a search."""
    entries = summary.get("search", [])
    return [answers_table(entries), evidence_table(entries)] if entries else []


def answers(summary: dict[str, Any]) -> list[str]:
    """What each search has found, a sentence each."""
    return [f"{entry['arm']}, {cell_name(entry['cell'])}: {answer(entry)}." for entry in summary.get("search", [])]


def search_figures(summary: dict[str, Any]) -> list[tuple[str, str, str, Tone]]:
    """Of up to three searches how far the arm goes, for the first screen; empty without one."""
    return [
        (f"Capacity, {plain(entry['arm'], 30)}, {cell_name(entry['cell'])}", *capacity_shown(entry))
        for entry in summary.get("search", [])[:3]
    ]


def capacity_shown(entry: Entry) -> tuple[str, str, Tone]:
    """An answer large enough to be read across a room, with how sure it is."""
    unit = "users" if entry["by"] == "concurrency" else "requests/s"
    low, high = entry.get("meets"), entry.get("misses")
    tone = STATES[entry["state"]][1]
    if entry["state"] == "found" and low is not None and high is not None:
        noise = f"; the knee varies by {share(entry['spread'], 0)} from probe to probe"
        return f"{load_text(low)} {unit}", f"within the SLO; {load_text(high)} are not{noise}", ""
    if entry["state"] in ("below", "above"):
        word = "below" if entry["state"] == "below" else "above"
        end = entry["start"] if entry["state"] == "below" else entry["max"]
        return f"{word} {load_text(end)}", f"{unit}: outside of what was searched", tone
    return "undecided", f"above {load_text(low)} {unit}" if low is not None else "no load is met for sure", tone


def answers_table(entries: list[Entry]) -> Table:
    """One row for each search: the answer first, then how sure it is."""
    columns = (
        Column("cell", "cell", False), Column("arm", None, False), Column("state", None, False),
        Column("meets"), Column("does not"), Column("knee", "knee"), Column("noise between probes", "knee"),
        Column("probes"), Column("against the baseline", essential=False), Column("in words", None, False, False),
    )  # fmt: skip
    rows = tuple(row for entry in entries for row in (_answer_row(entry), *_block_rows(entry)))
    unit = "users at once" if entries[0]["by"] == "concurrency" else "requests per second"
    return Table(f"The highest load that meets the SLO, {unit}", columns, rows, heads=2)


def _answer_row(entry: Entry) -> tuple[Shown, ...]:
    word, tone = STATES[entry["state"]]
    return (
        Shown(cell_name(entry["cell"])), label(entry["arm"]), Shown(word, tone=tone), *_ends(entry),
        Shown(count(len(entry["probes"]))), _against(entry), Shown(plain(answer(entry), 400)),
    )  # fmt: skip


def _block_rows(entry: Entry) -> list[tuple[Shown, ...]]:
    """Each block's own answer, where there are several."""
    if len(entry["blocks"]) < 2:
        return []
    return [
        (
            Shown(cell_name(entry["cell"])), label(f"{entry['arm']}, block {block['block']}"),
            Shown(STATES[block["state"]][0], tone=STATES[block["state"]][1]), *_ends(block),
            Shown(count(block["probes"])), Shown(""), Shown(plain(block.get("why", ""), 400)),
        )
        for block in entry["blocks"]
    ]  # fmt: skip


def _ends(entry: Entry) -> tuple[Shown, ...]:
    knee = absent("no valid probe")
    if "knee" in entry:
        low, high = entry["interval"]
        knee = Shown(number(entry["knee"]), detail=f"{number(low)} to {number(high)}")
    noise = share(entry.get("spread"), 0) if entry["state"] == "found" else ABSENT
    return _end(entry.get("meets"), "met"), _end(entry.get("misses"), "missed"), knee, Shown(noise)


def _end(load: float | None, what: str) -> Shown:
    return absent(f"no load is {what} with 95 % certainty") if load is None else Shown(load_text(load))


def _against(entry: Entry) -> Shown:
    against = entry.get("against")
    if against is None:
        return Shown("")
    interval = (against["ci"][0], against["ci"][1])
    alone = "one block: the interval is that of both knees; raise [plan] blocks" if against["n_pairs"] == 1 else None
    return Shown(change(against["ratio"], interval), note=alone, detail=change_interval(*interval))


def evidence_table(entries: list[Entry]) -> Table:
    """Every probe in its order: what it was, what it showed."""
    probes = [probe for entry in entries for probe in entry["probes"]]
    scales = {metric: duration_scale(probe.get(metric, {}).get("p50") for probe in probes) for metric, _ in METRICS}
    columns = [
        Column("cell", "cell", False), Column("arm", None, False), Column("probe"), Column("load"),
        Column("good", "good"), Column("of"), Column("share", "good"), Column("at least", essential=False),
        Column("at most", essential=False), Column("SLO", None, False),
    ]  # fmt: skip
    columns += [
        Column(f"{name} {stat}, {scales[metric].unit}", metric, essential=False)
        for metric, name in METRICS
        for stat in ("p50", "p95")
    ]
    rows = tuple(_probe_row(entry, probe, scales) for entry in entries for probe in entry["probes"])
    return Table("The evidence: every probe", tuple(columns), rows, heads=4)


def _probe_row(entry: Entry, probe: dict[str, Any], scales: dict[str, Any]) -> tuple[Shown, ...]:
    block = f"{probe['block']}." if len(entry["blocks"]) > 1 else ""
    name = f"{block}{probe['probe']}" + (f" (try {probe['try']})" if probe["try"] > 1 else "")
    sent = probe["sent"]
    return (
        Shown(cell_name(entry["cell"])), label(entry["arm"]), Shown(name), Shown(load_text(probe["load"])),
        Shown(count(probe["good"])), Shown(count(sent)), Shown(share(probe["good"] / sent if sent else None)),
        *(Shown(share(bound)) for bound in probe["bounds"]), _outcome(probe),
        *(latency_of(probe, metric, stat, scales[metric]) for metric, _ in METRICS for stat in ("p50", "p95")),
    )  # fmt: skip


def _outcome(probe: dict[str, Any]) -> Shown:
    """Met or missed, with how sure its own requests make it where they do not settle it."""
    if not probe["valid"]:
        return Shown("invalid", note=plain((probe.get("why_invalid") or ["no reason was recorded"])[0]), tone="bad")
    met = probe["met"]
    word, tone = ("met", "good") if met >= 0.5 else ("missed", "bad")
    sure = max(met, 1 - met)
    return Shown(
        word, tone="good" if tone == "good" else "bad", detail=None if sure >= 0.95 else f"{share(sure, 0)} sure"
    )


def load_text(load: float) -> str:
    """A load as people write it: whole users, rates with the digits they have."""
    return f"{load:,.6g}"
