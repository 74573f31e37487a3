"""Every derived duration against values worked out by hand, and what is absent instead of zero."""

from __future__ import annotations

from array import array

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.sample import CENSORED_FROM_NS, Sample, Timeline

MS = 1_000_000
SENT = 7_000 * MS


def timeline(*chunks_ms: float, merged: tuple[tuple[int, int, int], ...] = (), **stamps: object) -> Timeline:
    """A stream sent at SENT whose chunks arrived so many ms later; no read has a kernel stamp."""
    chunks = array("q", (SENT + int(at * MS) for at in chunks_ms))
    return Timeline(sent=SENT, chunks=chunks, merged=list(merged), **stamps)


def test_durations_are_differences_to_sent() -> None:
    """Each duration is its stamp minus `sent`, in seconds."""
    line = timeline(
        50, 60, 75, written=SENT + 2 * MS, headers=SENT + 49 * MS, first_visible=SENT + 60 * MS, end=SENT + 80 * MS
    )

    assert line.written_s == pytest.approx(0.002, abs=1e-12)
    assert line.headers_s == pytest.approx(0.049, abs=1e-12)
    assert line.ttft_s == pytest.approx(0.050, abs=1e-12)
    assert line.ttfvt_s == pytest.approx(0.060, abs=1e-12)
    assert line.e2e_s == pytest.approx(0.075, abs=1e-12)
    assert line.end_s == pytest.approx(0.080, abs=1e-12)
    assert (line.first, line.last) == (SENT + 50 * MS, SENT + 75 * MS)


def test_what_did_not_happen_is_none() -> None:
    """A request without reply has no duration at all, and no gap: None, never 0."""
    line = Timeline(sent=SENT)
    gaps, censored = line.gaps_s()

    for name in ("written_s", "headers_s", "ttft_s", "ttft_uncertainty_s", "ttfvt_s", "e2e_s", "end_s", "lag_max_s"):
        assert getattr(line, name) is None, name
    assert line.tpot_s(10) is None
    assert (len(gaps), len(censored), line.content_reads) == (0, 0, 0)


def test_stamps_of_one_timeline_are_not_shared_with_the_next() -> None:
    """Two requests never write into the same lists."""
    one, other = Timeline(), Timeline()
    one.chunks.append(1)
    one.merged.append((0, 2, 3))
    one.lags.append(4)

    assert (len(other.chunks), other.merged, len(other.lags)) == (0, [], 0)


# -- TPOT


@pytest.mark.parametrize(
    ("tokens", "first_tokens", "expected"),
    [
        (5, 1, 0.010),  # (90 - 50) / (5 - 1)
        (9, 1, 0.005),  # two tokens a chunk: (90 - 50) / 8
        (9, 2, 40e-3 / 7),  # the first chunk held two of them
        (2, 1, 0.040),
        (1, 1, None),  # n <= n_first
        (3, 4, None),
        (0, 1, None),
        (None, 1, None),  # nobody counted
    ],
)
def test_tpot_divides_by_the_tokens_after_the_first_chunk(
    tokens: int | None, first_tokens: int, expected: float | None
) -> None:
    """TPOT = (last - first) / (n - n_first), absent for n <= n_first or unknown n."""
    got = timeline(50, 60, 70, 80, 90).tpot_s(tokens, first_tokens)

    assert got == (None if expected is None else pytest.approx(expected, rel=1e-12))


@pytest.mark.parametrize(("last_ms", "expected"), [(50.999_999, None), (51.0, 0.001), (52.0, 0.002)])
def test_tpot_is_absent_below_a_millisecond_of_decoding(last_ms: float, expected: float | None) -> None:
    """last - first < 1 ms is a reply in one piece, at exactly 1 ms it is a stream."""
    got = timeline(50, last_ms).tpot_s(2)

    assert got == (None if expected is None else pytest.approx(expected, rel=1e-9))


def test_tpot_needs_two_reads_with_content() -> None:
    """Chunks that all came in one read have no time between them, however late its stamps were taken to be."""
    one_read = timeline(50, 60, 70, merged=((0, 3, 25 * MS),))
    two_reads = timeline(50, 70, 70, merged=((1, 2, 25 * MS),))

    assert (one_read.content_reads, one_read.tpot_s(3)) == (1, None)
    assert two_reads.content_reads == 2
    assert two_reads.tpot_s(3) == pytest.approx(0.010)


def test_tpot_does_not_depend_on_the_clock() -> None:
    """Reads without a kernel stamp (gVisor, macOS) measure TPOT too: `lags` holds those of stamped reads only."""
    line = timeline(50, 60, user_reads=2)

    assert len(line.lags) == 0
    assert line.tpot_s(2) == pytest.approx(0.010)


def test_one_chunk_has_ttft_and_e2e_but_no_tpot() -> None:
    """A reply of one chunk has a first and a last token, and no time per token."""
    line = timeline(50)

    assert (line.ttft_s, line.e2e_s, line.tpot_s(1), line.tpot_s(7)) == (0.05, 0.05, None, None)


# -- uncertainty of the first token


@pytest.mark.parametrize(
    ("merged", "expected"),
    [
        ((), 0.0),
        (((0, 2, 3 * MS),), 0.003),  # the first token came with others, read late
        (((1, 2, 3 * MS),), 0.0),  # a later read was merged: the first token is exact
        (((0, 2, 400),), 400e-9),  # as uncertain as that, not rounded to nothing
        (((0, 2, 3 * MS), (2, 2, 9 * MS)), 0.003),
    ],
)
def test_ttft_is_as_uncertain_as_the_read_that_brought_it(
    merged: tuple[tuple[int, int, int], ...], expected: float
) -> None:
    """A first chunk that is not the last of its read carries that read's uncertainty."""
    assert timeline(50, 50, 60, 60, merged=merged).ttft_uncertainty_s == pytest.approx(expected, abs=1e-15)


def test_lag_max_is_the_longest_wait() -> None:
    """The longest time that a segment lay in the kernel, in seconds."""
    assert timeline(50, lags=array("q", [20_000, 3 * MS, 1])).lag_max_s == pytest.approx(0.003)


# -- gaps and censoring (DESIGN 3.4)


@pytest.mark.parametrize(
    ("merged", "kept_ms", "censored_ms"),
    [
        ((), [10, 20, 30, 40], []),
        # chunks 1, 2, 3 in one late read: 3 is exact, so gap 3 -> 4 stays; 0 -> 1 is as uncertain as 1 -> 2 and 2 -> 3
        (((1, 3, 5 * MS),), [40], [5, 5, 5]),
        (((0, 2, 5 * MS),), [20, 30, 40], [5]),  # no gap before the first chunk
        (((0, 5, 5 * MS),), [], [5, 5, 5, 5]),
        (((3, 2, 5 * MS),), [10, 20], [5, 5]),  # at the end of the stream
        (((0, 2, 5 * MS), (2, 2, 7 * MS)), [40], [5, 7, 7]),  # neighbours: no gap is counted twice
        (((1, 2, 5 * MS), (3, 2, 7 * MS)), [], [5, 5, 7, 7]),
        (((1, 3, CENSORED_FROM_NS),), [40], [1, 1, 1]),  # from 1 ms on
        (((1, 3, CENSORED_FROM_NS - 1),), [10, 20, 30, 40], []),  # below: true gaps, zero ones too
        (((0, 2, 5), (2, 3, 2 * MS)), [10], [2, 2, 2]),  # only the late one of two
    ],
)
def test_late_merged_reads_censor_their_gaps(
    merged: tuple[tuple[int, int, int], ...], kept_ms: list[float], censored_ms: list[float]
) -> None:
    """Gaps that touch a chunk of unknown arrival are left out and counted; all others stay."""
    gaps, censored = timeline(0, 10, 30, 60, 100, merged=merged).gaps_s()

    assert gaps.tolist() == pytest.approx([ms / 1e3 for ms in kept_ms])
    assert censored.tolist() == pytest.approx([ms / 1e3 for ms in censored_ms])


def test_true_zero_gaps_stay() -> None:
    """Chunks that the server sent together, read at once, lie 0 s apart: that is what a reader sees."""
    gaps, censored = timeline(10, 10, 10, 20, merged=((0, 3, 50_000),)).gaps_s()

    assert gaps.tolist() == pytest.approx([0.0, 0.0, 0.01])
    assert len(censored) == 0


@st.composite
def reads(draw: st.DrawFn) -> tuple[Timeline, list[tuple[int, int]]]:
    """A stream cut into reads of some chunks each, with the uncertainty of each read."""
    cut = draw(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3 * MS)), max_size=12))
    line, at = Timeline(sent=SENT), SENT
    for count, uncertainty in cut:
        at += draw(st.integers(1, 100 * MS))
        if count > 1:
            line.merged.append((len(line.chunks), count, uncertainty))
        line.chunks.extend([at] * count)
    return line, cut


@given(reads())
def test_a_gap_is_kept_exactly_when_both_its_ends_are_certain(drawn: tuple[Timeline, list[tuple[int, int]]]) -> None:
    """Against the rule spelled out chunk by chunk: only a late read's last chunk is certain; nothing is lost."""
    line, cut = drawn
    late = [
        uncertainty if uncertainty >= CENSORED_FROM_NS and position < count - 1 else 0
        for count, uncertainty in cut
        for position in range(count)
    ]
    pairs = range(len(late) - 1)
    kept = [(line.chunks[i + 1] - line.chunks[i]) / 1e9 for i in pairs if not late[i] and not late[i + 1]]
    gaps, censored = line.gaps_s()

    assert gaps.tolist() == kept
    assert len(gaps) + len(censored) == max(0, len(line.chunks) - 1)
    assert line.content_reads == len(cut)
    assert set(np.round(censored * 1e9).astype(int)) <= set(late)
    line.chunks.append(1)  # no view of the array was left behind, which would forbid it to grow


# -- the row


def test_a_row_names_what_the_design_lists_in_its_order() -> None:
    """The columns of requests.parquet, as the design has them; ours beyond them are named here."""
    design = (
        "request_id workload step arm block cell_input cell_output concurrency worker replica attempt sent_ns phase "
        "outcome status model input_tokens cached_tokens output_tokens reasoning_tokens client_output_tokens chunks "
        "first_chunk_tokens schedule_lag_s backoff_s dns_s connect_s tls_s written_s headers_s ttft_s "
        "ttft_uncertainty_s ttfvt_s tpot_s e2e_s end_s gap_max_s lag_max_s coalesced prompt_id finish_reason error"
    )
    ours = ("due_s", "requested_tokens", "window_s", "window_input_tokens", "window_output_tokens", "output_chars",
            "conversation", "conversation_turn", "uncached", "think_s", "turn", "stages", "stages_unread",
            "model_calls", "model_input_tokens", "model_output_tokens", "unmapped")  # fmt: skip

    assert " ".join(name for name in Sample.__struct_fields__ if name not in ours) == design
    assert set(ours) < set(Sample.__struct_fields__)


def test_what_a_row_was_not_told_is_none() -> None:
    """Everything but identity, counts of things that happened and the outcome may be absent, and then is None."""
    row = Sample(request_id="0-1", workload="task", step=None, arm="a", block=None, cell_input=None, cell_output=None,
                 concurrency=None, worker=0, sent_ns=1, phase="check", outcome="connection")  # fmt: skip
    values = msgspec.structs.asdict(row)

    assert {name for name, value in values.items() if value is not None} == {
        "request_id", "workload", "arm", "worker", "attempt", "sent_ns", "phase", "outcome", "chunks", "coalesced",
    }  # fmt: skip
    assert (row.attempt, row.chunks, row.coalesced) == (1, 0, 0)
