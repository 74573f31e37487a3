"""A dashboard as data, and as the JSON that Grafana imports: all that knows grafana-foundation-sdk."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as words
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

HEIGHT, TILE_HEIGHT, WIDTH = 8, 4, 24  # of Grafana's grid
TAG: Final = "tokenswarm"
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")


class Panel(NamedTuple):
    """A panel: what it shows, in which of Grafana's units, and how it is to be read."""

    title: str
    unit: str
    what: str
    lines: Mapping[str, str]  # what its series are called -> their PromQL
    kind: Literal["lines", "stacked", "states", "number"] = "lines"


class Row(NamedTuple):
    """Panels beside each other, as many to a line as share its width evenly."""

    title: str
    panels: tuple[Panel, ...]
    in_line: int = 3


class Choice(NamedTuple):
    """A variable: values of a label as `label_values(...)`, one (the last by name) or several; or a number to type."""

    name: str
    label: str
    query: str = ""
    several: bool = True
    number: str = ""


class Page(NamedTuple):
    """A dashboard."""

    uid: str
    title: str
    what: str
    choices: tuple[Choice, ...]
    rows: tuple[Row, ...]


def grafana_json(page: Page) -> str:
    """The page as Grafana imports it."""
    built = dashboard.Dashboard(page.title).uid(page.uid).description(page.what).tags([TAG]).timezone("browser")
    built = built.time("now-30m", "now").refresh("10s").tooltip(DashboardCursorSync.CROSSHAIR).link(_link())
    built = built.with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    for choice in page.choices:
        built = built.with_variable(_number(choice) if choice.number else _labels(choice))
    for row in page.rows:
        built = built.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            built = built.with_panel(_panel(panel, WIDTH // row.in_line))
    return json.dumps(_numbered(built.build()), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _numbered(built: Dashboard) -> Dashboard:
    """Panels have ids, or links to one of them lead nowhere."""
    for number, panel in enumerate(built.panels or (), start=1):
        panel.id_val = number
    return built


def _link() -> dashboard.DashboardLink:
    """From each dashboard to the others, at the same time and with the same run."""
    link = dashboard.DashboardLink(TAG).type(DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.include_vars(True).keep_time(True)


def _labels(choice: Choice) -> dashboard.QueryVariable:
    variable = dashboard.QueryVariable(choice.name).label(choice.label).query(choice.query).datasource(SOURCE)
    variable = variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    if not choice.several:
        return variable.sort(VariableSort.ALPHABETICAL_DESC)
    everything = VariableOption(selected=True, text="All", value="$__all")
    variable = variable.sort(VariableSort.ALPHABETICAL_ASC).multi(True).include_all(True)
    return variable.all_value(".*").current(everything)


def _number(choice: Choice) -> dashboard.TextBoxVariable:
    return dashboard.TextBoxVariable(choice.name).label(choice.label).default_value(choice.number)


def _panel(panel: Panel, width: int) -> Any:
    built = SHOWN[panel.kind]().title(panel.title).description(panel.what).unit(panel.unit).datasource(SOURCE)
    for letter, (legend, promql) in zip("ABCDEFGH", panel.lines.items(), strict=False):
        asked = prometheus.Dataquery().expr(promql).legend_format(legend).ref_id(letter).range()
        built = built.with_target(asked.datasource(SOURCE))
    return built.height(TILE_HEIGHT if panel.kind == "number" else HEIGHT).span(width)


def _lines() -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(words.LegendDisplayMode.TABLE).show_legend(True)
    legend = legend.placement(words.LegendPlacement.BOTTOM).calcs(["lastNotNull", "max"])
    several = common.VizTooltipOptions().mode(words.TooltipDisplayMode.MULTI).sort(words.SortOrder.DESCENDING)
    return timeseries.Panel().legend(legend).tooltip(several).line_width(1).axis_soft_min(0)


def _stacked() -> timeseries.Panel:
    return _lines().stacking(common.StackingConfig().mode(words.StackingMode.NORMAL)).fill_opacity(40)


def _states() -> statetimeline.Panel:
    return statetimeline.Panel().show_value(words.VisibilityMode.NEVER).merge_values(True)


def _tile() -> stat.Panel:
    return stat.Panel().reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))


SHOWN: Final[dict[str, Callable[[], Any]]] = {
    "lines": _lines, "stacked": _stacked, "states": _states, "number": _tile,
}  # fmt: skip
