"""What a reply tells of its service's inside, however it is told, and whatever it is instead."""

from __future__ import annotations

import json
from array import array
from itertools import pairwise

import pytest
from dialect_pieces import EVENTS, JSON, events
from hypothesis import given
from hypothesis import strategies as st

from exporters.sample import Outcome, Sample, Timeline
from locustfiles._dialects import DIALECTS, dialect_of
from locustfiles._framing import Framing
from locustfiles._outcome import classify
from locustfiles._services import Service
from locustfiles._stages import Calls, Insight, calls_of, server_timing
from scenarios.scenario import Arm, JsonApi, Request
from scenarios.stages import MOST_STAGES, Stages

HEADER = {"server-timing": "queue;dur=2.5, model;desc=x;dur=40"}
CHUNK = {"choices": [{"delta": {"content": "word"}}]}
LAST = {"choices": [], "usage": {"prompt_tokens": 3}, "timings": {"retrieve_ms": 35.5, "deep": [{"rank:s": "0.25"}]}}


def told(stages: Stages | None, *pieces: bytes, headers: dict[str, str] = EVENTS, trailer: str = "") -> Sample:
    """The row's part of it, from a reply of events that came in these pieces."""
    insight, reply = Insight(stages), DIALECTS["openai-chat"].reply(array("q"), stream=True)
    insight.watch(reply)
    said = dict(headers)
    reply.begin(200, said)
    for piece in pieces:
        reply.feed(piece, 100)
    if trailer:
        said["server-timing"] = f"{said['server-timing']}, {trailer}" if "server-timing" in said else trailer
    reply.close()
    sample = a_row("ok")
    insight.book(reply, sample)
    return sample


def a_row(outcome: Outcome) -> Sample:
    return Sample(request_id="1", workload="matrix", step="s", arm="a", block=1, cell_input="i", cell_output="o",
                  concurrency=1, worker=0, sent_ns=1, phase="window", outcome=outcome)  # fmt: skip


def stages(sample: Sample) -> dict[str, float]:
    return json.loads(sample.stages) if sample.stages else {}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("db;dur=53", {"db": 0.053}),
        ("missedCache", {}),  # a name alone is a word, not a duration
        ('cache;desc="Cache, Read; dur=9";dur=23.2', {"cache": 0.0232}),
        ("total ; dur = 123.4", {"total": 0.1234}),
        ("db;dur=1, app;DUR=2,db;dur=3", {"db": 0.004, "app": 0.002}),  # two queries: their time adds up
        ('a;dur="1.5"', {"a": 0.0015}),
        ("a;dur=1;dur=9", {"a": 0.001}),  # the first one counts, as the specification says
        ('a;desc="open;dur=1', {}),
    ],
)
def test_server_timing_as_the_specification_writes_it(header: str, expected: dict[str, float]) -> None:
    """Milliseconds by name; quoted commas and semicolons part nothing; equal names add up."""
    sample = told(Stages(ignore=()), headers={**EVENTS, "server-timing": header})

    assert stages(sample) == pytest.approx(expected)
    assert sample.stages_unread is None


@given(st.text(max_size=200))
def test_no_header_breaks_it(header: str) -> None:
    """Whatever stands in the header, there are durations between 0 and a day, or none, and never an exception."""
    for _, seconds in server_timing(header):
        assert seconds is None or 0 <= seconds <= 86_400


@pytest.mark.parametrize("value", ["", "-1", "nan", "inf", "1e999", "12ms", "1_0", "0x1", "٣"])
def test_what_is_no_duration_is_counted(value: str) -> None:
    """A malformed value is neither a stage nor silence: it is counted, and its neighbours are read."""
    sample = told(None, headers={**EVENTS, "server-timing": f"bad;dur={value}, good;dur=1"})

    assert (stages(sample), sample.stages_unread) == ({"good": 0.001}, 1)


def test_names_are_bounded() -> None:
    """At most 16 names of a reply, of plain letters, are kept; the rest is counted."""
    many = ", ".join(f"s{number};dur=1" for number in range(MOST_STAGES + 4))
    sample = told(None, headers={**EVENTS, "server-timing": many + ", <b>;dur=1, unexplained;dur=1"})

    assert len(stages(sample)) == MOST_STAGES
    assert sample.stages_unread == 6


def test_every_place_of_a_stage_is_read() -> None:
    """Headers with a unit, fields of the last event, Server-Timing as header and trailer; ignored names stay out."""
    asked = Stages(
        headers={"wait": "X-Wait-ms", "queue": "x-queue:us"},
        fields={"retrieve": "timings.retrieve_ms", "rank": "/timings/deep/0/rank:s:s"},
    )
    headers = {**EVENTS, **HEADER, "x-wait-ms": "7", "x-queue": "1500"}
    sample = told(asked, events(CHUNK, LAST), headers=headers, trailer="post;dur=10, total;dur=99")

    # `queue` is the scenario's own, so that of Server-Timing is not added to it
    expected = {"wait": 0.007, "queue": 0.0015, "retrieve": 0.0355, "rank": 0.25, "model": 0.04, "post": 0.01}
    assert stages(sample) == pytest.approx(expected)
    assert sample.stages_unread is None


@given(st.lists(st.integers(1, 400)))
def test_fields_do_not_depend_on_the_cut(cuts: list[int]) -> None:
    """A stream tells the same in any split."""
    whole = events(CHUNK, {**CHUNK, "timings": {"retrieve_ms": 1}}, LAST, CHUNK)
    edges = [0, *sorted({cut for cut in cuts if cut < len(whole)}), len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(edges)]

    sample = told(Stages(fields={"retrieve": "timings.retrieve_ms"}), *pieces)
    assert stages(sample) == {"retrieve": 0.0355}


def test_a_whole_reply_has_its_fields_too() -> None:
    """Not streamed: the paths lead into the one object."""
    body = {"choices": [{"message": {"content": "x"}}], "timings": {"rank_s": 2}, "usage": {"calls": [
        {"prompt_tokens": 10, "completion_tokens": 2}, {"input_tokens": 30, "output_tokens": 4}]}}  # fmt: skip
    asked = Stages(fields={"rank": "timings.rank_s"}, calls="usage.calls")
    sample = told(asked, json.dumps(body).encode(), headers=JSON)

    assert stages(sample) == {"rank": 2.0}
    assert (sample.model_calls, sample.model_input_tokens, sample.model_output_tokens) == (2, 40, 6)


@pytest.mark.parametrize(
    ("said", "calls"),
    [
        ([], Calls(0, 0, 0)),
        (3, Calls(3)),
        ([{"prompt_tokens": 1, "completion_tokens": 2}, {"prompt_tokens": 4}], Calls(2, 5, None)),
        ([{"prompt_tokens": -1}, {"prompt_tokens": True}], Calls(2, None, None)),
        ("2", Calls(unread=1)),
        ([1, 2], Calls(unread=1)),
        (True, Calls(unread=1)),
        ({}, Calls(unread=1)),
    ],
)
def test_calls_are_what_a_usage_list_says(said: object, calls: Calls) -> None:
    """Their number, and tokens where every call tells them; a sum with a call missing would be too small: None."""
    assert calls_of(said) == calls


@pytest.mark.parametrize(("text", "calls", "unread"), [("2", 2, None), ("-2", None, 1), ("2, 2", None, 1)])
def test_calls_by_header(text: str, calls: int | None, unread: int | None) -> None:
    """A header gives their number; what is none is counted."""
    sample = told(Stages(calls_header="X-Calls"), events(CHUNK), headers={**EVENTS, "x-calls": text})

    assert (sample.model_calls, sample.stages_unread) == (calls, unread)


def test_a_trailer_of_the_wire_is_read() -> None:
    """Server-Timing behind the last chunk of a body reaches the row through the real framing."""
    insight, reply = Insight(None), DIALECTS["openai-chat"].reply(array("q"), stream=True)
    body = events(CHUNK)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nserver-timing: a;dur=1"
    Framing(reply, Timeline()).take(
        head + b"\r\n\r\n%x\r\n%s\r\n0\r\nServer-Timing: post;dur=12.5\r\n\r\n" % (len(body), body), 5
    )
    sample = told(None)
    insight.book(reply, sample)

    assert stages(sample) == {"a": 0.001, "post": 0.0125}


def test_the_check_says_what_is_not_there() -> None:
    """A mapping that matches nothing is one line with the names; one that does lists the stages."""
    asked = Stages(headers={"queue": "x-queue-ms"}, calls="usage.calls")
    status, text = Insight(asked).finding(told(asked, events(CHUNK))) or ("", "")

    assert status == "warn"
    assert "not found in the reply: queue, calls" in text
    assert Insight(None).finding(told(None, headers={**EVENTS, **HEADER})) == ("ok", "stages: queue, model")
    assert Insight(None).finding(told(None)) is None


def test_a_last_line_without_its_end_has_its_fields() -> None:
    """NDJSON whose last line lacks its line end: the stage in it is read like any other."""
    api = JsonApi(body='{"p": "{{prompt}}"}', text="text", stream="ndjson")
    asked = Stages(fields={"rank": "timings.rank_ms"})
    service = Service("a", Arm(url="http://127.0.0.1:1", api="json", json=api, stages=asked), Request())
    reply = service.reply(array("q"))
    reply.begin(200, {"content-type": "application/x-ndjson"})
    reply.feed(b'{"text": "x"}\n{"text": "y", "timings": {"rank_ms": 4}}', 1)
    reply.close()
    sample = told(None)
    service.insight.book(reply, sample)

    assert stages(sample) == {"rank": 0.004}


@pytest.mark.parametrize(("stages", "asks"), [(Stages(), True), (None, False)])
def test_trailers_are_asked_for_where_stages_are(stages: Stages | None, asks: bool) -> None:
    """A server may keep its trailers from a client that does not say TE: trailers."""
    service = Service("a", Arm(url="http://127.0.0.1:1", stages=stages), Request())

    assert (service._headers.get("te") == "trailers") == asks


@pytest.mark.parametrize(
    ("body", "outcome", "unmapped"),
    [
        (b'{"text": "hi", "usage": {"out": 3}}', "ok", "input_tokens"),
        (b'{"txt": "hi"}', "empty", "text,input_tokens,output_tokens"),
        (b'{"text": "hi", "usage": {"in": 1, "out": 3}}', "ok", None),
        (b'{"error": "no"}', "error_in_stream", None),
    ],
)
def test_a_row_names_the_paths_of_a_mapping_that_matched_nothing(
    body: bytes, outcome: Outcome, unmapped: str | None
) -> None:
    """Of a whole reply; one that says an error is not expected to have them."""
    mapping = JsonApi(body="{}", text="text", input_tokens="usage.in", output_tokens="usage.out")
    reply = dialect_of(Arm(url="http://x", api="json", json=mapping)).reply(array("q"), False)
    reply.begin(200, JSON)
    reply.feed(body, 100)
    reply.close()
    sample = a_row(classify(reply, None, None)[0])
    Insight(None).book(reply, sample)

    assert (sample.outcome, sample.unmapped) == (outcome, unmapped)
