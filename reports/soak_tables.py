"""The soaks as tables: each as a whole, what was done to it and what became of it, how latency drifts."""

from __future__ import annotations

from typing import Any

from reports.definitions import name_of
from reports.search_tables import load_text
from reports.soak_words import outcome
from reports.tables import Column, Shown, Table, Tone, absent, cell_name, label
from reports.units import ABSENT, change, change_interval, count, plain, share, span

Entry = dict[str, Any]
STATES: dict[str, tuple[str, Tone]] = {
    "unaffected": ("unaffected", "good"), "recovered": ("recovered", "good"), "not recovered": ("not recovered", "bad"),
    "ill before": ("ill before", "warn"), "too short": ("too short", "warn"), "unknown": ("unknown", "warn"),
}  # fmt: skip
NAMES = {"disturbance": "disturbance", "spike begins": "spike begins", "spike ends": "spike ends"}


def soak_tables(summary: dict[str, Any]) -> list[Table]:
    """All tables of the soaks of a run; none without one."""
    entries = summary.get("soaks", [])
    if not entries:
        return []
    found = [whole_table(entries)]
    if any(entry["events"] for entry in entries):
        found.append(events_table(entries))
    if any(entry.get("drift") for entry in entries):
        found.append(drift_table(entries))
    return found


def whole_table(entries: list[Entry]) -> Table:
    """Each soak: what was asked, what was good, how much of the error budget went."""
    columns = (
        Column("cell", "cell", False), Column("arm", None, False), Column("load"), Column("time"), Column("requests"),
        Column("good", "good"), Column("at least", essential=False), Column("at most", essential=False),
        Column("failed"), Column("error budget used", "budget"),
    )  # fmt: skip
    return Table("The whole soak", columns, tuple(_whole_row(entry, len(entries)) for entry in entries), heads=2)


def _whole_row(entry: Entry, of: int) -> tuple[Shown, ...]:
    sent, used = entry["sent"], entry.get("budget_used")
    budget = absent("no SLO") if used is None else Shown(share(used, 0), tone="bad" if used > 1 else "")
    return (
        Shown(cell_name(entry["cell"])), _arm(entry, of), Shown(load_text(entry["load"])),
        Shown(span(entry["seconds"])), Shown(count(sent)), Shown(share(entry["good"] / sent if sent else None)),
        *(Shown(share(bound)) for bound in entry["bounds"]), Shown(count(sent - entry["ok"])), budget,
    )  # fmt: skip


def events_table(entries: list[Entry]) -> Table:
    """What was done, when it was well again, what it cost."""
    columns = (
        Column("arm", None, False), Column("what was done", None, False), Column("at"), Column("load"),
        Column("outcome", "recovery", False), Column("well again after", "recovery"),
        Column("requests", essential=False), Column("bad"), Column("failed"),
        Column("of the error budget", "budget", essential=False), Column("E2E after / before", essential=False),
    )  # fmt: skip
    rows = tuple(_event_row(entry, event, len(entries)) for entry in entries for event in entry["events"])
    return Table("What was done to it, and how it recovered", columns, rows, heads=2)


def _event_row(entry: Entry, event: Entry, of: int) -> tuple[Shown, ...]:
    word, tone = STATES[event["state"]]
    if event["what"] == "spike begins" and event["state"] == "not recovered":  # there it need not
        word, tone = "not while it lasts", "warn"
    after = absent(outcome(entry, event))
    if "recovered_s" in event:
        after = Shown(f"{event['recovered_s']:.1f} s", detail=f"± {entry['bin_s']:g} s")
    done = Shown(NAMES[event["what"]], detail=plain(event["run"], 80) if "run" in event else None)
    level = absent("too little quiet time at this load")
    if "level" in event:
        low, high = event["level"]["ci"]
        tone_of: Tone = "bad" if low > 1 else ""
        level = Shown(change(event["level"]["ratio"], (low, high)), tone=tone_of, detail=change_interval(low, high))
    used = event.get("budget_used")
    return (
        _arm(entry, of), done, Shown(f"{event['at_s']:.1f} s"), Shown(load_text(event["load"])), Shown(word, tone=tone),
        after, Shown(count(event["sent"])), Shown(count(event["bad"])), Shown(count(event["failed"])),
        Shown(ABSENT if used is None else share(used, 0)), level,
    )  # fmt: skip


def drift_table(entries: list[Entry]) -> Table:
    """How each latency grows per hour of quiet time."""
    columns = (Column("arm", None, False), Column("metric", None, False), Column("per hour", "drift"))
    rows = tuple(
        (_arm(entry, len(entries)), Shown(name_of(drift["metric"])), _drift(drift))
        for entry in entries
        for drift in entry.get("drift", [])
    )
    return Table("Drift in quiet time", columns, rows, heads=2)


def _drift(drift: dict[str, Any]) -> Shown:
    low, high = drift["ci"]
    return Shown(change(drift["ratio"], (low, high)), tone="bad" if low > 1 else "", detail=change_interval(low, high))


def soak_figures(summary: dict[str, Any]) -> list[tuple[str, str, str, Tone]]:
    """For the first screen: what was good, the slowest recovery, the error budget; empty without a soak."""
    entries = summary.get("soaks", [])
    return [figure for entry in entries[:1] for figure in _figures(entry)]


def _figures(entry: Entry) -> list[tuple[str, str, str, Tone]]:
    sent, used = entry["sent"], entry.get("budget_used")
    good = share(entry["good"] / sent) if sent else ABSENT
    found: list[tuple[str, str, str, Tone]] = [
        ("Good requests", good, f"of {count(sent)} in {span(entry['seconds'])}, {plain(entry['arm'], 30)}", "")
    ]
    asked = [event for event in entry["events"] if event["what"] != "spike begins"]
    worst = max(asked, key=_slowness, default=None)
    if worst is not None:
        value = f"{worst['recovered_s']:.1f} s" if "recovered_s" in worst else STATES[worst["state"]][0]
        name = "spike" if worst["what"] == "spike ends" else "disturbance"
        found.append((f"Recovery, slowest {name}", value, f"at {worst['at_s']:.0f} s", STATES[worst["state"]][1]))
    if used is not None:
        found.append(("Error budget used", share(used, 0), "by all of the soak", "bad" if used > 1 else "good"))
    return found


def _slowness(event: Entry) -> tuple[bool, float]:
    return event["state"] not in ("recovered", "unaffected"), event.get("recovered_s", 0.0)


def _arm(entry: Entry, of: int) -> Shown:
    return label(entry["arm"] if of == 1 or entry["block"] == 1 else f"{entry['arm']}, block {entry['block']}")
