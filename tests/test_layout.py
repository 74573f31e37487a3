"""The house: who may import whom, how large things may be, what Locust's loader needs of the entry files."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.scenario import APIS

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("scenarios", "locustfiles", "shapes", "exporters", "reports", "simulator", "web")
WIRE_PACKAGES = {"gevent", "httptools", "msgspec", "tiktoken"}
GPU = (
    "gpu", "gpu_devices", "gpu_fields", "gpu_health", "gpu_integral", "gpu_processes", "gpu_roster",
    "gpu_tier", "gpu_words", "gpu_xid",
)  # fmt: skip
WIRE = ("_wire", "_sse", "_lines", "_dialects", "_prompts", "_tokens", "_tasks", "_outcome")

# file (room.stem or room.*) -> rooms it may import (its own is always allowed), third-party packages it may import
FLOORS: list[tuple[str, set[str], set[str]]] = [
    ("scenarios.*", set(), {"msgspec"}),
    ("exporters.record", {"scenarios"}, {"numpy", "pyarrow", "msgspec"}),
    ("exporters.rows", {"scenarios"}, {"numpy", "pyarrow", "msgspec"}),
    ("exporters.writer", {"scenarios"}, {"numpy", "pyarrow", "msgspec"}),
    ("exporters.chunks", {"scenarios"}, {"numpy", "pyarrow", "msgspec"}),
    ("exporters.samples", set(), {"pyarrow"}),
    ("exporters.copies", set(), {"pyarrow"}),
    ("exporters.server", set(), {"prometheus_client"}),
    ("exporters.remote_write", set(), {"cramjam"}),
    ("exporters.dashboards", set(), {"grafana_foundation_sdk"}),  # a dependency of development
    *((f"exporters.{stem}", set(), {"prometheus_client", "pynvml"}) for stem in GPU),
    ("exporters.beside", set(), {"gevent"}),
    ("exporters.pushing", set(), {"gevent"}),
    ("exporters.*", {"scenarios"}, {"numpy", "msgspec"}),
    *((f"locustfiles.{stem}", {"scenarios", "exporters"}, WIRE_PACKAGES) for stem in WIRE),
    ("locustfiles._datasets", {"scenarios"}, {"pyarrow"}),  # Parquet
    ("locustfiles.*", {"scenarios", "exporters"}, {"locust", "gevent", "msgspec", "numpy", "httptools", "tiktoken"}),
    ("shapes._words", set(), {"typer"}),
    ("shapes._progress", {"scenarios", "exporters"}, {"rich"}),
    ("shapes._prices", {"scenarios"}, {"msgspec", "genai_prices"}),
    ("shapes._web", {"scenarios", "exporters", "web"}, {"gevent", "msgspec", "flask", "locust"}),
    ("web.bundle", set(), {"vl_convert"}),
    ("web.*", {"scenarios", "exporters"}, {"flask", "flask_login", "msgspec"}),
    ("shapes._preview", {"scenarios", "exporters"}, {"rich"}),
    ("shapes.*", {"scenarios", "exporters"}, {"locust", "gevent", "msgspec", "scipy"}),
    ("reports.export_files", {"exporters"}, {"pyarrow", "xlsxwriter"}),
    ("reports.vocabulary", set(), {"tiktoken"}),
    ("reports.*", {"scenarios", "exporters"}, {
        "numpy", "pandas", "pyarrow", "scipy", "altair", "vl_convert", "jinja2", "markupsafe", "rich", "msgspec",
    }),
    ("simulator.demo", {"scenarios"}, {"msgspec", "rich"}),
    ("simulator.*", set(), {"uvloop", "httptools", "msgspec", "tiktoken", "xllamacpp"}),
]  # fmt: skip


FRONT_DOOR = ROOT / "tokenswarm.py"


def files() -> list[Path]:
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Top-level package names that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").split(".")[0]


def floor_of(path: Path) -> tuple[set[str], set[str]]:
    room, inside = path.relative_to(ROOT).parts[0], path.relative_to(ROOT).parts[1].removesuffix(".py")
    for pattern, rooms, packages in FLOORS:
        if pattern in (f"{room}.{inside}", f"{room}.*"):
            return rooms | {room}, packages
    raise AssertionError(f"{path} has no floor")


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_its_floor_allows(path: Path) -> None:
    """Rooms stay apart: no file imports a room or a package that the floor table does not give it."""
    rooms, packages = floor_of(path)
    ours = {name for name in imports(path) if name in ROOMS}
    others = set(imports(path)) - set(ROOMS) - set(sys.stdlib_module_names)

    assert ours <= rooms
    assert others <= packages


@pytest.mark.parametrize("path", [FRONT_DOOR, *files()], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    """No file beyond 300 lines, no function beyond 60."""
    text = path.read_text(encoding="utf-8")
    lengths = {node.name: node.end_lineno - node.lineno + 1 for node in functions(text)}

    assert len(text.splitlines()) <= 300
    assert {name: length for name, length in lengths.items() if length > 60} == {}


def functions(text: str) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_the_median_function_is_short() -> None:
    """Over all rooms the median function has at most 10 lines."""
    lengths = [node.end_lineno - node.lineno + 1 for path in files() for node in functions(path.read_text())]

    assert statistics.median(lengths) <= 10


def entries() -> list[Path]:
    return [path for room in ("locustfiles", "shapes") for path in (ROOT / room).glob("[!_]*.py")]


def test_entry_stems_are_unique_and_shadow_nothing() -> None:
    """Locust loads an entry as a top-level module named by its stem: it must not hide a module that others import."""
    stems = [path.stem for path in entries()]
    packages = set(importlib.metadata.packages_distributions())

    assert sorted(stems) == sorted(set(stems))
    assert set(stems) & (set(sys.stdlib_module_names) | packages | set(ROOMS)) == set()


def test_entry_files_are_never_imported() -> None:
    """A file that is both imported and given to -f runs twice."""
    names = {f"{path.parent.name}.{path.stem}" for path in entries()}
    imported = {
        node.module
        for path in [*files(), FRONT_DOOR]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
    }

    assert names & imported == set()


def test_every_entry_of_an_api_is_a_file() -> None:
    """What `run` gives to Locust for an API is there. The table is read, not imported: Locust patches what it meets."""
    tree = ast.parse((ROOT / "shapes" / "_launch.py").read_text(encoding="utf-8"))
    (table,) = [node.value for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "ENTRIES"]
    named = ast.literal_eval(table)

    assert set(named) <= set(APIS)
    assert set(named.values()) <= {path.stem for path in (ROOT / "locustfiles").glob("[!_]*.py")}


def test_nothing_is_called_core_or_utils() -> None:
    """No room, file or class is named after nothing in particular."""
    vague = ("core", "common", "utils", "base", "manager", "factory", "registry", "helper")
    names = [path.stem.strip("_") for path in files()]

    assert [name for name in names if name in vague] == []


# -- what code cites (docs/)

DOCS = ROOT / "docs"
CITING = ("*.py", "tests/**/*.py", "benchmarks/**/*.py", *(f"{room}/**/*.py" for room in ROOMS))


def cited(pattern: str) -> set[str]:
    """What the first group of a pattern matches in any of our files."""
    texts = (path.read_text(encoding="utf-8") for glob in CITING for path in ROOT.glob(glob))
    return {found for text in texts for found in re.findall(pattern, text)}


def headings(document: str) -> list[str]:
    """The headings of a document, without their signs."""
    lines = (DOCS / document).read_text(encoding="utf-8").splitlines()
    return [line.lstrip("#").strip() for line in lines if line.startswith("#")]


def test_every_section_of_the_design_that_code_cites_is_there() -> None:
    """DESIGN N or N.M in a file is a heading of docs/DESIGN.md."""
    numbers = {re.match(r"[0-9.]*", heading)[0].rstrip(".") for heading in headings("DESIGN.md")}
    found = cited(r"\bDESIGN ([0-9]+(?:\.[0-9]+)?)")

    assert {"3.4", "3.5", "4", "5"} <= found
    assert found <= numbers


def test_every_part_of_the_definitions_that_code_cites_is_there() -> None:
    """A name in quotes after METRICS begins a heading of docs/METRICS.md, METRICS cost N is one of its five steps."""
    known = [heading.lower() for heading in headings("METRICS.md")]
    parts = {part.lower() for part in cited(r"\bMETRICS(?:'|) \"([A-Za-z][^\"]+)\"")}
    steps = cited(r"\bMETRICS cost (?:step )?([0-9])")

    assert {part for part in parts if not any(heading.startswith(part) for heading in known)} == set()
    assert steps <= {heading[0] for heading in known}
    assert parts
    assert steps


def test_every_fact_about_locust_that_code_cites_is_there() -> None:
    """Fact N in a file is one of those in the appendix of docs/DESIGN.md, which are numbered without a gap."""
    appendix = (DOCS / "DESIGN.md").read_text(encoding="utf-8").partition("## Appendix")[2]
    numbers = re.findall(r"^([0-9]+)\. \*\*", appendix, re.MULTILINE)
    found = {number for some in cited(r"\b[Ff]acts? ([0-9]+(?:, [0-9]+)*)") for number in some.split(", ")}

    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    assert "6" in found
    assert found <= set(numbers)
