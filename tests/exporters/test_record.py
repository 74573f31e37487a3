"""A run on disk: written by one, read by anyone at any time, whole after a kill, clear when the disk refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow as pa
import pytest

from exporters.record import RecordError, Run, RunWriter, convert
from exporters.rows import STREAM_HEAD
from scenarios.load import scenario_to_wire
from tests.exporters.runs import MANIFEST, begun, record, rows
from tests.exporters.synthetic import CELLS, synthetic_scenario

ROOT = Path(__file__).resolve().parent.parent.parent


def ids(run: Run) -> list[int]:
    return run.requests().column("sent_ns").to_pylist()


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Manifest, steps, rows and texts come back as they went in, while writing and after the end."""
    writer = begun(tmp_path / "run", seed=7)
    writer.rows(rows(1, 2))
    writer.steps([record("s1", window_s=30.5)])
    writer.response({"request_id": "0-1", "text": "forty-two"})
    writer.rows(rows(3, 1))
    writer.steps([record("s2", valid=False, why_invalid=("lost",), window_s=None)])
    running = Run.open(tmp_path / "run")
    seen = (ids(running), running.steps, running.responses())
    writer.update({"ended": "2026-11-23T06:20:00Z"})
    writer.finish()
    run = Run.open(tmp_path / "run")

    assert (ids(run), run.steps, run.responses()) == seen
    assert seen[0] == [1, 2, 3]
    assert seen[1] == [record("s1", window_s=30.5), record("s2", valid=False, why_invalid=("lost",), window_s=None)]
    assert seen[2] == [{"request_id": "0-1", "text": "forty-two"}]
    assert (running.manifest["ended"], run.manifest["ended"]) == (None, "2026-11-23T06:20:00Z")
    assert run.manifest["seed"] == 7
    assert names(tmp_path / "run") == ["requests.parquet", "responses.jsonl", "run.json", "steps.json"]


def test_a_run_without_rows_has_an_empty_table(tmp_path: Path) -> None:
    """A run that was stopped before its first request is a run: no rows, no steps, no texts."""
    begun(tmp_path).finish()
    run = Run.open(tmp_path)

    assert (run.requests().num_rows, run.steps, run.responses()) == (0, [], [])


def test_the_scenario_is_the_one_that_was_asked(tmp_path: Path) -> None:
    """What run.json holds is enough to have the Scenario back."""
    scenario = synthetic_scenario(2, 3, (1, 2), CELLS, True, 5, {})
    begun(tmp_path, scenario=scenario_to_wire(scenario)).finish()

    assert Run.open(tmp_path).scenario == scenario


@pytest.mark.parametrize(
    "text",
    ["plain", "line\nbreak", "next\x85line \u2028 and \u2029 separators", "中文 \U0001f600", 'quotes " and \\', "x}"],
)
def test_a_text_comes_back_letter_by_letter(tmp_path: Path, text: str) -> None:
    """Whatever a model says stays on its own line of responses.jsonl, as UTF-8."""
    writer = begun(tmp_path)
    writer.response({"text": text})
    writer.response({"text": "next"})

    assert [response["text"] for response in Run.open(tmp_path).responses()] == [text, "next"]
    writer.finish()


def test_half_a_surrogate_does_not_stop_the_run(tmp_path: Path) -> None:
    """A text that is no Unicode is kept with a question mark in its place."""
    writer = begun(tmp_path)
    writer.response({"text": "a\udfffb"})

    assert Run.open(tmp_path).responses() == [{"text": "a?b"}]
    writer.finish()


# -- kills


def killed(directory: Path) -> RunWriter:
    """A run whose writer is gone in the middle of everything: nothing is closed or converted, the lock is released."""
    writer = begun(directory)
    writer.rows(rows(1, 2, step="done"))
    writer.steps([record("done")])
    writer.rows(rows(3, 2, step="torn"))
    writer.response({"text": "whole"})
    os.close(writer._lock)
    with (directory / "requests.arrows").open("ab") as stream, (directory / "responses.jsonl").open("ab") as texts:
        stream.write(rows(9, 5)[:-7])
        texts.write(b'{"text": "cut }')
    return writer


def test_a_killed_run_is_readable_up_to_its_last_whole_report(tmp_path: Path) -> None:
    """Half a batch and half a text at the end are left out; everything before them is there."""
    killed(tmp_path)
    run = Run.open(tmp_path)

    assert (ids(run), len(run.steps), run.responses()) == ([1, 2, 3, 4], 1, [{"text": "whole"}])


def test_a_killed_run_is_converted_by_its_report(tmp_path: Path) -> None:
    """After `convert` the rows are Parquet; a second time changes nothing."""
    killed(tmp_path)
    convert(tmp_path)
    first = (tmp_path / "requests.parquet").read_bytes()
    convert(tmp_path)

    assert ids(Run.open(tmp_path)) == [1, 2, 3, 4]
    assert not list(tmp_path.glob("*.arrows"))
    assert (tmp_path / "requests.parquet").read_bytes() == first


def test_a_resumed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    """Old rows, steps and texts stay, new ones follow; rows of the torn step are kept apart from its next try."""
    killed(tmp_path)
    writer = RunWriter.reopen(tmp_path)
    writer.rows(rows(11, 2, step="torn"))
    writer.steps([record("torn")])
    writer.response({"text": "after"})
    seen = ids(Run.open(tmp_path))
    writer.finish()
    run = Run.open(tmp_path)

    assert seen == ids(run) == [1, 2, 3, 4, 11, 12]
    assert run.requests().column("step").to_pylist() == ["done"] * 2 + ["torn-cut"] * 2 + ["torn"] * 2
    assert [step.step.id for step in run.steps] == ["done", "torn"]
    assert [response["text"] for response in run.responses()] == ["whole", "after"]


def test_a_run_that_ended_early_can_be_resumed_and_no_longer_counts_as_ended(tmp_path: Path) -> None:
    """Until the resumed run ends, run.json says that it has not; rows of both parts are there in the end."""
    writer = begun(tmp_path, seed=3)
    writer.rows(rows(1, 2))
    writer.steps([record("s")])
    writer.update({"ended": "2026-11-23T06:20:00Z", "stopped": "interrupted"})
    writer.finish()
    again = RunWriter.reopen(tmp_path)
    meanwhile = Run.open(tmp_path).manifest
    again.rows(rows(3, 1))
    again.finish()

    assert (meanwhile["ended"], meanwhile["stopped"], meanwhile["seed"]) == (None, None, 3)
    assert ids(Run.open(tmp_path)) == [1, 2, 3]


KILLED_WRITER = """
    import os, signal, sys
    from pathlib import Path
    from tests.exporters.runs import begun, record, rows
    writer = begun(Path(sys.argv[1]))
    for number in range(1, 1000):
        writer.rows(rows(number * 10, 10))
        writer.steps([record(f"s{number}")])
        print(number, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_a_readable_run(tmp_path: Path) -> None:
    """SIGKILL in the middle of its work: every report that it had finished is there, in whole."""
    command = [sys.executable, "-c", textwrap.dedent(KILLED_WRITER), str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(20):
            finished = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
    run = Run.open(tmp_path)

    assert len(ids(run)) % 10 == 0
    assert len(ids(run)) // 10 >= len(run.steps) >= finished == 20
    assert [step.step.id for step in run.steps] == [f"s{number}" for number in range(1, len(run.steps) + 1)]
    RunWriter.reopen(tmp_path).finish()  # the lock died with it


# -- one writer


def test_a_directory_that_holds_a_run_is_not_written_over(tmp_path: Path) -> None:
    """A finished run stays untouched, and the line says what to do."""
    begun(tmp_path, id="first").finish()
    with pytest.raises(RecordError, match="holds a run already: choose another --out, or --resume it"):
        begun(tmp_path, id="second")

    assert Run.open(tmp_path).manifest["id"] == "first"


def test_two_writers_at_once_are_refused(tmp_path: Path) -> None:
    """Neither a new run nor a resumed one may write where another still does; afterwards it may."""
    writer = begun(tmp_path)
    for attempt in (begun, RunWriter.reopen):
        with pytest.raises(RecordError, match="is being written by another process"):
            attempt(tmp_path)
    writer.rows(rows(1, 1))
    writer.finish()
    RunWriter.reopen(tmp_path).finish()

    assert ids(Run.open(tmp_path)) == [1]


def test_a_report_leaves_a_run_alone_that_is_still_being_written(tmp_path: Path) -> None:
    """`convert` does not take the stream away from under its writer."""
    writer = begun(tmp_path)
    writer.rows(rows(1, 1))
    convert(tmp_path)
    writer.rows(rows(2, 1))

    assert ids(Run.open(tmp_path)) == [1, 2]
    assert (tmp_path / "requests.arrows").exists()
    writer.finish()


def test_a_refused_writer_lets_go_of_the_directory(tmp_path: Path) -> None:
    """A failure to begin is not remembered by a lock: the next attempt fails or works for its own reasons."""
    (tmp_path / "run.json").write_text("{}")
    for _ in range(2):
        with pytest.raises(RecordError, match="holds a run already"):
            begun(tmp_path)


# -- clear lines


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, r"holds no run: there is no run\.json in it"),
        (b"", r"run\.json cannot be read: "),
        (b'{"format": 1', r"run\.json cannot be read: "),
        (b"\xff\xfe", r"run\.json cannot be read: "),
        (b"[]", "has format None: this version reads format 1"),
        (b"{}", "has format None: this version reads format 1"),
        (b'{"format": 2}', "has format 2: this version reads format 1"),
    ],
)
def test_what_is_no_run_is_one_clear_line(tmp_path: Path, content: bytes | None, line: str) -> None:
    """A directory without a run, a broken manifest or one of a later version: named, not a traceback."""
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RecordError, match=line) as refused:
        Run.open(tmp_path)

    assert str(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_directory_that_is_not_there_holds_no_run(tmp_path: Path) -> None:
    """The path is named."""
    with pytest.raises(RecordError, match="nowhere holds no run"):
        Run.open(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"{", "cannot be read"),
        (b'{"format": 3, "steps": []}', "has format 3: this version reads format 1"),
        (b'{"format": 1}', "cannot be read by this version: 'steps'"),
        (b'{"format": 1, "steps": [{"step": 1}]}', "cannot be read by this version"),
    ],
)
def test_broken_steps_are_one_clear_line(tmp_path: Path, content: bytes, line: str) -> None:
    """steps.json is held to the same: named, in one line."""
    begun(tmp_path).finish()
    (tmp_path / "steps.json").write_bytes(content)

    with pytest.raises(RecordError, match=line):
        _ = Run.open(tmp_path).steps


def test_a_path_that_cannot_be_a_directory_is_one_clear_line(tmp_path: Path) -> None:
    """Where a file lies in the way, the line names the path and the reason."""
    (tmp_path / "file").write_text("")

    with pytest.raises(RecordError, match=r"cannot write the run to .*file/run: Not a directory"):
        begun(tmp_path / "file" / "run")


def test_a_directory_without_permission_is_one_clear_line(tmp_path: Path) -> None:
    """EACCES is said, and nothing is left behind."""
    root = os.geteuid() == 0
    tmp_path.chmod(0o500)
    if root:  # root may write anywhere: be somebody else for a moment
        os.seteuid(65534)
    try:
        with pytest.raises(RecordError, match=r"cannot write the run to .*/run: Permission denied"):
            begun(tmp_path / "run")
    finally:
        if root:
            os.seteuid(0)
        tmp_path.chmod(0o700)

    assert names(tmp_path) == []


def test_an_atomic_file_is_the_old_one_when_the_new_one_fails(tmp_path: Path, monkeypatch) -> None:
    """A manifest that cannot be written leaves the one before it, and no half file."""
    writer = begun(tmp_path, seed=1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("exporters.files.os.fsync", full)
    with pytest.raises(RecordError, match=r"cannot write the run to .*: No space left on device"):
        writer.update({"seed": 2})
    monkeypatch.undo()

    assert Run.open(tmp_path).manifest["seed"] == 1
    assert not list(tmp_path.glob("*.part"))
    writer.finish()


# -- a full disk, for real


def fill(path: Path) -> None:
    """Take all the space that is left."""
    stat = os.statvfs(path.parent)
    path.write_bytes(b"x" * (stat.f_bavail * stat.f_frsize))


def test_a_full_disk_is_one_clear_line_and_the_run_stays_readable(tiny_disk: Path) -> None:
    """Rows until the disk is full: RecordError; all earlier rows are there; with space again, writing goes on."""
    directory = tiny_disk / "run"
    writer = begun(directory)
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(b"x" * 64_000)
    written = 0
    with pytest.raises(RecordError, match=r"cannot write the run to .*: No space left on device") as refused:
        while written < 1_000:
            writer.rows(rows(written * 100, 100))
            written += 1

    assert 0 < written < 1_000
    assert "\n" not in str(refused.value)
    assert len(ids(Run.open(directory))) == written * 100
    fill(tiny_disk / "rest")
    for refuse in (lambda: writer.steps([record()]), lambda: writer.update({"x": "y" * 5_000})):
        with pytest.raises(RecordError, match="No space left"):
            refuse()
    assert Run.open(directory).manifest == MANIFEST
    ballast.unlink()
    writer.rows(rows(90_000, 70))
    writer.finish()
    assert ids(Run.open(directory)) == [*range(written * 100), *range(90_000, 90_070)]


def test_a_disk_too_full_for_the_end_keeps_the_stream(tiny_disk: Path) -> None:
    """When Parquet does not fit beside the stream, the stream stays what the run is read from."""
    directory = tiny_disk / "run"
    writer = begun(directory)
    writer.rows(rows(0, 300))
    fill(tiny_disk / "ballast")
    with pytest.raises(RecordError, match="No space left"):
        writer.finish()

    assert len(ids(Run.open(directory))) == 300
    assert names(directory) == ["requests.arrows", "responses.jsonl", "run.json"]


def test_rows_that_are_none_do_not_reach_the_file(tmp_path: Path) -> None:
    """A batch that cannot be read would hide all that comes after it: refused before it is written."""
    writer = begun(tmp_path)
    writer.rows(rows(0, 20))
    narrower = pa.record_batch([pa.array([1])], names=["block"]).serialize().to_pybytes()
    for bad in (b"not rows", rows(20, 20)[:-1], rows(20, 20) + b"\x00", narrower):
        with pytest.raises(RecordError, match="rows that cannot be read"):
            writer.rows(bad)
    writer.rows(rows(20, 1))

    assert ids(Run.open(tmp_path)) == list(range(21))
    assert (tmp_path / "requests.arrows").read_bytes().startswith(STREAM_HEAD)
    writer.finish()


def test_the_manifest_is_readable_by_people(tmp_path: Path) -> None:
    """run.json is indented JSON that says its format first."""
    begun(tmp_path, seed=1).finish()
    text = (tmp_path / "run.json").read_text()

    assert text.startswith('{\n  "format": 1,\n')
    assert json.loads(text)["seed"] == 1
