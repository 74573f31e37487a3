"""One ended request becomes one row: every column of a Sample, from what was asked, the timeline and the reply."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from exporters.sample import Sample, Timeline
from locustfiles._dialects import Ask, Reply
from locustfiles._outcome import classify
from locustfiles._pace import Turn
from locustfiles._wire import Failure

Seconds = npt.NDArray[np.float64]


class Exchange(msgspec.Struct, frozen=True):
    """One request that has ended: what was asked, when things happened, what came back."""

    turn: Turn
    ask: Ask
    timeline: Timeline
    reply: Reply
    ended: int  # on the monotonic clock, however it ended
    failure: Failure | None = None
    aborted: bool = False


class Span(msgspec.Struct, frozen=True):
    """A step's window on this process's monotonic clock; None = has not opened, has not closed."""

    opened: int | None = None
    closed: int | None = None


class WindowShare(msgspec.Struct, frozen=True):
    """What of a request fell into its step's window: seconds of its life, tokens by their time of arrival."""

    life_s: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None


def sample_of(
    exchange: Exchange, worker: int, number: str, window: Span, client_tokens: int | None
) -> tuple[Sample, Seconds, Seconds]:
    """The request's row, its gaps, and the uncertainties of its censored gaps (METRICS)."""
    turn, ask, timeline, reply = exchange.turn, exchange.ask, exchange.timeline, exchange.reply
    order, lane, usage = turn.order, turn.lane, reply.usage
    # A task that reaches the max_tokens that we sent is ok: truncated is a limit that nobody here asked for (METRICS).
    outcome, error = ("aborted", None) if exchange.aborted else classify(reply, exchange.failure, ask.max_tokens)
    tokens = usage.output if usage and usage.output is not None else client_tokens
    gaps, censored = timeline.gaps_s()
    share = window_share(exchange, window, usage.input if usage else None, tokens)
    sample = Sample(
        request_id=f"{worker}-{number}",
        workload=order.workload,
        step=lane.step.id if lane.step and turn.phase not in ("check", "warmup") else None,
        arm=lane.arm,
        block=order.block,
        cell_input=order.cell.input if order.cell else None,
        cell_output=order.cell.output if order.cell else None,
        concurrency=order.users or None,
        worker=worker,
        attempt=timeline.attempts,
        sent_ns=timeline.sent_wall_ns,
        phase=turn.phase,
        outcome=outcome,
        status=reply.status or None,
        model=reply.model or ask.model or None,
        input_tokens=usage.input if usage else None,
        cached_tokens=usage.cached if usage else None,
        output_tokens=tokens,
        reasoning_tokens=usage.reasoning if usage else None,
        client_output_tokens=client_tokens,
        chunks=len(timeline.chunks),
        first_chunk_tokens=reply.first_chunk_tokens,
        due_s=turn.due_s,
        schedule_lag_s=(timeline.sent - turn.due) / 1e9 if turn.due is not None and timeline.sent else None,
        backoff_s=turn.backoff_s or None,
        dns_s=timeline.dns_s,
        connect_s=timeline.connect_s,
        tls_s=timeline.tls_s,
        written_s=timeline.written_s,
        headers_s=timeline.headers_s,
        end_s=timeline.end_s,
        e2e_s=timeline.end_s,
        gap_max_s=float(gaps.max()) if len(gaps) else None,
        lag_max_s=timeline.lag_max_s,
        coalesced=len(censored),
        prompt_id=ask.prompt.id,
        requested_tokens=None if reply.answers else ask.max_tokens,
        finish_reason=reply.finish_reason,
        error=error,
        window_s=share.life_s,
        window_input_tokens=share.input_tokens,
        window_output_tokens=share.output_tokens,
        output_chars=None if reply.answers else _chars(reply),
        turn=turn.number,
    )
    _book_conversation(sample, turn, ask)
    _book_stream(sample, timeline, reply, tokens)
    return sample, gaps, censored


def _book_conversation(sample: Sample, turn: Turn, ask: Ask) -> None:
    """Which of its user's conversations it belongs to, whether nothing of that can be cached, the thought before it."""
    if ask.conversation is None:
        return
    sample.conversation, sample.conversation_turn = ask.conversation
    sample.uncached, sample.think_s = int(ask.uncached), turn.think_s or None


def _book_stream(sample: Sample, timeline: Timeline, reply: Reply, tokens: int | None) -> None:
    """The latencies that only a stream has (METRICS: not streamed, last = end and no TTFT, TPOT, gap)."""
    if not reply.streamed:
        return
    timeline.first_visible = reply.first_visible_ns
    sample.ttft_s = timeline.ttft_s
    sample.ttft_uncertainty_s = timeline.ttft_uncertainty_s
    sample.ttfvt_s = timeline.ttfvt_s
    sample.tpot_s = timeline.tpot_s(_streamed_tokens(reply, tokens), reply.first_chunk_tokens or 1)
    sample.e2e_s = timeline.e2e_s


def _chars(reply: Reply) -> int:
    """Characters of all that the reply says, seen or unseen."""
    return sum(sum(map(len, parts)) for parts in (reply.text, reply.reasoning, reply.tool_calls))


def _streamed_tokens(reply: Reply, tokens: int | None) -> int | None:
    """Output tokens that came through the stream: hidden reasoning was generated before the first chunk."""
    hidden = reply.usage.reasoning if reply.usage and reply.usage.reasoning and not reply.reasoning else 0
    return None if tokens is None else tokens - hidden


def window_share(exchange: Exchange, window: Span, input_tokens: int | None, output_tokens: int | None) -> WindowShare:
    """A chunk is credited n/chunks tokens when it arrived in the window, the input at the first chunk.

    Vectors and scores have no chunks: their input is credited at the end.
    """
    timeline = exchange.timeline
    if window.opened is None or not timeline.sent:
        return WindowShare()
    ended = exchange.ended if timeline.end is None else timeline.end
    closed = ended if window.closed is None else window.closed
    life = max(0, min(ended, closed) - max(timeline.sent, window.opened)) / 1e9
    stamps = np.frombuffer(timeline.chunks, dtype=np.int64)
    if not len(stamps):
        answered = exchange.reply.answers and timeline.end is not None and window.opened <= timeline.end <= closed
        return WindowShare(life, float(input_tokens or 0) if answered else None)
    inside = float(np.count_nonzero((stamps >= window.opened) & (stamps <= closed))) / len(stamps)
    prefilled = window.opened <= stamps[0] <= closed
    return WindowShare(life, float(input_tokens or 0) if prefilled else 0.0, (output_tokens or len(stamps)) * inside)
