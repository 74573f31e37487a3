"""The dashboard of a swarm: what is asked of the service, what it answers, and how well the client keeps up."""

from __future__ import annotations

from typing import Final

from exporters.dashboards.panels import Choice, Page, Panel, Row
from exporters.dashboards.queries import ARM, OF_RUN, RATE, SWARM, kept, quantile, rate, series
from exporters.exposition import Field
from exporters.own_process import CPU, MEMORY
from exporters.swarm_fields import ROWS_RECEIVED, WORKERS, WORKERS_EXPECTED

RUN: Final = Choice("run", "Run", f"label_values({SWARM.run.name}, run)", several=False)
ARMS: Final = Choice("arm", "Arm", f"label_values({SWARM.arm.name}, arm)")
STEP: Final = "{{arm}} {{cell}} at {{rung}}"

REQUESTS: Final = rate(SWARM.requests)
OK: Final = f"""sum by (arm) {rate(SWARM.requests, 'outcome="ok"')}"""
OUTPUT: Final = f"""sum by (arm) {rate(SWARM.tokens, 'type="output"')}"""
# Where requests have ended and none was ok there is no series of `ok`, and its share is a true 0.
NOT_OK: Final = f"1 - ({OK} or sum by (arm) {REQUESTS} * 0) / sum by (arm) {REQUESTS}"
LAGS: Final = f'{{__name__=~"{SWARM.read_lag.name}|{SWARM.schedule_lag.name}",{ARM},{OF_RUN}}}'


def latency(title: str, field: Field, what: str) -> Panel:
    """The quantiles of one duration by arm."""
    lines = {f"{{{{arm}}}} p{q * 100:g}": quantile(q, field) for q in (0.5, 0.95, 0.99)}
    return Panel(title, "s", f"{what} As exact as the buckets are; the report's quantiles are of rows.", lines)


TTFT: Final = latency("TTFT", SWARM.ttft, "Time to the first token, of ok requests sent in a window.")
TPOT: Final = latency("TPOT", SWARM.tpot, "Time per further token, of ok requests sent in a window.")
GAP: Final = latency("Gap between chunks", SWARM.gap, "Gaps that the client read too late to tell are left out.")
E2E: Final = latency("E2E", SWARM.e2e, "Time to the last token, of ok requests sent in a window.")

_NOW: Final = Row(
    "Now",
    (
        Panel("Users", "none", "Over all arms.", {"users": f"sum {kept(series(SWARM.users, ARM))}"}, "number"),
        Panel("Requests", "reqps", "Requests that end.", {"requests": f"sum {REQUESTS}"}, "number"),
        Panel("Output tokens per second", "short", "As the rows have them.", {"{{arm}}": OUTPUT}, "number"),
        Panel("Not ok", "percentunit", "Share of requests with another outcome.", {"{{arm}}": NOT_OK}, "number"),
        Panel("TTFT p95", "s", TTFT.what, {"{{arm}}": quantile(0.95, SWARM.ttft)}, "number"),
        Panel("Workers", "none", "Workers that are there.", {"workers": f"sum {kept(series(WORKERS))}"}, "number"),
    ),
    in_line=6,
)

_PLACE: Final = Row(
    "Where the run is",
    (
        Panel(
            "Phase",
            "none",
            "Latency counts in windows alone.",
            {"{{phase}}": f"max by (phase) {kept(series(SWARM.phase))}"},
            "states",
        ),
        Panel(
            "Step",
            "none",
            "Which arm and cell are being measured.",
            {"{{arm}} {{cell}}": f"max by (arm, cell) {kept(series(SWARM.step, ARM))}"},
            "states",
        ),
        Panel(
            "Users and rung",
            "none",
            "Users now, by the rung that they are at: users at once, or requests per second.",
            {STEP: f"max by (arm, cell, rung) {kept(series(SWARM.users, ARM))}"},
        ),
    ),
)

_WORK: Final = Row(
    "What is answered",
    (
        Panel(
            "Requests by outcome",
            "reqps",
            "Requests that end, in a window or not.",
            {"{{arm}} {{outcome}}": f"sum by (arm, outcome) {REQUESTS}"},
            "stacked",
        ),
        Panel("Not ok", "percentunit", "Share of requests with another outcome than ok.", {"{{arm}}": NOT_OK}),
        Panel(
            "Tokens per second",
            "short",
            "Cached are among input, reasoning among output.",
            {"{{arm}} {{type}}": f"sum by (arm, type) {rate(SWARM.tokens)}"},
        ),
    ),
)

_CLIENT: Final = Row(
    "The load generator",
    (
        Panel(
            "Lag",
            "s",
            "The longest that anything waited in the kernel before it was read, and, in open loop, the latest that a "
            "request was sent after it was due. Where it is high, add workers: the step says whether it may be used.",
            {"{{arm}} {{__name__}}": f"max by (arm, __name__) {kept(LAGS)}"},
        ),
        Panel(
            "Workers",
            "none",
            "Workers that are there, and that the run waits for.",
            {"there": f"sum {kept(series(WORKERS))}", "expected": f"sum {kept(series(WORKERS_EXPECTED))}"},
        ),
        Panel(
            "Age of the last report",
            "s",
            "How long ago each worker was heard. It reports once a second.",
            {"{{worker}}": f"time() - max by (worker) {kept(series(SWARM.last_report))}"},
        ),
        Panel(
            "Rows on their way",
            "none",
            "Rows that workers say they have sent, less those that have come: 0 at rest.",
            {
                "{{worker}}": f"sum by (worker) {kept(series(SWARM.rows_sent))}"
                f" - sum by (worker) {kept(series(ROWS_RECEIVED))}"
            },
        ),
        Panel(
            "CPU of the master",
            "percentunit",
            "Share of one core.",
            {"{{instance}}": f"max by (instance) {kept(f'rate({series(CPU)}{RATE})')}"},
        ),
        Panel(
            "Memory of the master",
            "bytes",
            "Resident.",
            {"{{instance}}": f"max by (instance) {kept(series(MEMORY))}"},
        ),
    ),
)

PAGE: Final = Page(
    uid="tokenswarm-swarm",
    title="tokenswarm: swarm",
    what="One run while it lasts, and afterwards. The verdict comes from the run on disk, never from here.",
    choices=(RUN, ARMS),
    rows=(_NOW, _PLACE, _WORK, Row("Latency", (TTFT, TPOT, GAP, E2E), in_line=2), _CLIENT),
)
