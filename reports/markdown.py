"""The report as Markdown for a pull request's comment: the first screen, the changes, the operating point, warnings."""

from __future__ import annotations

import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports import (
    added,
    effects,
    latency,
    scaling_tables,
    search_tables,
    soak_tables,
    swarm,
    token_counts,
    trust,
    unusual_tables,
    waste_tables,
    where,
)
from reports.cost_page import short_cost_tables
from reports.headline import headline
from reports.operating import operating_load
from reports.tables import Table
from reports.units import plain

_ACTIVE = re.compile(r"([\\`*_\[\]|~])")
_INVISIBLE = "\u200b"  # breaks mentions and bare links without changing what is read


def markdown_text(value: object) -> str:
    """Text that Markdown prints as it is: no emphasis, table bar, tag, mention or link comes to life in it."""
    text = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _ACTIVE.sub(r"\\\1", text.replace("\n", " "))
    return text.replace("://", f":{_INVISIBLE}//").replace("www.", f"www{_INVISIBLE}.").replace("@", f"@{_INVISIBLE}")


_PAGES = Environment(
    loader=PackageLoader("reports"),
    autoescape=False,  # `finalize` escapes every expression for Markdown instead
    finalize=markdown_text,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render_tables(caution: str, tables: list[Table]) -> str:
    """Some tables under a caution, as GitHub-flavoured Markdown."""
    return _PAGES.get_template("between.md").render(caution=caution, tables=tables)


def render_markdown(summary: dict[str, Any], manifest: dict[str, Any]) -> str:
    """The report as GitHub-flavoured Markdown."""
    at = operating_load(manifest)
    here = [p for p in summary["points"] if at is None or latency.load_of(p) == at] or summary["points"]
    tables = [
        effects.comparisons_table([c for c in summary["comparisons"] if c["level"] != "rung"]),
        *short_cost_tables(summary),
        waste_tables.scores_table(summary["verdict"].get("scores", [])),
        waste_tables.waste_table(summary),
        *search_tables.search_tables(summary),
        *soak_tables.soak_tables(summary),
        *scaling_tables.scaling_tables(summary),
        latency.points_table(here) if here else None,
        *added.added_tables(summary),
        *added.life_tables(summary),
        where.time_table(here),
        where.stages_table(here),
        where.calls_table(here),
        effects.capacity_table(summary),
        *unusual_tables.unusual_tables(summary),
        latency.tasks_table(summary.get("tasks", [])),
        latency.outcomes_table(trust.all_steps(summary)),
        trust.invalid_table(trust.all_steps(summary)),
        trust.measured_table(summary, manifest),
        token_counts.token_table(summary),
        swarm.workers_table(summary),
    ]
    return _PAGES.get_template("report.md").render(
        banners=trust.banners(summary, manifest),
        headline=headline(summary, manifest),
        name=plain(summary["run"]["scenario"], 120),
        run=plain(summary["run"]["id"], 120),
        taken=trust.taken(summary),
        reasons=[plain(r, 600) for r in summary["verdict"].get("reasons", [])],
        conditions=[plain(one, 300) for one in summary["verdict"].get("conditions", [])],
        warnings=trust.warning_texts(summary["warnings"]),
        tables=[t for t in tables if t],
    )
