"""Whether a step's figures can be stood behind, and if not, why and what to do. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from exporters.sample import Step
from exporters.tally import StepTally

RELATIVE, ABSOLUTE_S = 0.02, 0.0005  # DESIGN 3.5: an uncertainty may reach max(2 % of the median, 0.5 ms)
CENSORED_SHARE = 0.01
IN_FLIGHT_TOLERANCE = 0.02  # DESIGN 4
RATE_TOLERANCE, LATE_SHARE = 0.001, 0.01  # open loop: achieved rate, and schedule lag p99 <= 5 ms
MORE_WORKERS = "run more worker processes (--processes), or on a machine with nothing else to do"


def why_invalid(step: Step, tally: StepTally, window_s: float | None, faults: Sequence[str]) -> list[str]:
    """Reasons why the step does not count, in the order in which a person should read them; empty = valid.

    `faults` are what others saw of it (a worker lost, users off target, a throttled CPU), each a line that says what
    to do.
    """
    if not window_s:
        return [*faults, "the window never opened: look at locust.log for what the users waited for"]
    if not tally.sent:
        return [*faults, "no request was sent in the window: look at the errors of the step's earlier requests"]
    off_target = None if faults else _off_target(step, tally, window_s)  # with a worker lost it follows from that
    rules = (_ttft_uncertain(tally), _gaps_censored(tally), _buffered(tally), off_target)
    return [*faults, *(reason for reason in rules if reason)]


def _ttft_uncertain(tally: StepTally) -> str | None:
    """DESIGN 3.5: the p99 of the TTFT's uncertainty against the median TTFT."""
    p99, median = tally.uncertainty.quantile(0.99), tally.ttft.quantile(0.5)
    if p99 is None or median is None or p99 <= allowed_s(median):
        return None
    return (
        f"the client was the bottleneck: TTFT is uncertain by {_ms(p99)} (p99), {_ms(allowed_s(median))} is allowed; "
        + MORE_WORKERS
    )


def _gaps_censored(tally: StepTally) -> str | None:
    """DESIGN 3.5: more than 1 % of the gaps hidden in late reads, by more than the median TPOT allows."""
    share, p99 = censored_share(tally), tally.censored.quantile(0.99)
    median = tally.tpot.quantile(0.5) or tally.gap.quantile(0.5) or 0.0  # no TPOT without a token count
    if share <= CENSORED_SHARE or p99 is None or p99 <= allowed_s(median):
        return None
    return (
        f"the client was the bottleneck: {share:.1%} of the gaps are hidden in late reads and uncertain by {_ms(p99)} "
        f"(p99), {_ms(allowed_s(median))} is allowed; {MORE_WORKERS}"
    )


def allowed_s(median_s: float) -> float:
    """How uncertain a duration may be at its 99th percentile: max(2 % of its median, 0.5 ms)."""
    return max(RELATIVE * median_s, ABSOLUTE_S)


def censored_share(tally: StepTally) -> float:
    """Share of the gaps that late, merged reads hid."""
    gaps = tally.gap.count + tally.censored.count
    return tally.censored.count / gaps if gaps else 0.0


def _buffered(tally: StepTally) -> str | None:
    """METRICS: most of the replies in which a buffer would show came in one burst at their end."""
    if tally.buffered * 2 <= tally.streamed:
        return None
    return (
        f"something between us and the model buffers the stream ({tally.buffered} of {tally.streamed} replies came in "
        "one burst): turn response buffering off in the proxy (nginx: proxy_buffering off)"
    )


def _off_target(step: Step, tally: StepTally, window_s: float) -> str | None:
    """Closed loop: mean in flight is within 2 % of the rung, unless failures made users back off, as they must.

    Users who think are not in flight: each thought is counted to the request after it, so one per user may be cut by
    the window's edges.
    """
    failed = tally.sent - tally.by_outcome.get("ok", 0)
    if step.rate is not None or step.workload != "matrix" or failed or tally.backoff_s:
        return None
    mean = (tally.in_flight_s + tally.think_s) / window_s
    off = mean / step.concurrency - 1
    edges = 2 * tally.think_s / tally.sent / window_s
    if step.stretch is not None and step.stretch.begin > 0:  # each user is in a request of the stretch before it yet
        edges += (tally.e2e.mean or 0.0) / window_s
    if abs(off) <= IN_FLIGHT_TOLERANCE + edges:
        return None
    figures = f"{mean:.2f} requests were in flight instead of {step.concurrency} ({off:+.1%})"
    if off > 0:
        return f"{figures}: requests of an earlier step were still running; raise [request] timeout, or lower the rung"
    return f"{figures}: the client's own turnaround between requests; {MORE_WORKERS}, or choose longer outputs"


def off_schedule(*, scheduled: int, achieved: int, late: int, lags: int, full: bool) -> list[str]:
    """Open loop: why a schedule was not kept; empty when it was.

    Of requests `scheduled` for the window, `achieved` were sent in it; of `lags` known schedule lags `late` were above
    5 ms: more than 1 % of them is a p99 above that. `full`: as many requests were in flight as may be.
    """
    way_out = "as many requests were in flight as [ladder] senders allows: raise it, or lower the rate"
    advice = way_out if full else f"the generator could not keep up: {MORE_WORKERS}"
    found = []
    if abs(achieved - scheduled) > RATE_TOLERANCE * scheduled + 1:
        found.append(f"{achieved} requests were sent in the window and {scheduled} were due in it; {advice}")
    if late > max(LATE_SHARE * lags, 1):  # of fewer than 100 a single one is no p99
        found.append(f"{late / lags:.1%} of the requests were sent more than 5 ms after they were due; {advice}")
    return found


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"
