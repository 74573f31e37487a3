"""The cost section of the page: what is missing, the tables in the order of the five steps, the pictures."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from reports.cost_chart import cost_charts
from reports.cost_doubt_tables import doubt_tables, gates_table
from reports.cost_points import prices_table, running_table
from reports.cost_tables import cost_tables, missing_texts
from reports.prominent import all_arms, told
from reports.tables import Table
from reports.waste_tables import scores_table


def cost_section(summary: dict[str, Any]) -> dict[str, Any]:
    """What the template prints."""
    drawn = cost_charts(summary)
    return {
        "missing": missing_texts(summary),
        "scores": scores_table(summary["verdict"].get("scores", [])),
        "tables": cost_tables(summary),
        "charts": [(cell, c.title, Markup(c.svg), c.words) for cell, c in drawn],
        "doubts": doubt_tables(summary),
        "points": running_table(_points(summary), _currency(summary)),
        "prices": prices_table(summary.get("cost") or {}),
    }


def short_cost_tables(summary: dict[str, Any]) -> list[Table]:
    """For a comment: limits, the month, the change, requests; nothing without prices."""
    cost = summary.get("cost") or {}
    limits = gates_table(cost)
    return [*([limits] if limits else []), *cost_tables(summary)] if cost.get("prices") else []


def _points(summary: dict[str, Any]) -> list[dict[str, Any]]:
    return [*told(summary["points"], all_arms(summary)), *summary.get("tasks", [])]


def _currency(summary: dict[str, Any]) -> str:
    return str((summary.get("cost") or {}).get("currency", ""))
