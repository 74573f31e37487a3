"""PlannedShape: the bridge between Locust's shape loop and a run of ours; entry shapes name the plan, nothing else."""

from __future__ import annotations

import logging
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import gevent
from locust import LoadTestShape, events
from locust.runners import WorkerRunner

from exporters.record import RecordError, Run
from scenarios.load import ScenarioError, scenario_from_wire
from scenarios.scenario import Scenario
from shapes._checked import Unusable
from shapes._crew import Crew
from shapes._estimate import estimate, refusal
from shapes._plan import Plan, make_plan
from shapes._prices import asked
from shapes._progress import make_progress
from shapes._run import Destination, LoadRun, remaining, write_report
from shapes._watchdog import LONGEST_END_S, leave_within
from shapes._web import Watch, watch

USAGE, STOPPED = 2, 4  # exit codes: a configuration that cannot run, a run that proved nothing

log = logging.getLogger(__name__)


class Given(NamedTuple):
    """Options as the command line gave them. A web page may name another scenario file, and no more: whoever posts
    a form must not set a key (a command that the master runs) or choose where files are written."""

    set: tuple[str, ...] = ()
    out: str = ""
    resume: str = ""
    copy_to: str = ""


class PlannedShape(LoadTestShape):
    """Leads a whole run inside one blocking tick: phases end by messages, not by Locust's ticks of a second.

    Locust's loop would take a second for each level; this shape starts and stops users through the runner itself, and
    its first tick returns only when the run is over.
    """

    abstract: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.run: LoadRun | None = None
        self._ending: gevent.Greenlet | None = None
        self.crew: Crew | None = None
        self._watch: Watch | None = None
        self._given = Given()
        self._signalled = False
        events.init.add_listener(self._attend)

    def plan(self, scenario: Scenario) -> Plan:
        """The steps of a scenario."""
        return make_plan(scenario)

    def tick(self) -> None:
        """Lead the run; None tells Locust that the test is over. Being killed (a stop by hand) ends it too."""
        assert self.runner is not None, "Locust sets the runner before the first tick"
        environment = self.runner.environment
        try:
            self._lead(environment)
        except (ScenarioError, RecordError, Unusable) as error:
            print(f"tokenswarm: {error}", file=sys.stderr)  # noqa: T201 (the one line that a person must see)
            if self.run is not None and self.run.opened:
                self._end(str(error))
            else:
                self.run, environment.process_exit_code = None, USAGE
                if self._watch is not None:
                    self._watch.live.failed(str(error))
        except gevent.GreenletExit:  # a stop by hand, or Locust's own when the last worker is gone
            there = self._signalled or (self.crew is not None and self.crew.present())
            by_hand = self.run is not None and self.run.steering.stopped and not self._signalled
            left = "stopped by hand" if by_hand else "interrupted"
            self._end(left if there else "the last worker was lost: look at the workers' logs")
            raise
        else:
            self._end(None)

    def _lead(self, environment: Any) -> None:
        options = environment.parsed_options
        scenario, plan, directory = self._asked(options)
        log.info("run directory: %s", directory)
        expected_s = estimate(plan, scenario).seconds
        progress = make_progress(plan, expected_s)
        assert self.crew is not None
        destination = Destination(directory, self._given.copy_to)
        self.run, self._ending = LoadRun(self.crew, scenario, plan, destination, progress), None
        if self._watch is not None:
            self.run.progress = self._watch.begin(type(self).__name__.lower(), expected_s, self.run)
        environment.stop_timeout = max(environment.stop_timeout or 0.0, scenario.request.timeout + 5.0)
        self.run.lead(environment.tokenswarm_services, resumed=bool(self._given.resume))

    def _asked(self, options: Any) -> tuple[Scenario, Plan, Path]:
        """Scenario, plan and run directory, as the options say: a new run, or the rest of an old one."""
        given = self._given
        if given.resume:
            old = Run.open(Path(given.resume))
            scenario = scenario_from_wire(old.manifest["scenario"])
            if scenario.soak is not None:
                raise ScenarioError("a soak cannot be resumed, since its time went on without it: run it again")
            return scenario, remaining(self.plan(scenario), old), Path(given.resume)
        posted = self._watch.taken() if self._watch is not None else None
        if posted is not None:
            return posted.scenario, posted.plan, new_directory(posted.scenario.name)
        if not options.scenario:
            raise ScenarioError("no scenario: add --scenario FILE (presets are in scenarios/)")
        if self._watch is not None:
            self._watch.may_read(options.scenario)
        scenario = asked(options.scenario, given.set)
        if self._watch is not None:
            self._watch.may_start(options.scenario, scenario)
        plan = self.plan(scenario)
        refused = refusal(estimate(plan, scenario), scenario)
        if refused:
            raise ScenarioError(refused)
        return scenario, plan, Path(given.out) if given.out else new_directory(scenario.name)

    def _attend(self, environment: Any, **_: object) -> None:
        """Locust's `init`: listen to the workers from the first moment, and end the run when Locust quits."""
        if isinstance(environment.runner, WorkerRunner) or environment.shape_class is not self:
            return
        self.crew = Crew(environment)
        self._watch = watch(self.crew)
        options = environment.parsed_options
        self._given = Given(tuple(options.set or ()), options.out, options.resume, options.copy_to)
        environment.events.quitting.add_listener(lambda **_: self._end("interrupted"))
        # Through the hub: a KeyboardInterrupt would strike any greenlet, and Locust takes SIGTERM only once a headless
        # shape has come to its end.
        for number in (signal.SIGINT, signal.SIGTERM):
            gevent.signal_handler(number, self._leave, environment.runner)

    def _leave(self, runner: Any) -> None:
        """Ctrl-C or SIGTERM: end the run; before it has begun (Locust may be waiting for workers) just go."""
        if not self._signalled:
            leave_within(LONGEST_END_S, STOPPED)
        self._signalled = True
        if self.run is not None:
            gevent.spawn(runner.quit)
            return
        print("tokenswarm: interrupted before anything was measured", file=sys.stderr)  # noqa: T201
        gevent.get_hub().parent.throw(SystemExit(STOPPED))

    def _end(self, stopped: str | None) -> None:
        """End the run once and wait for that. It has a greenlet of its own: Locust kills the shape's, perhaps twice."""
        if self.run is not None and self._ending is None:
            self._ending = gevent.spawn(self._finish, self.run, stopped)
        if self._ending is not None:
            self._ending.join()

    def _finish(self, run: LoadRun, stopped: str | None) -> None:
        """End the run and write its report, and have the page say so."""
        if self._watch is not None:
            self._watch.live.ending()
        try:
            self._conclude(run, stopped)
        finally:
            if self._watch is not None:
                self._watch.live.ended(stopped, (run.directory / "report.html").exists())

    def _conclude(self, run: LoadRun, stopped: str | None) -> None:
        """End the run, then write its report; the verdict's exit code becomes Locust's."""
        assert self.runner is not None, "a run has a runner"
        run.end(stopped)
        if run.unfinished is not None:
            kept = f"what was measured is kept: `tokenswarm report {run.directory}`, when that can be written to"
            print(f"tokenswarm: {run.unfinished}; {kept}", file=sys.stderr)  # noqa: T201
            self.runner.environment.process_exit_code = STOPPED
        elif run.opened:
            code = write_report(run.directory)  # one that could not be written is no mistake in the configuration
            self.runner.environment.process_exit_code = STOPPED if code == USAGE else code
            incomplete = run.copying.finish()
            if incomplete is not None:
                print(f"tokenswarm: {incomplete}", file=sys.stderr)  # noqa: T201
        else:
            print(f"tokenswarm: {stopped} before anything was measured", file=sys.stderr)  # noqa: T201
            self.runner.environment.process_exit_code = STOPPED


def new_directory(name: str) -> Path:
    """`runs/<UTC time>-<slug of the scenario's name>`."""
    slug = "-".join("".join(letter if letter.isalnum() else " " for letter in name.lower()).split())[:60]
    return Path("runs") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{slug or 'run'}"
