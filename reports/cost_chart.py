"""Cost against latency as a picture: a dot for each rung of each arm; those that none beats in both are ringed."""

from __future__ import annotations

from typing import Any, Literal

import altair as alt

from reports.charts import COLOURS, INK, SHAPES, Chart, by_arm, data, svg_of
from reports.latency import load_of
from reports.tables import cell_key, cell_name, in_order
from reports.units import duration_scale, money, plain

Point = dict[str, Any]


def cost_charts(summary: dict[str, Any]) -> list[tuple[str, Chart]]:
    """Per cell with two dots or more its name and its picture: money per 1,000 good requests against the mean E2E."""
    currency = (summary.get("cost") or {}).get("currency", "")
    known = [point for point in summary["points"] if point.get("cell") and _both(point)]
    arms = in_order(point["arm"] for point in summary["points"])
    cells = {cell_key(point["cell"]): point["cell"] for point in known}
    drawn = []
    for key, cell in cells.items():
        here = [point for point in known if cell_key(point["cell"]) == key]
        if len(here) > 1:
            drawn.append((cell_name(cell), _chart(here, arms, plain(currency, 12))))
    return drawn


def _both(point: Point) -> bool:
    """Whether a point has a latency and a cost."""
    cost = point.get("cost", {}).get("total", {}).get("per_good_request")
    return cost is not None and point.get("e2e_s", {}).get("mean") is not None


def _money(point: Point) -> float:
    return float(1000 * point["cost"]["total"]["per_good_request"])


def unbeaten(points: list[Point]) -> list[Point]:
    """The points that no other beats in both: the Pareto front, from fast to cheap."""
    front: list[Point] = []
    for point in sorted(points, key=lambda p: (p["e2e_s"]["mean"], _money(p))):
        if not front or _money(point) < _money(front[-1]):
            front.append(point)
    return front


def _chart(points: list[Point], arms: list[str], currency: str) -> Chart:
    front = unbeaten(points)
    scale = duration_scale(point["e2e_s"]["mean"] for point in points)
    rows = [
        {
            "latency": point["e2e_s"]["mean"] / scale.seconds,
            "cost": _money(point),
            "arm": str(arms.index(point["arm"])),
            "load": f"{load_of(point):g}",
            "order": load_of(point),
            "front": point in front,
        }
        for point in points
    ]
    best = ", ".join(f"{plain(point['arm'], 40)} at {load_of(point):g}" for point in front)
    ends = f"{money(_money(front[0]), currency)} to {money(_money(front[-1]), currency)}"
    title = f"{currency} per 1,000 good requests, against E2E mean, {scale.unit}"
    words = f"Ringed, since no other point is both faster and cheaper: {best}; from fast to cheap {ends}."
    return Chart(title, _draw(rows, arms, f"E2E mean, {scale.unit}"), words)


def _draw(rows: list[dict[str, Any]], arms: list[str], axis: str) -> str:
    names = [str(index) for index in range(len(arms))]  # names may be equal once they are made printable
    colour = alt.Color("arm:N", scale=by_arm(names, COLOURS), legend=None)
    shape = alt.Shape("arm:N", scale=by_arm(names, SHAPES), legend=None)
    x = alt.X(
        "latency:Q",
        title=axis,
        scale=alt.Scale(zero=False, nice=True, padding=14),
        axis=alt.Axis(tickCount=5, grid=False),
    )
    y = alt.Y(
        "cost:Q", title=None, scale=alt.Scale(type=_scale(rows), nice=True, padding=10), axis=alt.Axis(tickCount=5)
    )
    base = alt.Chart(data(rows)).encode(x=x, y=y)
    front = alt.Chart(data([row for row in rows if row["front"]])).encode(x=x, y=y)
    layers = [
        base.encode(color=colour, order="order:Q").mark_line(strokeWidth=1.2, opacity=0.5),
        base.encode(color=colour, shape=shape).mark_point(filled=True, size=52, opacity=1),
        front.mark_point(filled=False, size=190, strokeWidth=1.4, color=INK, shape="circle"),
        base.encode(text="load:N", color=colour).mark_text(align="left", dx=9, dy=-9, fontSize=11),
    ]
    return svg_of(layers)


def _scale(rows: list[dict[str, Any]]) -> Literal["log", "linear"]:
    """Logarithmic where costs differ by more than a factor of 5: one user on a GPU costs many times a full one."""
    values = [row["cost"] for row in rows]
    return "log" if min(values) > 0 and max(values) / min(values) > 5 else "linear"
