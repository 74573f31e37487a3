"""The names of the swarm's own metrics: what docs/prometheus.md says, in code.

A master's begin with `tokenswarm_`, a worker's with `tokenswarm_worker_`: the sum over all that is scraped must not
count a request twice. Units are base units, counters end in `_total` (Prometheus' naming), and durations have the
buckets that OpenTelemetry's GenAI conventions advise, where they reach far enough.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from exporters.exposition import Field

MASTER, WORKER = "tokenswarm_", "tokenswarm_worker_"

FIRST: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0)
EACH: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
WHOLE: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84)
BOUNDS: Final = {"ttft": FIRST, "tpot": EACH, "gap": EACH, "e2e": WHOLE}  # seconds, by the sketch of a tally


class SwarmFields(NamedTuple):
    """The names that masters and workers have in common."""

    requests: Field
    tokens: Field
    ttft: Field
    tpot: Field
    gap: Field
    e2e: Field
    users: Field
    users_target: Field
    read_lag: Field
    schedule_lag: Field
    step: Field
    phase: Field
    run: Field
    arm: Field
    rows_sent: Field
    last_report: Field


def swarm_fields(side: str) -> SwarmFields:
    """The names of a side: MASTER or WORKER."""

    def gauge(name: str, help_: str) -> Field:
        return Field(side + name, "gauge", help_)

    def seconds(name: str, help_: str) -> Field:
        return Field(f"{side}{name}_seconds", "histogram", help_)

    return SwarmFields(
        requests=Field(f"{side}requests_total", "counter", "Requests that have ended, by outcome."),
        tokens=Field(f"{side}tokens_total", "counter", "Tokens; cached are among input, reasoning among output."),
        ttft=seconds("time_to_first_token", "TTFT of ok requests sent in a window."),
        tpot=seconds("time_per_output_token", "TPOT of ok requests sent in a window."),
        gap=seconds("inter_chunk_gap", "Gaps between chunks of requests sent in a window, censored ones left out."),
        e2e=seconds("request_duration", "E2E of ok requests sent in a window."),
        users=gauge("users", "Users now."),
        users_target=gauge("users_target", "Users asked for; absent in open loop."),
        read_lag=gauge("read_lag_max_seconds", "Longest wait in the kernel before a read, of the last reports."),
        schedule_lag=gauge("schedule_lag_max_seconds", "Latest sending after it was due, of the last reports."),
        step=gauge("step_info", "1 for a step that is being measured: labels to join other samples with."),
        phase=gauge("phase_info", "1 for the phase of the present order."),
        run=gauge("run_info", "1 for the present run."),
        arm=gauge("arm_info", "1 for an arm of the run."),
        rows_sent=Field(f"{side}rows_sent_total", "counter", "Rows that the worker says it has sent."),
        last_report=gauge("last_report_timestamp_seconds", "When the worker last reported, since the UNIX epoch."),
    )


ROWS_RECEIVED: Final = Field(f"{MASTER}rows_received_total", "counter", "Rows of the worker that have come.")
WORKERS: Final = Field(f"{MASTER}workers", "gauge", "Workers that are there.")
WORKERS_EXPECTED: Final = Field(f"{MASTER}workers_expected", "gauge", "Workers that the run waits for.")
