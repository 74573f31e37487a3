"""Reads a scenario: a TOML file and `--set` overrides in, a frozen Scenario or one clear line out."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from scenarios import overrides as changes
from scenarios.check import check
from scenarios.complete import complete, readable
from scenarios.refused import refuse_secrets
from scenarios.scenario import Scenario
from scenarios.schema import read
from scenarios.wrong import ScenarioError, Where, Wrong, printable

__all__ = ["ScenarioError", "load_scenario", "scenario_from_wire", "scenario_to_wire"]


def load_scenario(path: str | Path, overrides: Sequence[str] = ()) -> Scenario:
    """The scenario in a file, with overrides ("dotted.key=VALUE") put in; raises ScenarioError in one line."""
    data = _parse(Path(path))
    changed = changes.apply(data, overrides)
    try:
        return scenario_of(data, Path(path), changed, os.environ)
    except Wrong as wrong:
        raise ScenarioError(wrong.line(_source(wrong.where, changed, path), data)) from None


def scenario_of(data: dict[str, Any], path: Path, changed: Sequence[Where], environment: Mapping[str, str]) -> Scenario:
    """The scenario that parsed data describes; raises Wrong. A name that is not given is the file's."""
    refuse_secrets(data)
    given = {"name": path.stem, **data}
    plain = {**given, "matrix": _without_cells(given["matrix"])} if "matrix" in given else given
    scenario = msgspec.convert(read(plain, Scenario), Scenario)

    def locate(name: str, at: Where) -> str:
        return readable(name if at in changed else path.parent / os.path.expanduser(name), name, at)

    scenario = complete(scenario, given, locate)
    check(scenario, environment)
    return scenario


def scenario_to_wire(scenario: Scenario) -> dict[str, Any]:
    """The scenario as JSON-able data; it holds the names of secrets, never a secret."""
    wire: dict[str, Any] = msgspec.to_builtins(scenario)
    return wire


def scenario_from_wire(data: dict[str, Any]) -> Scenario:
    """The scenario that `scenario_to_wire` wrote, complete as it was; nothing of this machine is looked at."""
    try:
        return msgspec.convert(data, Scenario)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"the scenario of this run cannot be read by this version: {error}") from None


def _parse(path: Path) -> dict[str, Any]:
    name = printable(str(path))
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{name}: not UTF-8 (byte {error.start + 1}): save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{name}: not TOML: {printable(str(error))}") from None
    except FileNotFoundError:
        raise ScenarioError(f"{name}: no such file; scenarios to start from: {', '.join(presets())}") from None
    except OSError as error:
        raise ScenarioError(f"{name}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # a NUL in the name, an integer of 5,000 digits, 1,000 brackets
        raise ScenarioError(f"{name}: cannot be read: {printable(str(error))}") from None


def presets() -> list[str]:
    """The scenarios that come with tokenswarm, as paths."""
    return sorted(os.path.relpath(file) for file in Path(__file__).parent.glob("*.toml"))


def _without_cells(matrix: Any) -> Any:
    """The [matrix] table without `cells`, which are names in a file and Cells in a Scenario."""
    return {key: value for key, value in matrix.items() if key != "cells"} if isinstance(matrix, dict) else matrix


def _source(where: Where, changed: Sequence[Where], path: str | Path) -> str:
    """Where a key came from: the file, or the command line when an override set it or a table around or within it."""
    for key in changed:
        shared = min(len(key), len(where))
        if shared and key[:shared] == where[:shared]:
            return "--set "
    return f"{printable(str(path))}: "
