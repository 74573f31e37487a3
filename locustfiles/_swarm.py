"""The side of a process that runs users: it obeys the master's orders and books what its users did."""

from __future__ import annotations

import gc
import logging
import platform
import time
from collections.abc import Callable
from typing import Any

import gevent
import msgspec
from gevent.event import Event
from locust.runners import WorkerRunner

from exporters.chunks import ChunkLog
from exporters.files import RecordError
from exporters.fleet import CATCH_UP, LOCAL, Lane, Order, Outbox
from exporters.host import HostReading, read_host
from exporters.sample import Sample
from locustfiles._asks import Asks
from locustfiles._booking import Exchange, Span, sample_of
from locustfiles._conversation import thinking
from locustfiles._dialects import Reply
from locustfiles._due import Due
from locustfiles._kept import kept
from locustfiles._pace import LONGEST_BACKOFF_S, Pace
from locustfiles._replica import served_by
from locustfiles._senders import Hub
from locustfiles._services import Service, require_keys, services
from locustfiles._texts import texts_beside
from locustfiles._tokens import Tokenizer
from scenarios.load import scenario_from_wire
from scenarios.places import swapped
from scenarios.scenario import CellSlo, Scenario
from scenarios.slo import slo_of, within

LONGEST_STALL_S = 1.0  # a worker that stood still for so long was not the generator that the step asks for
COUNTED_PER_STEP = 5  # replies per step and process whose tokens the client counts too (tokenizing costs the hub time)
SOAKED_BACKOFF_S = 1.0  # a soak asks when the service is back, and users who stay away do not see it
TEXTS_PER_STEP = 2  # matrix replies kept per step and process; tasks keep [tasks] responses

log = logging.getLogger(__name__)


def _run_of(order: Order) -> str:
    """The id of the run that a prepare order is about."""
    return str((order.run or {}).get("id", ""))


class HubGate:
    """Where users wait for the next order: one event, replaced each time it opens."""

    def __init__(self) -> None:
        self._event = Event()

    def wait(self, timeout: float | None) -> object:
        """Sleep until the gate opens, `timeout` seconds at most."""
        return self._event.wait(timeout)

    def open(self) -> None:
        """Wake everyone who waits now."""
        event, self._event = self._event, Event()
        event.set()


class Swarm:
    """Scenario, services, prompts, pace and outbox of this process."""

    def __init__(self, environment: Any) -> None:
        self.environment, self.runner = environment, environment.runner
        name = self.runner.client_id if isinstance(self.runner, WorkerRunner) else LOCAL
        self.outbox = Outbox(self.runner, name)
        self._closed = Pace(HubGate(), name, self._answer)
        hub = Hub(time.monotonic_ns, HubGate, gevent.spawn_later, self._spawn)
        self._open = Due(hub, name, self._answer)
        self._closed.expected_users = self._open.expected_users = lambda: self.runner.user_count
        self.pace: Pace | Due = self._closed
        self._services: dict[bool, dict[str, Service]] = {}  # by whether the arms are swapped, by arm
        self.scenario: Scenario | None = None
        self.asks: Asks
        self.counter: Tokenizer
        self.observers: list[Callable[[Exchange, Sample], None]] = []
        self.chunks: ChunkLog | None = None
        self._preparing: Order | None = None  # what prompts are being built for, and is to be answered then
        self._held: Order | None = None  # the newest order that came meanwhile
        self._stall_s = 0.0
        self._requests = 0
        self._session = f"{time.time_ns() >> 20 & 0xFFFFF:05x}"  # a resumed run numbers its requests anew
        self._kept: dict[str, int] = {}
        self._limits: dict[str, CellSlo] = {}  # by cell
        self._host: HostReading = read_host()

    # -- orders

    def on_order(self, environment: object, msg: Any, **_: object) -> None:  # noqa: ARG002 (Locust's signature)
        """Obey one order of the master."""
        order = msgspec.convert(msg.data, Order)
        if order.phase == "ping":
            self.outbox.answer(order, {"wall_s": time.time()})
        elif order.phase == "prepare":
            self._prepare(order)
        elif order.phase == "abort":
            gevent.spawn(self._abort, order)
        elif order.phase == "collect":
            gevent.spawn(self._collect, order)
        elif self._preparing:
            self._held = order
        else:
            self._obey(order)

    def _obey(self, order: Order) -> None:
        if order.phase == "window":
            self._host, self._stall_s = read_host(), 0.0
        self.pace = self._open if order.open_loop else self._closed
        self.pace.obey(order, time.monotonic_ns())

    def _prepare(self, order: Order) -> None:
        """Prepare for a run, unless this is about it already (a worker that came late is told more than once)."""
        assert order.run is not None, "a prepare order brings the run"
        if self._preparing is not None and _run_of(self._preparing) == _run_of(order):
            newer = order.seq > self._preparing.seq  # the master may be waiting for the answer to this one
            self._preparing = order if newer else self._preparing
        elif (self.outbox.run, order.seq) != (_run_of(order), CATCH_UP):
            self._preparing = order
            gevent.spawn(self._build, order)

    def _build(self, order: Order) -> None:
        faults: tuple[str, ...] = ()
        try:
            self._build_run(order.run or {})
        except Exception as error:  # the master must hear of it, whatever it is: it waits for our answer
            log.exception("this worker could not prepare")
            faults = (f"a worker could not prepare on {platform.node()}: {error}",)
        if self._preparing is not None and _run_of(self._preparing) == _run_of(order):
            order, self._preparing = self._preparing, None
        self.outbox.answer(order, {}, faults)
        if self._held is not None and not faults:
            self._obey(self._held)
        self._held = None

    def _build_run(self, run: dict[str, Any]) -> None:
        scenario = self.scenario = scenario_from_wire(run["scenario"])
        self._limits = {}
        require_keys(scenario)
        self._services = {False: services(scenario), True: services(swapped(scenario))}
        texts, self.counter = texts_beside(run["texts"], scenario)
        self.asks = Asks(scenario, run["key"], texts)
        self._closed.seed = scenario.seed
        self._closed.longest_backoff_s = LONGEST_BACKOFF_S if scenario.soak is None else SOAKED_BACKOFF_S
        if scenario.conversation is not None:
            self._closed.think = thinking(scenario.conversation, scenario.seed)
        gc.collect()
        gc.freeze()  # prompts never die: keep them out of every later collection
        self.chunks = ChunkLog() if scenario.record == "chunks" else None
        self.outbox.begin(run["id"])

    def _abort(self, order: Order) -> None:
        self.runner.user_greenlets.kill(block=True, timeout=2.0)
        self._collect(order)

    def _collect(self, order: Order) -> None:
        """Send the stamps that were kept here; nobody is being measured now."""
        faults: tuple[str, ...] = ()
        try:
            for piece in self.chunks.pieces() if self.chunks is not None else ():
                self.outbox.send_chunks(piece)
                gevent.sleep(0)  # let heartbeats through
        except (OSError, RecordError) as error:
            faults = (f"the stamps of a worker on {platform.node()} could not be collected: {error}",)
        self.outbox.answer(order, {}, faults)

    def service(self, order: Order, lane: Lane) -> Service:
        """Whom a request of a lane asks."""
        return self._services[order.swapped][lane.arm]

    def _spawn(self, count: int) -> None:
        """More users here, beyond those that Locust's master sent: an open loop needs as many as the service is slow.

        The next number that the master sends, of none at the latest, ends them like any others.
        """
        name, *_ = self.runner.user_classes_by_name
        self.runner.spawn_users({name: count})

    def _answer(self, order: Order, facts: dict[str, float]) -> None:
        if order.phase != "tail":
            self.outbox.answer(order, facts)
            return
        figures, faults = read_host().since(self._host)
        if self._stall_s > LONGEST_STALL_S:
            faults = (*faults, f"a worker stood still for {self._stall_s:.1f} s: look at what else its machine does")
        facts = {**facts, **figures, "stall_s": self._stall_s}
        self.outbox.answer(order, facts, faults, self.pace.begun())

    def stalled(self, seconds: float) -> None:
        """The hub could not come back to a sleeper in time: remember the worst of the window."""
        self._stall_s = max(self._stall_s, seconds)

    # -- rows

    def book(self, exchange: Exchange) -> Sample:
        """Turn one ended request into its row, its share of the step's tally, and perhaps a kept text."""
        turn, timeline = exchange.turn, exchange.timeline
        step = turn.lane.step if turn.phase != "warmup" else None
        ours = step is not None and step in [lane.step for lane in self.pace.order.lanes]
        window = Span(self.pace.open_ns, self.pace.close_ns) if ours else Span()
        counted = self._client_tokens(exchange.reply, step.id if step else None)
        self._requests += 1
        sample, gaps, censored = sample_of(exchange, self.worker, f"{self._session}-{self._requests}", window, counted)
        service = self.service(turn.order, turn.lane)
        service.insight.book(exchange.reply, sample)
        sample.replica = served_by(exchange.reply.headers, service.arm.replica_header)
        if sample.schedule_lag_s is not None:
            self._open.lag(turn, sample.schedule_lag_s)
        if step is not None:
            tally = self.outbox.tally.step(step.id)
            tally.add(sample, gaps, censored, timeline)
            tally.good += self._is_good(sample)
        self.outbox.add(sample, self._kept_text(exchange, sample))
        if self.chunks is not None:
            self.chunks.add(sample, timeline)
        for observe in self.observers:
            observe(exchange, sample)
        return sample

    def _is_good(self, sample: Sample) -> bool:
        """Whether a request counts as good where its step is judged: sent in the window, ok, within every limit."""
        assert self.scenario is not None, "users run after the prepare order"
        cell = f"{sample.cell_input}/{sample.cell_output}" if sample.cell_input is not None else "tasks"
        if cell not in self._limits:
            self._limits[cell] = slo_of(self.scenario, cell)
        return sample.phase == "window" and sample.outcome == "ok" and within(sample, self._limits[cell])

    @property
    def worker(self) -> int:
        """This process's index among the workers."""
        return max(int(self.runner.worker_index), 0)

    def _client_tokens(self, reply: Reply, step: str | None) -> int | None:
        """The client's own count of the output: always without usage, else of the first few replies of a step."""
        key = f"counted/{step}"
        self._kept[key] = self._kept.get(key, 0) + 1
        if reply.usage is not None and self._kept[key] > COUNTED_PER_STEP:
            return None
        text = "".join([*reply.reasoning, *reply.text, *reply.tool_calls])
        return self.counter.count(text) if text else None

    def _kept_text(self, exchange: Exchange, sample: Sample) -> dict[str, Any] | None:
        assert self.scenario is not None, "users run after the prepare order"
        tasks = self.scenario.tasks
        if sample.step is None or (tasks is not None and tasks.responses == 0):
            return None
        of_task = sample.workload == "task" and tasks is not None
        key = f"texts/{sample.arm}/task" if of_task else f"texts/{sample.step}"
        self._kept[key] = self._kept.get(key, 0) + 1
        if self._kept[key] > (tasks.responses if of_task and tasks else TEXTS_PER_STEP):
            return None
        return kept(exchange, sample)
