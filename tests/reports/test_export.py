"""What other tools read: every value is in a table, nothing comes alive in a spreadsheet, llm-d reads its reports."""

from __future__ import annotations

import csv
import json
import math
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llmd_benchmark_report.core import import_benchmark_report
from typer.testing import CliRunner

from exporters.files import RecordError, read_summary, replace_json
from reports.export import export
from reports.export_files import ACTIVE, defused, write_csv, write_parquet, write_xlsx
from reports.export_llmd import documents
from reports.export_tables import columns_of, tables_of
from reports.write import write_report
from tests.exporters.synthetic import synthetic_run
from tokenswarm import app

COST = {"requests_per_month": 1_000_000, "api": {"input": 0.15, "output": 0.6}, "gpu": {"hourly": 2.5}}
EVIL = '=HYPERLINK("http://evil","x")'


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two arms with failures, an SLO and prices; its report is written, and one text in it is hostile."""
    more = {"slo": {"ttft": "100ms"}, "cost": COST}
    run = synthetic_run(tmp_path_factory.mktemp("export") / "run", blocks=4, failures=0.1, more=more)
    write_report(run)
    summary = read_summary(run)
    summary["anomalies"][0]["text"] = EVIL
    replace_json(run / "summary.json", summary)
    return run


def values(of: Any) -> int:
    """How many numbers, texts and nulls there are in some JSON; a list of words is one."""
    if isinstance(of, dict):
        return sum(map(values, of.values()))
    if isinstance(of, list) and any(isinstance(one, dict) for one in of):
        return sum(map(values, of))
    return 2 if isinstance(of, list) and len(of) == 2 and not any(isinstance(one, str) for one in of) else 1


def test_every_value_is_in_a_table(run: Path) -> None:
    """As many as the summary has, but the format's number; what hangs below an entry says below which."""
    summary = read_summary(run)
    tables = tables_of(summary)
    expected = {"run", "verdict", "steps", "tasks", "points", "comparisons", "capacity", "cost", "cost_prices"}

    assert set(tables) > expected | {"growth", "growth_gains", "anomalies", "anomaly_counts"}
    assert {row["arm"] for row in tables["growth_gains"]} == {"baseline", "candidate"}
    of_lists = {name: summary[name] for name in ("steps", "tasks", "points", "comparisons", "capacity", "anomalies")}
    for name, entries in of_lists.items():
        assert sum(len(row) for row in tables[name]) == values(entries)


def test_a_point_reads_as_in_the_summary(run: Path) -> None:
    """Columns are paths, an interval is two of them, and a quantile beyond the timeout is infinite."""
    point = read_summary(run)["points"][0]
    row = tables_of(read_summary(run))["points"][0]

    assert row["ttft_s.mean"] == point["ttft_s"]["mean"]
    assert (row["ttft_s.mean_ci.low"], row["ttft_s.mean_ci.high"]) == tuple(point["ttft_s"]["mean_ci"])
    assert (row["cell.input"], row["requests.by_outcome.ok"]) == ("short", point["requests"]["ok"])
    assert point["ttft_s"]["p95"] is None, "a tenth failed"
    assert row["ttft_s.p95"] == math.inf


def test_csv_and_parquet_and_excel_agree(run: Path) -> None:
    """The same tables, columns and values in all three; numbers stay numbers."""
    tables = tables_of(read_summary(run))
    places = {to: export(run, to, None) for to in ("csv", "parquet", "xlsx")}

    assert {file.stem for file in places["csv"].iterdir()} == {file.stem for file in places["parquet"].iterdir()}
    assert {file.stem for file in places["csv"].iterdir()} == set(tables)
    for name, rows in tables.items():
        kept = pq.read_table(places["parquet"] / f"{name}.parquet")
        read = list(csv.DictReader((places["csv"] / f"{name}.csv").open(encoding="utf-8")))
        assert kept.column_names == list(read[0]) == columns_of(rows)
        assert [kept.num_rows, len(read)] == [len(rows)] * 2
    points = pq.read_table(places["parquet"] / "points.parquet")
    assert points["ttft_s.mean"].to_pylist() == [row.get("ttft_s.mean") for row in tables["points"]]
    assert sheets(places["xlsx"] / "tables.xlsx") == list(tables)


def sheets(file: Path) -> list[str]:
    with zipfile.ZipFile(file) as book:
        tree = ElementTree.fromstring(book.read("xl/workbook.xml"))
    return [sheet.attrib["name"] for sheet in tree.iter() if sheet.tag.endswith("}sheet")]


def test_no_text_becomes_a_formula(run: Path) -> None:
    """A hostile reply is a text in Excel (no formula, no link) and begins with an apostrophe in CSV."""
    with zipfile.ZipFile(export(run, "xlsx", None) / "tables.xlsx") as book:
        inside = {name: book.read(name).decode() for name in book.namelist() if name.startswith("xl/")}
    rows = list(csv.DictReader((export(run, "csv", None) / "anomalies.csv").open(encoding="utf-8")))

    assert rows[0]["text"] == f"'{EVIL}"
    assert "=HYPERLINK(" in inside["xl/sharedStrings.xml"]
    assert not any("<f>" in text or "<hyperlink" in text for text in inside.values())


@given(st.text() | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none())
def test_only_what_may_be_a_formula_is_changed(value: Any) -> None:
    """Numbers, also negative ones, and ordinary texts stay as they are."""
    now = defused(value)

    assert not (isinstance(now, str) and now.startswith(ACTIVE))
    assert now == value or (isinstance(value, str) and now == f"'{value}" and value.startswith(ACTIVE))


def test_hostile_names_and_odd_values_are_tables_too(tmp_path: Path) -> None:
    """Half a surrogate, an escape, a name as a column, 10^30, a text among numbers: all four formats write it."""
    odd = {"=cmd": "a\ud800b\x1b[31m\u202e", "x": 10**30, "y": "z" * 100_000, "both": 1}
    tables = tables_of({"cost": [odd, {"both": "two", "x": 1}], "a" * 40: {"v": 1}, "a" * 45: {"v": 2.5}})
    for write in (write_csv, write_parquet, write_xlsx):
        write(tables, tmp_path)
    head, first, _ = (tmp_path / "cost.csv").read_text(encoding="utf-8").splitlines()

    assert head == "'=cmd,x,y,both"
    assert first.startswith("ab[31m,1000000000000000000000000000000,zzz")
    assert pq.read_table(tmp_path / "cost.parquet")["x"].to_pylist() == [1e30, 1.0]
    assert pq.read_table(tmp_path / "cost.parquet")["both"].to_pylist() == ["1", "two"]
    assert sheets(tmp_path / "tables.xlsx") == ["cost", "a" * 31, "a" * 28 + "_2"]


def test_llmd_reads_its_reports(run: Path) -> None:
    """llm-d-benchmark's own package takes every document: units, required keys, no key too many."""
    summary = read_summary(run)
    files = sorted(export(run, "llm-d", None).iterdir())
    read = [import_benchmark_report(str(file)) for file in files]
    first, point = read[0].results.request_performance.aggregate, summary["points"][0]

    assert len(files) == len(summary["points"]) + len(summary["tasks"])
    assert files[0].name == "000-baseline-short-short-at-4.json"
    assert {report.version for report in read} == {"0.2"}
    assert len({report.run.uid for report in read}) == len(read)
    assert first.requests.total == point["requests"]["sent"] == first.requests.failures + point["requests"]["ok"]
    assert first.latency.time_to_first_token.mean == point["ttft_s"]["mean"]
    assert first.latency.time_to_first_token.p95 is None, "beyond the timeout: left out, never a number"
    assert first.throughput.output_token_rate.mean == point["throughput"]["output_tokens"]
    assert first.requests.input_length.mean == 128
    load = read[0].scenario.load.standardized
    assert (load.concurrency, load.input_seq_len.value, load.output_seq_len.value) == (4, 128, 16)


def test_a_gap_of_several_tokens_is_no_latency_between_tokens(run: Path) -> None:
    """With 1.5 tokens in a chunk the gaps are of chunks; with one they are llm-d's inter-token latency."""
    summary, manifest = read_summary(run), json.loads((run / "run.json").read_text(encoding="utf-8"))
    summary["points"][0]["tokens"]["tokens_per_chunk"] = 1.5
    latency = [one["results"]["request_performance"]["aggregate"]["latency"] for one in documents(summary, manifest)]

    assert "inter_token_latency" not in latency[0]
    assert latency[1]["inter_token_latency"]["units"] == "s/token"


def test_the_verb_says_where_or_why_not(run: Path, tmp_path: Path) -> None:
    """The place on stdout; without a report one line that names the way, and another format's number is refused."""
    done = CliRunner().invoke(app, ["export", str(run), "--to", "parquet", "--out", str(tmp_path / "here")])

    assert done.output.strip() == str(tmp_path / "here")
    assert (tmp_path / "here" / "points.parquet").exists()
    with pytest.raises(RecordError, match="make it by `tokenswarm report"):
        export(tmp_path, "csv", None)
    replace_json(tmp_path / "summary.json", {"format": 9})
    with pytest.raises(RecordError, match="has format 9: this version reads format 1"):
        export(tmp_path, "csv", None)
