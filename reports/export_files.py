"""Flat tables as files: CSV and Parquet, a file for each table; Excel, a sheet for each.

Texts come from services, and a spreadsheet takes a text that begins with `=` for a formula. In CSV such a text begins
with an apostrophe, as OWASP advises; in Excel every text is written as a text.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from exporters.files import replace
from reports.export_tables import Tables, Value, columns_of
from reports.units import BEYOND

ACTIVE = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # also as full-width characters
LARGEST_WHOLE = 2**63
LONGEST_NAME = 31  # of a sheet
WIDEST = 40  # characters of a column


def write_csv(tables: Tables, folder: Path) -> None:
    """`<table>.csv` in UTF-8; a value that is absent is empty, a quantile beyond the timeout is `inf`."""
    for name, rows in tables.items():
        text, columns = io.StringIO(), columns_of(rows)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([defused(column) for column in columns])
        writer.writerows([defused(row.get(column)) for column in columns] for row in rows)
        replace(folder / f"{name}.csv", text.getvalue().encode())


def defused(value: Value) -> Value:
    """The value, and a text that a spreadsheet would take for a formula with an apostrophe in front of it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(ACTIVE) else value


def write_parquet(tables: Tables, folder: Path) -> None:
    """`<table>.parquet`: numbers are numbers, what is a number in one row and a text in another is a text."""
    for name, rows in tables.items():
        columns = {column: _array([row.get(column) for row in rows]) for column in columns_of(rows)}
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table(columns), sink, compression="zstd")
        replace(folder / f"{name}.parquet", sink.getvalue().to_pybytes())


def _array(values: list[Value]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool} or (kinds == {int} and all(abs(int(value or 0)) < LARGEST_WHOLE for value in values)):
        return pa.array(values)
    if kinds and kinds <= {int, float}:
        return pa.array([None if value is None else float(value) for value in values])
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def write_xlsx(tables: Tables, folder: Path) -> None:
    """`tables.xlsx`: a sheet for each table with its head frozen and a filter."""
    data = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(data, options) as book:
        bold, names = book.add_format({"bold": True}), set[str]()
        for name, rows in tables.items():
            sheet = book.add_worksheet(_sheet_name(name, names))
            columns = columns_of(rows)
            for place, column in enumerate(columns):
                sheet.write_string(0, place, column, bold)
                sheet.set_column(place, place, min(max(len(column), 8) + 2, WIDEST))
            for number, row in enumerate(rows, start=1):
                _write_row(sheet, number, [row.get(column) for column in columns])
            sheet.freeze_panes(1, 0)
            sheet.autofilter(0, 0, len(rows), len(columns) - 1)
    replace(folder / "tables.xlsx", data.getvalue())


def _write_row(sheet: xlsxwriter.worksheet.Worksheet, number: int, values: list[Value]) -> None:
    for place, value in enumerate(values):
        if isinstance(value, bool):
            sheet.write_boolean(number, place, value)
        elif isinstance(value, int | float):
            if math.isfinite(value):
                sheet.write_number(number, place, value)
            else:  # Excel has no infinity
                sheet.write_string(number, place, BEYOND)
        elif value is not None:
            sheet.write_string(number, place, value)


def _sheet_name(name: str, taken: set[str]) -> str:
    """Unique and short enough; Excel takes names that differ in case only for the same."""
    short, number = name[:LONGEST_NAME], 2
    while short.lower() in taken:
        short, number = f"{name[: LONGEST_NAME - 3]}_{number}", number + 1
    taken.add(short.lower())
    return short
