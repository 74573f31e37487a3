"""Traces: what is read from a file, and what is said of one that cannot be replayed."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.trace import MOST_SIZES, Arrival, Trace, TraceError, nearest, parse_trace, read_trace

HEAD = "timestamp,input_tokens,output_tokens\n"

rows = st.lists(st.tuples(st.integers(0, 10**7), st.integers(1, 10**5), st.integers(1, 10**5)), min_size=2, max_size=30)


@given(rows)
def test_both_forms_of_a_file_are_one_trace(found: list[tuple[int, int, int]]) -> None:
    """CSV and JSONL of the same requests are read alike: seconds from the first, sizes as they stand."""
    found = sorted(found)
    if found[0][0] == found[-1][0]:
        found[-1] = (found[-1][0] + 1, *found[-1][1:])
    table = HEAD + "".join(f"{at / 1000},{given},{made}\n" for at, given, made in found)
    lines = "\n".join(
        json.dumps({"timestamp": at / 1000, "input_tokens": given, "output_tokens": made}) for at, given, made in found
    )
    trace = parse_trace(table)
    assert trace == parse_trace(lines)
    assert [one.at_s for one in trace.arrivals] == [at / 1000 - found[0][0] / 1000 for at, _, _ in found]
    assert [(one.input_tokens, one.output_tokens) for one in trace.arrivals] == [row[1:] for row in found]


def test_the_names_and_times_of_published_traces_are_understood() -> None:
    """Azure's columns with ISO times of seven digits; blank lines in JSONL are no requests."""
    azure = (
        "TIMESTAMP,ContextTokens,GeneratedTokens",
        "2023-11-16 18:17:03.9799600,4808,10",
        "2023-11-16 18:17:04.232,9,27",
    )
    trace = parse_trace("\n".join(azure))
    assert trace.arrivals[1].at_s == pytest.approx(0.25204, abs=1e-6)
    assert trace.arrivals[0] == Arrival(0.0, 4808, 10)
    first, second = (json.dumps({"time": at, "prompt_tokens": at - 4, "completion_tokens": at - 3}) for at in (5, 7))
    assert parse_trace(f"{first}\n\n{second}\n").arrivals[1] == Arrival(2.0, 3, 4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "0,1,1\n2,1,1\n1,1,1\n", "line 4: time runs backwards (timestamp '1'): sort the file"),
        ("timestamp,input_tokens\n0,1\n", "line 2: no column output_tokens; expected timestamp, input_tokens, output_"),
        (HEAD + "0,1,1\n1,many,1\n", "line 3: input_tokens is 'many': expected a number of tokens"),
        (HEAD + "0,1,1\n1,,1\n", "line 3: input_tokens is empty: expected a number of tokens"),
        (HEAD + "0,1,1\n1,2\n", "line 3: output_tokens is empty: expected a number of tokens"),
        (HEAD + "0,1,1\nnoon,1,1\n", "line 3: timestamp is 'noon': expected seconds or a time such as"),
        (HEAD + "0,1,1\nnan,1,1\n", "line 3: timestamp is 'nan': expected seconds or a time such as"),
        (HEAD + "0,1,1\n1,-4,1\n", "line 3: input_tokens is -4: expected a whole number from 0"),
        (HEAD + "0,1,1\n1,1.5,1\n", "line 3: input_tokens is 1.5: expected a whole number from 0"),
        ('{"timestamp": 0, "input_tokens": 1, "output_tokens": 1}\n[1]\n', "line 2: expected an object with timestamp"),
        ('{"timestamp": 0, "input_tokens": 1, "output_tokens": 1}\n{"time\n', "line 2: not JSON"),
        ('{"timestamp": true, "input_tokens": 1, "output_tokens": 1}\n', "line 1: timestamp is True: expected"),
        (HEAD + "0,1,1\n", "1 request(s) at one time make no trace: expected at least 2"),
        (HEAD + "3,1,1\n3,1,1\n", "2 request(s) at one time make no trace"),
        ("", "0 request(s) at one time make no trace"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_that_names_the_line(text: str, said: str) -> None:
    """Backwards time, missing columns and unknown values: the line's number, the value, what is expected."""
    with pytest.raises(TraceError) as found:
        parse_trace(text)
    assert str(found.value).startswith(said)
    assert "\n" not in str(found.value)


def test_lines_that_cannot_be_used_are_counted_and_may_be_left_out() -> None:
    """Time runs backwards twice and one count is a word: the first is told, with how many; skip reads the rest."""
    text = HEAD + "0,1,1\n2,1,1\n1,1,1\n3,many,1\n1.5,1,1\n4,7,8\n"
    with pytest.raises(TraceError) as found:
        parse_trace(text)
    trace = parse_trace(text, skip=True)
    first = "line 4: time runs backwards (timestamp '1'): sort the file; 3 of 6 lines cannot be used"

    assert str(found.value) == f'{first}; leave such lines out by on_bad = "skip"'
    assert trace.left_out == f"{first}; they are left out"
    assert [one.at_s for one in trace.arrivals] == [0.0, 2.0, 4.0]
    assert parse_trace(HEAD + "0,1,1\n1,1,1\n", skip=True).left_out == ""


def test_a_trace_without_any_line_that_can_be_used_is_refused() -> None:
    """Also where lines may be left out: a column that no line has."""
    with pytest.raises(TraceError, match=r"line 2: no column output_tokens; .*; 2 of 2 lines cannot be used"):
        parse_trace("timestamp,input_tokens\n0,1\n1,1\n", skip=True)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_trace_or_one_clear_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Nothing but TraceError comes out of a file."""
    path = tmp_path_factory.mktemp("trace") / "t.csv"
    path.write_bytes(data)
    try:
        assert read_trace(path).arrivals
    except TraceError as error:
        lines = str(error).splitlines()
        assert len(lines) == 1


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=300))
def test_sizes_are_few_and_near(tokens: list[int]) -> None:
    """Prompts are made for at most 64 sizes; few sizes are kept as they are, many are within half a step by ratio."""
    trace = Trace(tuple(Arrival(float(i), size, 1) for i, size in enumerate(tokens)))
    sizes = trace.sizes(9)
    assert len(sizes) <= MOST_SIZES
    widest = max((high / low for low, high in pairwise(sizes)), default=1.0)
    for size in tokens:
        off = max(size, 9) / nearest(max(size, 9), sizes)
        assert 1 / widest**0.51 <= off <= widest**0.51 or len(sizes) == 1
    if len({max(size, 9) for size in tokens}) <= MOST_SIZES:
        assert {nearest(max(size, 9), sizes) for size in tokens} == {max(size, 9) for size in tokens}


def test_a_cycle_closes_with_the_mean_gap() -> None:
    """Three requests in 2 s are one a second: the replay begins again after 3 s."""
    trace = parse_trace(HEAD + "10,1,1\n10.5,1,1\n12,1,1\n")
    assert (trace.cycle_s, trace.rate) == (3.0, 1.0)
