"""Stamps of every chunk: kept by the worker, collected in pieces, one Parquet file; readable at any length."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters import chunks
from exporters.chunks import ChunkFiles, ChunkLog, read_chunks, uncertainties
from exporters.sample import Timeline
from tests.exporters.runs import row

Requests = list[list[int]]  # of each request the stamps of its chunks, ns after it was sent
REQUESTS = st.lists(st.lists(st.integers(0, 10**12), max_size=5), max_size=12)


def fill(log: ChunkLog, requests: Requests, first: int = 0) -> None:
    """Requests that were sent at 1,000 ns."""
    for number, stamps in enumerate(requests, first):
        log.add(row(number), Timeline(sent=1_000, chunks=array("q", [1_000 + stamp for stamp in stamps])))


def collected(folder: Path, workers: list[list[Requests]], cut: int = 0) -> dict[str, list[int]]:
    """Everything that these workers kept, flushed after each of their lists, given to the master twice over."""
    files = ChunkFiles(folder)
    for index, lists in enumerate(workers):
        log = ChunkLog(folder)
        for turn, requests in enumerate(lists):
            fill(log, requests, 1_000 * index + 100 * turn)
            if turn % 2 == 0:
                log.flush()
            for piece in log.pieces():
                files.append(f"w{index}", piece[: len(piece) - cut])
        log.close()
        assert cut or not log.path.exists()
    files.finish()
    return {one["request_id"]: one["chunk_ns"] for one in read_chunks(folder).to_pylist()}


@given(st.lists(st.lists(REQUESTS, max_size=3), max_size=3), st.integers(8, 300))
def test_what_was_kept_is_collected(tmp_path_factory, workers: list[list[Requests]], piece: int) -> None:
    """However the file is cut into pieces: every request with a chunk is there, its stamps to the nanosecond."""
    expected = {
        f"0-{1_000 * index + 100 * turn + number}": stamps
        for index, lists in enumerate(workers)
        for turn, requests in enumerate(lists)
        for number, stamps in enumerate(requests)
        if stamps
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "PIECE", piece)
        assert collected(tmp_path_factory.mktemp("run"), workers) == expected


def test_a_cut_file_is_readable_up_to_its_last_whole_batch(tmp_path: Path) -> None:
    """A worker that dies while it sends: what came before is there, before and after `finish`."""
    log, files = ChunkLog(tmp_path), ChunkFiles(tmp_path)
    fill(log, [[1, 2]])
    for piece in log.pieces():
        files.append("w", piece)
    fill(log, [[3, 4]], first=7)
    for piece in log.pieces():
        files.append("w", piece[:-9])

    assert read_chunks(tmp_path)["request_id"].to_pylist() == ["0-0"]
    files.finish()
    assert read_chunks(tmp_path)["chunk_ns"].to_pylist() == [[1, 2]]
    assert [path.name for path in tmp_path.glob("chunks.*")] == ["chunks.parquet"]


def test_a_resumed_run_keeps_the_earlier_stamps(tmp_path: Path) -> None:
    """The second session's file is added to the first one's."""
    assert collected(tmp_path, [[[[5]]]]) == {"0-0": [5]}
    log, files = ChunkLog(tmp_path), ChunkFiles(tmp_path)
    fill(log, [[6]], first=1)
    for piece in log.pieces():
        files.append("w", piece)
    files.finish()

    assert read_chunks(tmp_path)["chunk_ns"].to_pylist() == [[5], [6]]


def test_a_worker_keeps_what_nobody_collected(tmp_path: Path) -> None:
    """The master is gone: the file stays where it is."""
    log = ChunkLog(tmp_path)
    fill(log, [[1]])
    log.flush()
    log.close()

    assert log.path.exists()


def test_chunks_of_a_late_read_are_uncertain_but_its_last(tmp_path: Path) -> None:
    """Three chunks in one late read: two of them may have come earlier, the third bears the kernel's stamp."""
    timeline = Timeline(sent=0, chunks=array("q", [10, 50, 50, 50, 90]), merged=[(1, 3, 40)])

    assert uncertainties(timeline).tolist() == [0, 40, 40, 0, 0]
