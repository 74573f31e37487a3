"""Copies of runs: what is in the store is a run directory at any time, also of a run that was killed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.copies import Copy, CopyError, check_address, shown
from exporters.record import Run, RunWriter
from tests.exporters.runs import begun, record, rows

SECRET = "dontsaythis"


def ids(directory: Path) -> list[int]:
    return Run.open(directory).requests().column("sent_ns").to_pylist()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_a_copy_has_every_row_up_to_its_last_step(tmp_path: Path, batches: list[int]) -> None:
    """After any number of batches a step, the store is a run with the same rows and steps; nothing is copied twice."""
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    writer = begun(tmp_path / "run")
    copy = Copy(tmp_path / "run", f"file://{tmp_path}/store")
    written = 0
    for number, count in enumerate(batches):
        for _ in range(count):
            writer.rows(rows(written + 1, 2))
            written += 2
        writer.steps([record(f"s{number}")])
        copy.step(writer.row_sizes)
        assert ids(tmp_path / "store" / "run") == list(range(1, written + 1))
        assert len(Run.open(tmp_path / "store" / "run").steps) == number + 1
    writer.finish()
    copy.finish()
    assert ids(tmp_path / "store" / "run") == list(range(1, written + 1))
    assert not list((tmp_path / "store" / "run").glob("*.arrows"))


def test_a_killed_run_goes_on_in_its_copy(tmp_path: Path) -> None:
    """The first master's parts give way to the Parquet file of the second, who copies its own rows as parts again."""
    first = begun(tmp_path / "run")
    copy = Copy(tmp_path / "run", str(tmp_path / "store"))
    first.rows(rows(1, 3))
    first.steps([record("s1")])
    copy.step(first.row_sizes)
    first.rows(rows(4, 2, step="s2"))  # of a step that the kill cuts: not copied
    os.close(first._lock)  # what a kill does
    there = tmp_path / "store" / "run"
    assert ids(there) == [1, 2, 3]

    second = RunWriter.reopen(tmp_path / "run")
    copy = Copy(tmp_path / "run", str(tmp_path / "store"))
    second.rows(rows(6, 1, step="s2"))
    second.steps([record("s2")])
    copy.step(second.row_sizes)
    assert ids(there) == [1, 2, 3, 4, 5, 6]
    second.finish()
    copy.finish()
    assert ids(there) == ids(tmp_path / "run") == [1, 2, 3, 4, 5, 6]
    assert sorted(path.name for path in there.iterdir()) == sorted(path.name for path in (tmp_path / "run").iterdir())


def test_what_a_store_refused_goes_with_the_next_step(tmp_path: Path) -> None:
    """A store that is away for a step has all rows after the one that follows."""
    writer = begun(tmp_path / "run")
    copy = Copy(tmp_path / "run", str(tmp_path / "store"))
    there = tmp_path / "store" / "run"
    there.rmdir()
    there.write_text("in the way")
    writer.rows(rows(1, 2))
    with pytest.raises(CopyError) as refused:
        copy.step(writer.row_sizes)
    there.unlink()
    there.mkdir()
    writer.rows(rows(3, 2))
    copy.step(writer.row_sizes)

    assert "\n" not in str(refused.value)
    assert ids(there) == [1, 2, 3, 4]


def test_another_run_of_the_same_name_is_not_overwritten(tmp_path: Path) -> None:
    """A run that began at another time is another run; a copy of this one goes on."""
    begun(tmp_path / "a" / "run", started="2026-11-23T06:15:00Z")
    begun(tmp_path / "b" / "run", started="2026-11-23T06:16:00Z")
    for _ in range(2):
        Copy(tmp_path / "a" / "run", str(tmp_path / "store")).finish()
    for other in (tmp_path / "b" / "run", tmp_path / "new" / "run"):
        with pytest.raises(CopyError, match="holds another run called run"):
            Copy(other, str(tmp_path / "store"))


@pytest.mark.parametrize(
    "uri",
    [
        f"s3://AKIA:{SECRET}@bucket/runs", f"s3://bucket/runs?secret_key={SECRET}", f"gs://{SECRET}@bucket/x",
        f"abfs://:{SECRET}@account.dfs.core.windows.net/x",
        "runs/here", "", "s4://bucket/x", "s3://bucket/x?endpoint_override=127.0.0.1:1&scheme=http",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_copied_to(tmp_path: Path, uri: str) -> None:
    """A login in it, a relative path, an unknown scheme, a store that is not there: one line without the secret."""
    begun(tmp_path / "run")
    with pytest.raises(CopyError) as refused:
        Copy(tmp_path / "run", uri)
    assert "\n" not in str(refused.value)
    assert SECRET not in str(refused.value)


def test_addresses_are_shown_without_their_parameters() -> None:
    """Where a store is may be printed; how it is reached is nobody's business."""
    uri = "s3://bucket/runs?region=eu-west-1&endpoint_override=minio:9000&scheme=http"
    check_address(uri)
    assert shown(uri) == "s3://bucket/runs"
    check_address("abfs://container@account.dfs.core.windows.net/runs")
