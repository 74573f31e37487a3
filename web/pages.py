"""The routes of the live page, on the server that Locust's own page is on: what is seen, and what is done.

The state is encoded once a second, however many browsers ask for it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec
from flask import Blueprint, Response, request, send_file

from web import bundle
from web.form import AA, SHAPES, Files, Unfit, Wanted, listing
from web.guard import Guard
from web.live import Live
from web.runs import Refused, Runs
from web.state import state_of
from web.table import rows_of

CACHED_S = 3600
MOST_KEPT = 32  # encoded answers of the present second
SANDBOX = "sandbox allow-scripts allow-downloads; frame-ancestors 'none'"  # a report is no part of this site


class Desk(Protocol):
    """Who does what a person wants."""

    def do(self, what: str, note: str) -> str | None:
        """Do something to the run; why not, when it cannot be done."""

    def start(self, wanted: Wanted) -> None:
        """Start a run; Unfit when it cannot be."""


class Place(NamedTuple):
    """What the page is made of."""

    live: Live
    desk: Desk
    files: Files
    runs: Runs
    base: str
    environment: Mapping[str, str]


class States:
    """Encoded answers of the present second, by what the browser has already."""

    def __init__(self, live: Live) -> None:
        self._live, self._ticks = live, -1
        self._kept: dict[tuple[str, int, float], bytes] = {}

    def encoded(self, run: str, steps: int, after_s: float) -> bytes:
        """The state for a browser that has `steps` steps of `run` and points up to `after_s`."""
        if self._ticks != self._live.ticks or len(self._kept) >= MOST_KEPT:
            self._ticks, self._kept = self._live.ticks, {}
        key = (run, steps, after_s)
        if key not in self._kept:
            self._kept[key] = msgspec.json.encode(state_of(self._live, *key))
        return self._kept[key]


def serve(web_ui: Any, place: Place) -> None:
    """Add the page to Locust's web server, and guard all of it."""
    guard = Guard(web_ui, place.base, place.environment)
    folders: Any = {"template_folder": "templates", "static_folder": "static", "static_url_path": "/llm/static"}
    pages = Blueprint("tokenswarm", __name__, url_prefix=place.base or None, **folders)
    guarded: Callable[[Any], Any] = web_ui.auth_required_if_enabled
    guard.add_login(pages)
    _add_sight(pages, guarded, guard, place)
    _add_acts(pages, guarded, guard, place)
    _add_runs(pages, guarded, guard, place)
    web_ui.app.register_blueprint(pages)
    bundle.prepare()


def _add_sight(pages: Blueprint, guarded: Callable[[Any], Any], guard: Guard, place: Place) -> None:
    """What is seen of the run that goes on."""
    states = States(place.live)

    @pages.get("/llm")
    @guarded
    def page() -> Response:
        return guard.page("llm.html")

    @pages.get("/llm/state")
    @guarded
    def state() -> Response:
        asked = request.args
        seen = asked.get("steps", 0, int), asked.get("after", -1.0, float)
        return _json(states.encoded(asked.get("run", ""), *seen))

    @pages.get("/llm/vega.js")
    def vega() -> Response:
        made = bundle.bundle_file()
        if not made.exists():
            return Response("being made", 503, {"Retry-After": "2"})
        return send_file(made, mimetype="text/javascript", max_age=CACHED_S, conditional=True)

    @pages.get("/llm/steps.csv")
    @guarded
    def table() -> Response:
        written, rows = io.StringIO(), rows_of(place.live)
        writer = csv.DictWriter(written, list(rows[0]) if rows else ["step"])
        writer.writeheader()
        writer.writerows(rows)
        headers = {"Content-Disposition": "attachment; filename=steps.csv"}
        return Response(written.getvalue(), mimetype="text/csv", headers=headers)


def _add_acts(pages: Blueprint, guarded: Callable[[Any], Any], guard: Guard, place: Place) -> None:
    """What a person does; each needs the page's token."""

    @pages.get("/llm/scenarios")
    @guarded
    def scenarios() -> Response:
        return _json({"scenarios": listing(place.files, place.environment), "shapes": SHAPES, "aa": AA})

    @pages.post("/llm/do")
    @guarded
    def do() -> Response:
        asked = _asked(guard, dict[str, str])
        why = "reload this page: it is of an earlier server" if asked is None else None
        why = why or place.desk.do((asked or {}).get("what", ""), (asked or {}).get("note", ""))
        return _json({"text": why}, 200 if why is None else 409)

    @pages.post("/llm/start")
    @guarded
    def start() -> Response:
        wanted = _asked(guard, Wanted)
        if wanted is None:
            return _json({"errors": {"": "reload this page: it is of an earlier server"}}, 409)
        try:
            place.desk.start(wanted)
        except Unfit as unfit:
            return _json({"errors": unfit.errors}, 422)
        return _json({"errors": {}})


def _add_runs(pages: Blueprint, guarded: Callable[[Any], Any], guard: Guard, place: Place) -> None:
    """What is left of earlier runs."""

    @pages.get("/llm/runs")
    @guarded
    def runs() -> Response:
        return _json({"runs": place.runs.listing()})

    @pages.get("/llm/runs/<name>/report.html")
    @guarded
    def report(name: str) -> Response:
        found = place.runs.report(name)
        if found is None:
            return guard.said("There is no report", f"Write it on the master: tokenswarm report runs/{name}")
        return _apart(found.read_bytes())

    @pages.get("/llm/compare")
    @guarded
    def compare() -> Response:
        asked = request.args
        if place.live.busy or request.headers.get("Sec-Fetch-Site") == "cross-site":
            text = "A run is being measured here, and comparing takes the processor's time: wait for its end."
            return guard.said("Not now", text)
        try:
            made = place.runs.compared(asked.get("base", ""), asked.get("candidate", ""), bool(asked.get("anyway")))
        except Refused as refused:
            return guard.said("These two are not compared", str(refused), anyway=not asked.get("anyway"))
        return _apart(made)


def _asked(guard: Guard, type_: Any) -> Any:
    """What was posted; None when it does not come from a page of ours."""
    if not guard.trusts():
        return None
    try:
        return msgspec.json.decode(request.get_data(), type=type_)
    except msgspec.DecodeError:
        return None


def _json(data: Any, status: int = 200) -> Response:
    body = data if isinstance(data, bytes) else msgspec.json.encode(data)
    return Response(body, status, {"Cache-Control": "no-store"}, mimetype="application/json")


def _apart(page: bytes) -> Response:
    """A page that may do nothing to this site, whatever the texts in it."""
    return Response(page, 200, {"Content-Security-Policy": SANDBOX, "Cache-Control": "no-store"}, mimetype="text/html")
