"""The probes of a search, read from the steps of its run: what each has shown, the last try of each."""

from __future__ import annotations

from collections.abc import Iterable

from exporters.files import StepRecord
from exporters.knee import Bounds, Probe, chance_met
from scenarios.scenario import Cell, CellSlo, Scenario
from scenarios.slo import slo_of

Place = tuple[int, Cell, str]  # block, cell, arm: one search


def bounds_of(scenario: Scenario) -> Bounds:
    """What is asked of each search of a scenario."""
    search = scenario.search
    assert search is not None, "a scenario with a search"
    assert search.start is not None, "a complete one"
    assert search.max is not None, "a complete one"
    return Bounds(
        start=search.start,
        max=search.max,
        whole=not scenario.ladder.rate,
        tolerance=search.tolerance,
        repeats=search.repeats,
        probes=search.probes,
    )


def probes_of(records: Iterable[StepRecord], scenario: Scenario, place: Place) -> list[Probe]:
    """The probes of one search, in their order."""
    return [probe_of(record, scenario) for record in last_tries(records, place)]


def last_tries(records: Iterable[StepRecord], place: Place) -> list[StepRecord]:
    """Of each probe of one search the last try."""
    found: dict[int, StepRecord] = {}
    for record in records:
        step = record.step
        if step.probe is not None and (step.block, step.cell, step.arm) == place:
            found[step.probe] = record
    return [found[number] for number in sorted(found)]


def probe_of(record: StepRecord, scenario: Scenario) -> Probe:
    """What one step has shown; the chance is the smaller one of the two limits', that on failures and `attain`."""
    tally, limit = record.tally, scenario.slo.error_rate
    sent, ok = tally["sent"], tally["by_outcome"].get("ok", 0)
    chances = [] if limit is None else [chance_met(ok, sent, 1 - limit)]
    if record.step.cell is None or slo_of(scenario, record.step.cell.name) != CellSlo():
        chances.append(chance_met(tally.get("good", 0), sent, scenario.slo.attain))
    return Probe(
        load=record.step.load,
        met=min(chances),
        valid=record.valid,
        why=record.why_invalid[0] if record.why_invalid else "",
    )
