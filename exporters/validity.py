"""Whether a step's figures can be stood behind, and if not, why and what to do. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from exporters.sample import Step
from exporters.tally import StepTally

RELATIVE, ABSOLUTE_S = 0.02, 0.0005  # DESIGN 3.5: uncertainty may reach max(2 % of the median, 0.5 ms)
CENSORED_SHARE = 0.01
IN_FLIGHT_TOLERANCE = 0.02  # DESIGN 4


def why_invalid(step: Step, tally: StepTally, window_s: float | None, faults: Sequence[str]) -> list[str]:
    """Reasons why the step does not count, in the order in which a person should read them; empty = valid."""
    if not tally.sent or not window_s:
        return [*faults, "no request was sent in the window: look at the errors of the step's other phases"]
    rules = (_client_ttft(tally), _client_gaps(tally), _buffered(tally), _in_flight(step, tally, window_s))
    return [*faults, *(reason for reason in rules if reason)]


def _client_ttft(tally: StepTally) -> str | None:
    p99, median = tally.uncertainty.quantile(0.99), tally.ttft.quantile(0.5)
    if p99 is None or median is None or p99 <= max(RELATIVE * median, ABSOLUTE_S):
        return None
    return f"the client was the bottleneck: TTFT uncertain by {p99 * 1e3:.2f} ms (p99); use more worker processes"


def _client_gaps(tally: StepTally) -> str | None:
    share = censored_share(tally)
    p99, median = tally.censored.quantile(0.99), tally.tpot.quantile(0.5)
    if share <= CENSORED_SHARE or p99 is None or median is None or p99 <= max(RELATIVE * median, ABSOLUTE_S):
        return None
    return f"the client was the bottleneck: {share:.1%} of the gaps came in late reads; use more worker processes"


def censored_share(tally: StepTally) -> float:
    """Share of the gaps that late, merged reads hid."""
    gaps = tally.gap.count + tally.censored.count
    return tally.censored.count / gaps if gaps else 0.0


def _buffered(tally: StepTally) -> str | None:
    if not tally.streamed or tally.buffered * 2 <= tally.streamed:
        return None
    return "something between us and the model buffers the stream: turn response buffering off in the proxy"


def _in_flight(step: Step, tally: StepTally, window_s: float) -> str | None:
    """Closed loop: mean in flight within 2 % of the target, unless failures made users back off, which is their duty."""
    mean = tally.in_flight_s / window_s
    failed = tally.sent - tally.by_outcome.get("ok", 0)
    if failed or tally.backoff_s or abs(mean / step.concurrency - 1) <= IN_FLIGHT_TOLERANCE:
        return None
    shortfall = step.concurrency - mean
    return (
        f"{mean:.2f} requests in flight instead of {step.concurrency}: the client lost {shortfall / step.concurrency:.1%} "
        "of its time between requests; use more worker processes, or longer outputs"
    )
