"""The page: one self-contained file that needs no network and no JavaScript, and trusts no string that it prints."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports import (
    added,
    by_hand,
    charts,
    effects,
    latency,
    scaling_tables,
    search_chart,
    search_tables,
    soak_chart,
    soak_tables,
    swarm,
    trust,
    waste_tables,
    where,
)
from reports.backend import backend_table
from reports.cost_page import cost_section
from reports.ecdf_chart import ecdf_charts
from reports.glossary import GLOSSARY, key_of
from reports.headline import headline
from reports.heat import heat_maps
from reports.lengths import lengths_table
from reports.mix import mix_table
from reports.operating import operating_load
from reports.prominent import all_arms, prominent, told
from reports.soak_words import soak_sentences
from reports.tables import cell_key, cell_name
from reports.talks import talks_table
from reports.timeline_chart import events_table, timeline_chart
from reports.token_counts import token_table
from reports.units import plain
from reports.unusual_tables import anomalies_table, growth_table

_PAGES = Environment(
    loader=PackageLoader("reports"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.globals |= {"definitions": GLOSSARY, "key_of": key_of}


def page(template: str, **parts: Any) -> str:
    """A page of its own, with our style inside and no right to load anything."""
    style = _style()
    return _PAGES.get_template(template).render(
        style=Markup(style),  # our own file
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        **parts,
    )


def render_html(summary: dict[str, Any], manifest: dict[str, Any]) -> str:
    """The report as one HTML file."""
    return page(
        "page.html",
        name=plain(summary["run"]["scenario"], 120),
        run=summary["run"],
        reasons=[plain(r, 600) for r in summary["verdict"].get("reasons", [])],
        warnings=trust.warning_texts(summary["warnings"]),
        banners=trust.banners(summary, manifest),
        headline=headline(summary, manifest),
        taken=trust.taken(summary),
        scenario=trust.scenario_text(manifest),
        **_changes(summary),
        **_measurements(summary, manifest),
        **_trust(summary, manifest),
        timeline=_timeline(summary),
        waste={
            "table": waste_tables.waste_table(summary),
            "examples": waste_tables.examples(summary),
            "missing": waste_tables.missing(summary),
        },
        unusual=anomalies_table(summary),
        growth=growth_table(summary.get("growth", [])),
        service=_service(summary, manifest),
        search=_search(summary, manifest),
        soak=_soak(summary, manifest),
        scaling=scaling_tables.scaling_tables(summary),
        cost=cost_section(summary),
    )


def _changes(summary: dict[str, Any]) -> dict[str, Any]:
    """What changed between the arms."""
    return {
        "effect_maps": effects.effect_maps(summary["comparisons"]),
        "comparisons": effects.comparisons_table(summary["comparisons"]),
        "capacity": effects.capacity_table(summary, all_arms(summary)),
    }


def _measurements(summary: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """What was measured; the SVG is ours and its labels were escaped by the drawing library."""
    points = summary["points"]
    plan_cell = ((manifest.get("scenario") or {}).get("plan") or {}).get("cell")
    climbed = [] if summary.get("soaks") else points  # loads of a soak come and go
    ladders = sorted(
        charts.ladders(climbed, manifest, summary.get("growth", [])), key=lambda ladder: ladder[0] != plan_cell
    )
    arms = all_arms(summary)
    shown, listed = prominent(points, arms), told(points, arms)
    tasks = summary.get("tasks", [])
    return {
        "ladders": [(name, _figures(drawn)) for name, drawn in ladders],
        "legend": [(name, Markup(swatch)) for name, swatch in charts.legend(shown, len(arms) - len(shown))]
        if len(arms) > 1
        else [],
        "ecdfs": [(name, _figures(drawn)) for name, drawn in ecdf_charts(points, manifest, operating_load(manifest))],
        "heat_maps": heat_maps(points, operating_load(manifest), str((summary.get("cost") or {}).get("currency", ""))),
        "points": latency.points_table(listed) if listed else None,
        "points_open": len(listed) <= 40,
        "unlisted": len(arms) - len(shown) if len(listed) < len(points) else 0,
        "talks": talks_table(summary.get("conversations", [])),
        "mixes": mix_table(summary.get("mixes", [])),
        "lengths": lengths_table([*listed, *tasks]),
        "backend": backend_table([*listed, *tasks]),
        "tasks": latency.tasks_table(tasks),
        "outcomes": latency.outcomes_table(trust.all_steps(summary)),
        "cells": len({cell_key(p.get("cell")) for p in points}),
    }


def _timeline(summary: dict[str, Any]) -> dict[str, Any]:
    """The run over time, and what happened in it."""
    drawn = timeline_chart(summary, all_arms(summary))
    return {"charts": _figures([drawn] if drawn else []), "events": events_table(summary.get("timeline"))}


def _figures(drawn: list[charts.Chart]) -> list[tuple[str, Markup, str]]:
    """Charts as the templates print them: their SVG is ours, and foreign text in it was escaped."""
    return [(chart.title, Markup(chart.svg), chart.words) for chart in drawn]


def _service(summary: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """Where the time goes; the service around the model: what it adds, its stages and its calls."""
    points = [*told(summary["points"], all_arms(summary)), *summary.get("tasks", [])]
    return {
        "told": _bars(where.staged(points)),
        "clocked": _bars(where.clocked([p for p in points if _in_sight(p, summary, manifest)])),
        "time": where.time_table(points),
        "stages": where.stages_table(points),
        "calls": where.calls_table(points),
        "isolation": added.added_tables(summary),
        "life": added.life_tables(summary),
    }


def _bars(divided: list[tuple[dict[str, Any], where.Shares]]) -> dict[str, Any]:
    """Stacked bars and their legend."""
    return {
        "bars": [(bar.title, Markup(bar.svg), bar.words) for bar in where.bars(divided)],
        "legend": [(name, Markup(swatch)) for name, swatch in where.legend(divided)],
    }


def _in_sight(point: dict[str, Any], summary: dict[str, Any], manifest: dict[str, Any]) -> bool:
    """Whether a point has a bar of its own: the plan's ladder and the tasks; without a plan's cell all have."""
    cell = ((manifest.get("scenario") or {}).get("plan") or {}).get("cell")
    names = {cell_name(p.get("cell")) for p in summary["points"]}
    return point.get("cell") is None or cell not in names or cell_name(point["cell"]) == cell


def _search(summary: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """How far each arm goes: the answers in words, their pictures, the evidence."""
    drawn = search_chart.search_charts(summary, manifest)
    return {
        "answers": [plain(text, 600) for text in search_tables.answers(summary)],
        "charts": [(cell, c.title, Markup(c.svg), c.words) for cell, c in drawn],
        "tables": search_tables.search_tables(summary),
    }


def _soak(summary: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """How it holds one load, and recovers from what is done to it."""
    drawn = soak_chart.soak_charts(summary, manifest)
    return {
        "sentences": [plain(text, 600) for text in soak_sentences(summary.get("soaks", []))],
        "charts": [(name, _figures(pictures)) for name, pictures in drawn],
        "tables": soak_tables.soak_tables(summary),
    }


def _trust(summary: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """Why it may be believed, or not."""
    return {
        "invalid": trust.invalid_table(trust.all_steps(summary)),
        "measured": trust.measured_table(summary, manifest),
        "tokens": token_table(summary),
        "workers": swarm.workers_table(summary),
        "placement": swarm.placement_table(summary),
        "by_hand": by_hand.actions_table(manifest),
        "checks": trust.checks_table(manifest.get("check") or []),
        "facts": trust.facts_table(summary, manifest),
    }


def _style() -> str:
    source, _, _ = _PAGES.loader.get_source(_PAGES, "style.css")  # type: ignore[union-attr]
    return source
