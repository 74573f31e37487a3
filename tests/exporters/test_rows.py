"""Rows keep every value through packing, streams and Parquet, whatever a service made them hold."""

from __future__ import annotations

import typing
from typing import get_args

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporters.record import RecordError, pack, unpack
from exporters.rows import COMPRESSED_FROM, SCHEMA, STREAM_HEAD, convert_rows, head_size, read_rows, read_stream
from exporters.sample import Outcome, Sample
from tests.exporters.runs import row, rows

texts = st.text(max_size=20)
small, counts = st.integers(0, 2**15 - 1), st.integers(0, 2**31 - 1)
VALUES = {str: texts, int: counts, float: st.floats(allow_nan=False)}


def column_values(name: str, kind: object) -> st.SearchStrategy[object]:
    if typing.get_origin(kind) is typing.Literal:
        return st.sampled_from(get_args(kind))
    if get_args(kind):
        return st.one_of(*(st.none() if part is type(None) else column_values(name, part) for part in get_args(kind)))
    return {"sent_ns": st.integers(0, 2**63 - 1), "status": small, "attempt": small}.get(name, VALUES.get(kind))


samples = st.builds(Sample, **{name: column_values(name, kind) for name, kind in typing.get_type_hints(Sample).items()})


def as_dicts(rows: list[Sample]) -> list[dict[str, object]]:
    return [msgspec.structs.asdict(sample) for sample in rows]


@given(st.lists(samples, max_size=5))
@settings(max_examples=60)
def test_packing_keeps_every_value(rows: list[Sample]) -> None:
    """What `unpack` gives back is what was packed, None included, in the same order."""
    assert unpack(pack(rows)).to_pylist() == as_dicts(rows)


@pytest.mark.parametrize("count", [COMPRESSED_FROM - 1, COMPRESSED_FROM, 300])
def test_many_rows_are_compressed_and_keep_their_values(count: int) -> None:
    """300 like rows take less than 40 B each; a few cost less than 128 B a column, whether compressed or not."""
    given_rows = [row(number, error="é" * (number % 3)) for number in range(count)]
    packed = pack(given_rows)

    assert unpack(packed).to_pylist() == as_dicts(given_rows)
    assert len(packed) < (40 * count if count == 300 else 128 * len(SCHEMA))


def test_a_head_is_looked_at_without_its_rows() -> None:
    """Batches of one kind have heads of one length, however many rows; a byte too many or too few is refused."""
    assert head_size(rows(0, 1)) == head_size(rows(1, COMPRESSED_FROM - 1))
    assert head_size(rows(0, 20)) == head_size(rows(1, 900))
    for broken in (rows(0, 20) + b"12345678", rows(0, 20)[:-1], STREAM_HEAD):
        with pytest.raises(RecordError, match="rows that cannot be read"):
            head_size(broken)


def test_the_columns_are_the_fields_of_a_sample() -> None:
    """Names and order are Sample's; every column may be absent; only the wall clock needs 64 bits."""
    assert tuple(SCHEMA.names) == Sample.__struct_fields__
    assert all(field.nullable for field in SCHEMA)
    assert {str(field.type) for field in SCHEMA} == {"string", "int16", "int32", "int64", "double"}
    assert [field.name for field in SCHEMA if field.type == pa.int64()] == ["sent_ns"]


def test_outcomes_are_texts() -> None:
    """Each of the closed set of outcomes can be told from the others in the file."""
    outcomes = list(get_args(Outcome))

    assert unpack(pack([row(outcome=outcome) for outcome in outcomes])).column("outcome").to_pylist() == outcomes


def test_a_claim_beyond_any_count_is_absent() -> None:
    """A service that reports 10^12 or 10^30 tokens loses that value only: other rows and columns stay."""
    claims = [10**12, 10**30, 2**31, -(10**12), 2**31 - 1, 0]
    batch = unpack(pack([row(number, output_tokens=claim) for number, claim in enumerate(claims)]))

    assert batch.column("output_tokens").to_pylist() == [None, None, None, None, 2**31 - 1, 0]
    assert batch.column("sent_ns").to_pylist() == [0, 1, 2, 3, 4, 5]


def test_half_a_surrogate_becomes_a_question_mark() -> None:
    """What is no Unicode cannot be written; the text around it can."""
    assert unpack(pack([row(error="a\ud800b"), row(error="é")])).column("error").to_pylist() == ["a?b", "é"]


@pytest.mark.parametrize("packed", [b"", b"nonsense", b"\x00" * 64, STREAM_HEAD, rows(1, 3)[:-9]])
def test_what_is_no_batch_is_refused(packed: bytes) -> None:
    """Bytes that are no rows raise RecordError in one line; they never reach the file."""
    with pytest.raises(RecordError, match="rows that cannot be read") as refused:
        unpack(packed)

    assert "\n" not in str(refused.value)


BATCHES = [rows(1, 3), rows(4, 20), rows(24, 4)]
WHOLE = STREAM_HEAD + b"".join(BATCHES)


@given(st.integers(0, len(WHOLE)))
@settings(max_examples=80)
def test_a_stream_is_readable_at_any_length(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    """Cut after any byte, exactly the batches that are whole come back."""
    path = tmp_path_factory.mktemp("cut") / "requests.arrows"
    path.write_bytes(WHOLE[:length])
    ends = [len(STREAM_HEAD) + sum(map(len, BATCHES[: i + 1])) for i in range(3)]
    counts = [3, 20, 4]

    assert [batch.num_rows for batch in read_stream(path)] == [counts[i] for i in range(3) if ends[i] <= length]


def test_a_stream_that_is_not_there_has_no_rows(tmp_path) -> None:
    """A missing file is an empty one."""
    assert list(read_stream(tmp_path / "requests.arrows")) == []
    assert read_rows(tmp_path).num_rows == 0


def ids(table: pa.Table) -> list[int]:
    return table.column("sent_ns").to_pylist()


def write_stream(path, *batches: bytes) -> None:
    path.write_bytes(STREAM_HEAD + b"".join(batches))


def test_streams_of_other_text_columns_are_read(tmp_path) -> None:
    """A stream whose texts are no views (an earlier version's) gives the same rows, beside one of this version."""
    batch = unpack(rows(0, 20))
    with pa.ipc.new_stream(str(tmp_path / "requests.arrows"), SCHEMA) as stream:
        stream.write_batch(batch)
    (tmp_path / "requests.1.arrows").write_bytes(STREAM_HEAD + rows(20, 20))

    assert ids(read_rows(tmp_path)) == list(range(40))
    assert read_rows(tmp_path).schema == SCHEMA


def test_conversion_keeps_rows_and_order(tmp_path) -> None:
    """Twelve streams, of which the tenth is not the second: the rows come out as they came in, once."""
    for number in range(12):
        name = f"requests.{number}.arrows" if number else "requests.arrows"
        write_stream(tmp_path / name, rows(2 * number, 2))
    before = read_rows(tmp_path)
    convert_rows(tmp_path)

    assert ids(before) == list(range(24))
    assert read_rows(tmp_path).equals(before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["requests.parquet"]


def test_the_parquet_file_is_compressed_and_codes_its_strings(tmp_path) -> None:
    """zstd everywhere, a dictionary for repeated texts, plain bytes for ids that never repeat."""
    write_stream(tmp_path / "requests.arrows", rows(0, 500))
    convert_rows(tmp_path)
    group = pq.ParquetFile(tmp_path / "requests.parquet").metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}

    assert {column.compression for column in columns.values()} == {"ZSTD"}
    assert columns["arm"].has_dictionary_page
    assert not columns["request_id"].has_dictionary_page


def test_a_kill_between_conversion_and_clean_up_counts_no_row_twice(tmp_path) -> None:
    """Streams that the Parquet file already holds may lie there still: they are not read again."""
    write_stream(tmp_path / "requests.arrows", rows(0, 3))
    left_behind = (tmp_path / "requests.arrows").read_bytes()
    convert_rows(tmp_path)
    (tmp_path / "requests.arrows").write_bytes(left_behind)

    assert ids(read_rows(tmp_path)) == [0, 1, 2]
    convert_rows(tmp_path)
    assert ids(read_rows(tmp_path)) == [0, 1, 2]
    assert not (tmp_path / "requests.arrows").exists()


def test_a_conversion_that_fails_leaves_everything_as_it_was(tmp_path, monkeypatch) -> None:
    """The stream stays and is readable, and no half Parquet file takes up the space that is missing."""
    write_stream(tmp_path / "requests.arrows", rows(0, 3))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("exporters.rows.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        convert_rows(tmp_path)

    assert ids(read_rows(tmp_path)) == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["requests.arrows"]


def test_rows_of_an_unfinished_step_are_marked(tmp_path) -> None:
    """When a run is resumed, only finished steps keep their rows; the cut ones are marked once, not at each resume."""
    steps = [("done", 2), ("torn", 3), (None, 1)]
    write_stream(tmp_path / "requests.arrows", *(rows(0, count, step=step) for step, count in steps))
    convert_rows(tmp_path, finished={"done"})
    convert_rows(tmp_path, finished={"done", "torn"})

    assert read_rows(tmp_path).column("step").to_pylist() == ["done"] * 2 + ["torn-cut"] * 3 + [None]


def test_nothing_finished_marks_every_step(tmp_path) -> None:
    """A run that was killed in its first step has no finished one."""
    write_stream(tmp_path / "requests.arrows", rows(0, 2, step="first"))
    convert_rows(tmp_path, finished=())

    assert read_rows(tmp_path).column("step").to_pylist() == ["first-cut"] * 2


def test_a_file_of_an_earlier_version_lacks_columns_and_is_read(tmp_path) -> None:
    """A column that was added later is absent in old rows, not an error."""
    write_stream(tmp_path / "requests.arrows", rows(0, 2))
    old = read_rows(tmp_path).drop_columns(["window_s", "replica"])
    (tmp_path / "requests.arrows").unlink()
    pq.write_table(old, tmp_path / "requests.parquet")
    table = read_rows(tmp_path)

    assert table.schema == SCHEMA
    assert table.column("window_s").to_pylist() == [None, None]


def test_a_broken_parquet_file_is_one_clear_line(tmp_path) -> None:
    """Damage is named with its file; nothing is guessed from half a file."""
    (tmp_path / "requests.parquet").write_bytes(b"PAR1 and nothing else")

    with pytest.raises(RecordError, match=r"requests\.parquet cannot be read: ") as refused:
        read_rows(tmp_path)
    assert "\n" not in str(refused.value)


def test_many_small_batches_become_few_row_groups(tmp_path, monkeypatch) -> None:
    """A report reads groups of many rows, however few each worker sent at a time."""
    monkeypatch.setattr("exporters.rows.ROWS_PER_GROUP", 50)
    monkeypatch.setattr("exporters.rows.ROWS_PER_JOIN", 20)
    write_stream(tmp_path / "requests.arrows", *(rows(10 * i, 10) for i in range(12)))
    convert_rows(tmp_path)
    metadata = pq.ParquetFile(tmp_path / "requests.parquet").metadata

    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [60, 60]
    assert ids(read_rows(tmp_path)) == list(range(120))
