"""The live page beside Locust's own, where the master has a web UI: what the page is told, and what it may ask for."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

import gevent
import msgspec
from flask import Response, request
from locust.runners import MasterRunner

from exporters.sample import Step
from exporters.tally import StepTally
from scenarios.load import ScenarioError
from scenarios.scenario import Scenario
from shapes._crew import Crew
from shapes._estimate import estimate, refusal
from shapes._plan import Plan, make_plan
from shapes._prices import with_listed_prices
from shapes._progress import Both, RunProgress, seconds_left
from shapes._run import LoadRun
from shapes._steering import Refused, What, manual_plan
from web.form import Files, Unfit, Wanted, refuse_commands, wanted_scenario
from web.live import Begun, Live, Look
from web.pages import Place, serve
from web.runs import Runs
from web.table import beside_locust, rows_of

EVERY_S = 1.0
CHANGES_SHOWN, ACTIONS_SHOWN = 5, 50
ENDING_S = 15.0  # Locust's part of an end, after ours
MOST_USERS = 1_000_000
PRESETS = Path(__file__).resolve().parent.parent / "scenarios"
LINK = (
    '<a href="{}/llm" style="position:fixed;left:16px;bottom:12px;z-index:2000;padding:8px 14px;border-radius:6px;'
    'background:#0b5cad;color:#fff;text-decoration:none;font:15px sans-serif">LLM: steer and watch</a>'
)


class Posted(NamedTuple):
    """A run that the page asks for."""

    scenario: Scenario
    plan: Plan
    shape: str
    file: str


class Watch:
    """What the page knows of the run that is led here, and what a person may do to it."""

    def __init__(self, crew: Crew) -> None:
        self._crew, environment = crew, crew.environment
        options = environment.parsed_options
        self.live, self._environment = Live(), environment
        self._own = options.scenario
        more = [Path(name) for name in (options.scenario, options.scenarios) if name]
        self._files = Files([*more, PRESETS], tuple(options.set or ()))
        self._run: LoadRun | None = None
        self._posted: Posted | None = None
        self._shape, self._start_note, self._expected_s = "", "", 0.0
        base = options.web_base_path or ""
        place = Place(self.live, self, self._files, Runs(Path("runs")), base, os.environ)
        serve(environment.web_ui, place)
        self._join(environment.web_ui, base)
        beside_locust(environment.web_ui, base)
        gevent.spawn(self._look_forever)

    # -- a run begins

    def taken(self) -> Posted | None:
        """The run that the page asked for, once."""
        posted, self._posted = self._posted, None
        self._shape = "" if posted is None else posted.shape
        self._start_note = "" if posted is None else f"{posted.shape}: {posted.file}"
        return posted

    def may_read(self, file: str) -> None:
        """Raise ScenarioError for a file that Locust's form names and that is none of ours: it is not even read."""
        if file != self._own and not self._files.has(file):
            raise ScenarioError("this file is not among the scenarios that may be started from a page (--scenarios)")

    def may_start(self, file: str, scenario: Scenario) -> None:
        """Raise ScenarioError for a scenario that is not to be started from a form."""
        if file == self._own:
            return
        try:
            refuse_commands(scenario)
        except Unfit as unfit:
            raise ScenarioError(unfit.errors[""]) from None

    def begin(self, shape: str, expected_s: float, run: LoadRun) -> RunProgress:
        """A run begins: who else is to be told how it goes."""
        self._run, self._expected_s = run, expected_s
        if self.live.reported not in run.crew.inbox.on_report:
            run.crew.inbox.on_report.append(self.live.reported)
        steps = () if run.plan.by_hand else run.plan.steps
        begun = Begun(
            id=run.run_id, scenario=run.scenario, shape=self._shape or shape, steps=steps,
            cells=tuple(dict.fromkeys(step.cell.name for step in run.plan.steps if step.cell)),
            at_most=run.plan.at_most,
        )  # fmt: skip
        self.live.begin(begun, time.monotonic())
        if self._shape:
            run.steering.note("start", self._start_note)
        return Both(run.progress, self.live)

    # -- what a person wants (web.pages.Desk)

    def do(self, what: str, note: str) -> str | None:
        """Do something to the run; why not, when it cannot be done."""
        run = self._run
        if run is None or not self.live.busy:
            return "no run is going on"
        soft = run.plan.by_hand and run.steering.climbing  # the present level is kept
        try:
            run.steering.do(cast(What, what), note)
        except Refused as refused:
            return str(refused)
        if what == "stop" and not soft:
            gevent.spawn(self._environment.runner.stop)
        return None

    def start(self, wanted: Wanted) -> None:
        """Start a run; Unfit when it cannot be."""
        runner = self._environment.runner
        self._none_goes_on()
        scenario = _priced(wanted_scenario(wanted, self._files, os.environ))
        by_hand = wanted.shape == "manual"
        users = _users(wanted.users) if by_hand else None
        plan = manual_plan(scenario) if by_hand else make_plan(scenario)
        refused = refusal(estimate(plan, scenario), scenario)
        if refused:
            raise Unfit({"": refused})
        if not self._free():
            raise Unfit({"": "no worker is ready: start one, or wait until the last run has ended on all of them"})
        self._none_goes_on()  # another may have been asked for in the meantime
        if by_hand:
            self._environment.parsed_options.num_users = users
        self._posted = Posted(scenario, plan, wanted.shape, wanted.scenario)
        runner.start_shape()

    def _none_goes_on(self) -> None:
        if self.live.busy or self._posted is not None:
            raise Unfit({"": "a run is going on: stop it first"})

    def _free(self) -> bool:
        """Whether Locust has ended the last run too, and a worker is ready; waits for that a little."""
        runner, until = self._environment.runner, time.monotonic() + ENDING_S

        def free() -> bool:
            ready = not isinstance(runner, MasterRunner) or bool(runner.clients.ready)
            return runner.shape_greenlet is None and ready

        while not free() and time.monotonic() < until:
            gevent.sleep(0.05)
        return free()

    # -- what Locust's own page does

    def _join(self, web_ui: Any, base: str) -> None:
        """Have Locust's stop button leave as ours does, and its page show the way to ours."""
        views, locust_s = web_ui.app.view_functions, web_ui.app.view_functions["locust.stop"]

        def stop() -> Any:
            self._leave()
            return locust_s()

        views["locust.stop"] = web_ui.auth_required_if_enabled(stop)
        web_ui.app.after_request(lambda answer: self._beside(answer, base))

    def _leave(self) -> None:
        """Locust's stop button: a ramp by hand ends its level first; either way it is recorded."""
        run = self._run
        if run is None or not self.live.busy:
            return
        if not (run.plan.by_hand and run.steering.climbing):
            run.steering.note("stop", "on Locust's page")
            return
        run.steering.do("stop", "on Locust's page")
        until = time.monotonic() + run.scenario.request.timeout + ENDING_S
        while self.live.busy and time.monotonic() < until:
            gevent.sleep(0.05)

    def _beside(self, answer: Response, base: str) -> Response:
        """Locust's page gets a link to ours, and the rows of its tab."""
        if request.endpoint == "locust.index" and answer.mimetype == "text/html":
            answer.set_data(answer.get_data(as_text=True).replace("</body>", f"{LINK.format(base)}</body>"))
        elif request.endpoint == "locust.request_stats" and answer.mimetype == "application/json":
            told = answer.get_json()
            rows = [{"key": "llm-steps", "data": rows_of(self.live)}]
            answer.set_data(json.dumps({**told, "extended_stats": rows}))
        return answer

    # -- once a second

    def _look_forever(self) -> None:
        while True:
            self.live.tick(time.monotonic(), self._look())
            gevent.sleep(EVERY_S)

    def _look(self) -> Look:
        run, crew = self._run, self._crew
        there, expected = len(crew.present()), self._environment.parsed_options.expect_workers or 1
        if run is None:
            return Look(users=crew.runner.user_count, workers=there, expected=expected)
        steering, order = run.steering, crew.order
        going = order.phase not in ("idle", "drain", "collect", "abort") and self.live.state == "running"
        return Look(
            users=crew.runner.user_count,
            target=order.users * len(order.lanes) if going and not order.open_loop else None,
            tallies=_tallies(run) if going else (),
            money=run.spent,
            left_s=self._left_s(run),
            workers=there,
            expected=max(crew.expected, expected),
            changes=tuple(f"worker {c.worker} {c.what} at {c.at}" for c in crew.changes[-CHANGES_SHOWN:]),
            engines=run.readings(),
            held=steering.held,
            allowed=steering.allowed() if self.live.state in ("starting", "running") else (),
            actions=tuple(msgspec.to_builtins(action) for action in steering.actions[-ACTIONS_SHOWN:]),
        )

    def _left_s(self, run: LoadRun) -> float | None:
        begun = self.live.begun
        if begun is None or run.plan.by_hand:
            return None
        done = sum(step["try"] == 1 for step in self.live.steps)
        return seconds_left(time.monotonic() - self.live.began_s, done, len(begun.steps), self._expected_s)


def _tallies(run: LoadRun) -> tuple[tuple[Step, StepTally], ...]:
    steps = [lane.step for lane in run.crew.order.lanes if lane.step is not None]
    return tuple((step, run.crew.inbox.tally.step(step.id)) for step in steps)


def _priced(scenario: Scenario) -> Scenario:
    try:
        return with_listed_prices(scenario, datetime.now(UTC))
    except ScenarioError as error:
        raise Unfit({"": str(error)}) from None


def _users(text: str) -> int:
    if not text.strip().isdecimal() or not 1 <= int(text) <= MOST_USERS:
        raise Unfit({"users": f"expected a number of users, 1 to {MOST_USERS:,}"})
    return int(text)


def watch(crew: Crew) -> Watch | None:
    """The page of a master with a web UI; None without one."""
    return None if getattr(crew.environment, "web_ui", None) is None else Watch(crew)
