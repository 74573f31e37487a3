"""Charts of a ladder as inline SVG: Vega-Lite by Altair, drawn offline. Colours are the page's own CSS variables.

Arms differ by colour, dash and shape at once, so that a chart survives a grey printer and a colour-blind reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import altair as alt
import vl_convert
from altair.utils import schemapi

from reports.definitions import name_of
from reports.latency import load_of
from reports.law_line import Law, law_lines
from reports.prominent import prominent
from reports.tables import cell_key, cell_name, in_order
from reports.units import Scale, duration, duration_scale, plain

schemapi.disable_debug_mode()  # else every part is validated when it is made: four fifths of a chart's time
WIDTH, HEIGHT = 420, 260
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [1, 3], [10, 4])
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_OUTLINES = (  # the same six shapes as paths, centred on (17, 7)
    "M21 7a4 4 0 1 1-8 0 4 4 0 1 1 8 0", "M13 3h8v8h-8z", "M17 2l5 9H12z", "M17 2l5 5-5 5-5-5z",
    "M15.5 2h3v3.5H22v3h-3.5V12h-3V8.5H12v-3h3.5z", "M17 12l5-9H12z",
)  # fmt: skip
COLOURS = tuple(f"var(--arm-{i + 1})" for i in range(6))
OTHER = "\n"  # begins the key of an arm without a look of its own: no printable name begins so
INK, FAINT, LINE, LIMIT = "var(--ink)", "var(--soft)", "var(--line)", "var(--bad)"

Point = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with the sentence that says the same to someone who cannot see it."""

    title: str
    svg: str
    words: str


@dataclass(frozen=True, slots=True)
class Rules:
    """Lines that are no measurement: the SLO's limits per metric (seconds) and the operating point."""

    limits: dict[str, float]
    at: float | None
    knees: dict[str, float] = field(default_factory=dict)  # by arm, the rung from which a doubling brings little
    laws: dict[str, Law] = field(default_factory=dict)  # by arm, of its throughput


def rules_for(manifest: dict[str, Any], cell: dict[str, Any]) -> Rules:
    """The limits that hold for a cell (the last matching pattern wins, key by key) and the operating point."""
    scenario = manifest.get("scenario") or {}
    slo = scenario.get("slo") or {}
    limits = {k: slo[k] for k in ("ttft", "tpot", "e2e") if slo.get(k) is not None}
    for pattern, own in (slo.get("cells") or {}).items():
        if fnmatchcase(f"{cell['input']}/{cell['output']}", pattern):
            limits |= {k: v for k, v in own.items() if v is not None}
    at = None if scenario.get("search") or scenario.get("soak") else (scenario.get("ladder") or {}).get("at")
    return Rules({f"{k}_s": float(v) for k, v in limits.items()}, at)


def ladders(
    points: list[Point], manifest: dict[str, Any], growth: Sequence[dict[str, Any]] = ()
) -> list[tuple[str, list[Chart]]]:
    """Per cell with more than one rung its name and its charts: TTFT, TPOT, E2E, output tokens per second.

    `growth` of the summary tells the knees and the laws.
    """
    cells = {cell_key(p["cell"]): p["cell"] for p in points if p.get("cell")}
    arms = prominent(points, in_order(p["arm"] for p in points))
    drawn = []
    for key, cell in cells.items():
        here = [p for p in points if p.get("cell") and cell_key(p["cell"]) == key]
        if len({load_of(p) for p in here}) > 1:
            grown = [one for one in growth if cell_key(one["cell"]) == key]
            knees = {one["arm"]: one["knee"]["rung"] for one in grown if "knee" in one}
            laws = {one["arm"]: one["law"] for one in grown if "law" in one}
            rules = replace(rules_for(manifest, cell), knees=knees, laws=laws)
            drawn.append((cell_name(cell), _ladder(here, arms, rules)))
    return [(name, charts) for name, charts in drawn if charts]


def _ladder(points: list[Point], arms: list[str], rules: Rules) -> list[Chart]:
    charts = [latency_chart(points, arms, metric, rules) for metric in ("ttft_s", "tpot_s", "e2e_s")]
    charts.append(throughput_chart(points, arms, rules))
    return [c for c in charts if c]


def latency_chart(points: list[Point], arms: list[str], metric: str, rules: Rules) -> Chart | None:
    """Mean of one latency against load with its interval, the SLO's limit where it is near; None without a value."""
    known = [p for p in points if p.get(metric, {}).get("mean") is not None]
    if not known:
        return None
    scale = duration_scale(p[metric]["mean"] for p in known)
    rows = [_row(p, arms, p[metric]["mean"] / scale.seconds, _interval(p, metric, scale), rules) for p in known]
    highest = max(p[metric]["mean"] for p in known)
    limit = rules.limits.get(metric)
    near = limit / scale.seconds if limit is not None and limit < 3 * highest else None
    beyond = "" if limit is None else f" SLO limit {duration(limit)}."
    title = f"{name_of(metric)} mean, {scale.unit}"
    words = _words(known, arms, lambda p: duration(p[metric]["mean"])) + beyond
    return Chart(title, _draw(rows, arms, near, rules.at), words)


def throughput_chart(points: list[Point], arms: list[str], rules: Rules) -> Chart | None:
    """Output tokens per second against load; None when none arrived."""
    known = [p for p in points if p.get("throughput", {}).get("output_tokens") is not None]
    if not any(p["throughput"]["output_tokens"] for p in known):
        return None
    rows = [_row(p, arms, p["throughput"]["output_tokens"], None, rules) for p in known]
    words = _words(known, arms, lambda p: f"{p['throughput']['output_tokens']:,.0f}")
    lines = law_lines(known, rules.laws)
    laws = [{"arm": arm_key(arms, arm), "load": x, "value": y} for arm, line in lines.items() for x, y in line]
    title = "Output tokens/s" + (", Gunther’s law as a thin line" if laws else "")
    return Chart(title, _draw(rows, arms, None, rules.at, laws), words)


def _row(
    point: Point, arms: list[str], value: float, interval: tuple[float, float] | None, rules: Rules
) -> dict[str, Any]:
    low, high = interval or (value, value)
    axis = "users at once" if point.get("rate") is None else "requests/s"
    known = {"axis": axis, "load": load_of(point), "arm": arm_key(arms, point["arm"])}
    return {**known, "value": value, "low": low, "high": high, "knee": rules.knees.get(point["arm"]) == load_of(point)}


def arm_key(arms: list[str], arm: str) -> str:
    """An arm's name as the legend prints it; distinct even when cleaning makes two names equal."""
    if arm not in arms:
        return OTHER + arm
    index = arms.index(arm)
    name = plain(arm, 24)
    return name if [plain(a, 24) for a in arms].count(name) == 1 else f"{name} ({index + 1})"


def _interval(point: Point, metric: str, scale: Scale) -> tuple[float, float] | None:
    low, high = point[metric].get("mean_ci") or (None, None)
    return None if low is None or high is None else (low / scale.seconds, high / scale.seconds)


def _words(points: list[Point], arms: list[str], show: Any) -> str:
    """The chart in words: for each arm that has a look of its own the first and the last rung."""
    said = []
    for arm in in_order(p["arm"] for p in points if p["arm"] in arms):
        mine = sorted((p for p in points if p["arm"] == arm), key=load_of)
        ends = [f"{show(p)} at {load_of(p):g}" for p in (mine[0], mine[-1])]
        said.append(f"{plain(arm, 40)}: " + (" to ".join(ends) if len(mine) > 1 else ends[0]))
    return "; ".join(said) + "."


def legend(arms: list[str], others: int = 0) -> list[tuple[str, str]]:
    """Each arm's name with a swatch of its line and mark, for the page to print once above its charts."""
    known = [(arm_key(arms, arm), _swatch(i % len(COLOURS))) for i, arm in enumerate(arms)]
    return [*known, (f"{others} other arms", _OTHERS)] if others else known


_OTHERS = (
    '<svg viewBox="0 0 34 14" width="34" height="14" aria-hidden="true" class="swatch">'
    f'<path d="M0 7H34" stroke="{FAINT}" stroke-width="0.8"/></svg>'
)


def _swatch(look: int) -> str:
    dashes = " ".join(map(str, DASHES[look]))
    line = f'<path d="M0 7H34" stroke="{COLOURS[look]}" stroke-width="2" stroke-dasharray="{dashes}"/>'
    mark = f'<path d="{_OUTLINES[look]}" fill="{COLOURS[look]}"/>'
    return f'<svg viewBox="0 0 34 14" width="34" height="14" aria-hidden="true" class="swatch">{line}{mark}</svg>'


# ---- drawing ----------------------------------------------------------------------------------------------------


def _draw(
    rows: list[dict[str, Any]],
    arms: list[str],
    limit: float | None,
    at: float | None,
    laws: Sequence[dict[str, Any]] = (),
) -> str:
    """The chart as SVG with a fixed view box, without a size of its own: the page's width decides."""
    names = [arm_key(arms, a) for a in arms]
    loads = sorted({r["load"] for r in rows} | ({float(at)} if at else set()))
    thin = alt.Chart(data(list(laws))).mark_line(strokeWidth=0.8)
    colour = alt.Color("arm:N", scale=by_arm(names, COLOURS), legend=None)
    drawn = [thin.encode(x="load:Q", y="value:Q", color=colour)] if laws else []
    return svg_of([*_rules(limit, at), *drawn, *_marks(rows, names, loads)])


def _marks(rows: list[dict[str, Any]], names: list[str], loads: list[float]) -> list[alt.Chart]:
    """Interval bars, lines and points; a zero baseline so that slopes are not flattered."""
    colour = alt.Color("arm:N", scale=by_arm(names, COLOURS), legend=None)
    dash = alt.StrokeDash("arm:N", scale=by_arm(names, DASHES), legend=None)
    shape = alt.Shape("arm:N", scale=by_arm(names, SHAPES), legend=None)
    x = alt.X(
        "load:Q",
        title=rows[0]["axis"],
        scale=alt.Scale(type="log", base=2, nice=False, padding=12),
        axis=alt.Axis(values=loads, labelExpr="format(datum.value, '~g')", grid=False),
    )
    y = alt.Y("value:Q", title=None, scale=alt.Scale(zero=True, nice=True), axis=alt.Axis(tickCount=5))
    own, others = split_others(rows)
    base = alt.Chart(data(own)).encode(x=x)
    spread = base.encode(y=alt.Y("low:Q", title=None), y2="high:Q", color=colour)
    band, bars = spread.mark_area(opacity=0.16), spread.mark_rule(strokeWidth=1.5)
    lines = base.mark_line(strokeWidth=2).encode(y=y, color=colour, strokeDash=dash)
    dots = base.mark_point(filled=True, size=52, opacity=1).encode(y=y, color=colour, shape=shape)
    knees = alt.Chart(data([row for row in own if row["knee"]])).encode(x=x, y=y)
    rings = knees.mark_point(filled=False, size=190, strokeWidth=1.4, color=INK, shape="circle")
    return [*faint_lines(others, x, y), band, bars, lines, dots, rings]


def split_others(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of arms with a look of their own, and the others."""
    return [r for r in rows if not r["arm"].startswith(OTHER)], [r for r in rows if r["arm"].startswith(OTHER)]


def faint_lines(rows: list[dict[str, Any]], x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Arms without a look of their own, behind the others."""
    if not rows:
        return []
    lines = alt.Chart(data(rows)).mark_line(strokeWidth=0.8, opacity=0.45, color=FAINT)
    return [lines.encode(x=x, y=y, detail="arm:N")]


def by_arm(names: list[str], looks: Sequence[Any]) -> alt.Scale:
    """The looks of the arms in their order, from the start again beyond the last."""
    return alt.Scale(domain=names, range=[looks[i % len(looks)] for i in range(len(names))])


def _rules(limit: float | None, at: float | None) -> list[alt.Chart]:
    """The SLO's limit across and the operating point down, each with its name."""
    drawn = []
    if at:
        here = alt.Chart(data([{"load": at}]))
        drawn += [
            here.mark_rule(strokeDash=[2, 3], color=FAINT, strokeWidth=1).encode(x="load:Q"),
            here.mark_text(align="left", dx=4, dy=-9, color=FAINT, fontSize=11, y=alt.ExprRef("height"))
            .encode(x="load:Q", text=alt.value("operating point")),
        ]  # fmt: skip
    if limit is not None:
        there = alt.Chart(data([{"limit": limit}]))
        drawn += [
            there.mark_rule(color=LIMIT, strokeWidth=1.2, strokeDash=[5, 3]).encode(y="limit:Q"),
            there.mark_text(align="left", baseline="top", dx=4, dy=4, color=LIMIT, fontSize=11)
            .encode(x=alt.value(0), y="limit:Q", text=alt.value("SLO limit")),
        ]  # fmt: skip
    return drawn


def data(rows: list[dict[str, Any]]) -> alt.Data:
    """Rows as what a chart is drawn from."""
    return alt.Data(values=rows)


def themed(chart: Any) -> Any:
    """Calm axes in the page's own ink."""
    font = "system-ui, sans-serif"
    return (
        chart.configure(font=font, aria=False)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=INK, titleColor=FAINT, gridColor=LINE, domainColor=LINE, tickColor=LINE, labelFontSize=12,
            titleFontSize=12, titleFontWeight="normal", labelPadding=6, domain=False, ticks=False, labelFlush=False,
        )
        .configure_axisX(domain=True, ticks=True, tickSize=4)
    )  # fmt: skip


def svg_of(layers: Sequence[alt.Chart]) -> str:
    """Layers as one SVG that is as wide as the page lets it."""
    size = alt.AutoSizeParams(type="fit", contains="padding")
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, autosize=size, background="transparent")
    return drawn(chart)


def drawn(chart: Any) -> str:
    """A chart as SVG without a size of its own, hidden from screen readers: the figure's caption speaks for it."""
    svg = vl_convert.vegalite_to_svg(themed(chart).to_dict(validate=False))
    head, rest = svg.split(">", 1)
    box = head.partition('viewBox="')[2].partition('"')[0]
    return f'<svg viewBox="{box}" aria-hidden="true" class="chart">{rest}'
