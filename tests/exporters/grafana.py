"""The dashboards that ship, read as Grafana reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from exporters.dashboards.__main__ import FOLDER, PAGES


class Asked(NamedTuple):
    """A query of a panel, with its variables in it."""

    where: str  # file, panel and letter
    promql: str


def shipped(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def panels(name: str) -> list[Any]:
    return [panel for panel in shipped(name)["panels"] if panel["type"] != "row"]


def asked(run: str, rate_interval: str) -> Iterator[Asked]:
    """Every query as Grafana sends it: the prices as they stand there, everything of this run."""
    for name in PAGES:
        variables = shipped(name)["templating"]["list"]
        values = {one["name"]: one["query"] if one["type"] == "textbox" else ".*" for one in variables}
        values |= {"run": run, "__rate_interval": rate_interval}
        for panel in panels(name):
            for target in panel["targets"]:
                promql = target["expr"]
                for variable in sorted(values, key=len, reverse=True):  # `gpu_hourly` before what it begins with
                    promql = promql.replace(f"${variable}", values[variable])
                yield Asked(f"{name}: {panel['title']} {target['refId']}", promql)
