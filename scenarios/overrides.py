"""`--set dotted.key=VALUE` on the command line: changes to a scenario's data before it is read."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from scenarios.wrong import ScenarioError, Where, dotted, printable, show


def apply(data: dict[str, Any], overrides: Sequence[str]) -> list[Where]:
    """Put every override into the data, in order, creating tables on the way; returns the keys that were set."""
    return [_apply(data, override) for override in overrides]


def _apply(data: dict[str, Any], override: str) -> Where:
    key, equals, text = override.partition("=")
    path = parse_key(key)
    if not equals or path is None:
        raise ScenarioError(f"--set {printable(key)}: expected KEY=VALUE, such as --set ladder.at=4")
    table = data
    for depth, part in enumerate(path[:-1], start=1):
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            whole, inner = dotted(tuple(path)), dotted(tuple(path[:depth]))
            raise ScenarioError(f"--set {whole}: {inner} = {show(table)} is a value, not a table with keys")
    table[path[-1]] = parse_value(text)
    return tuple(path)


def parse_key(text: str) -> list[str] | None:
    """The parts of a dotted key as TOML reads it (quotes allowed); None when it is no key.

    Parts that TOML would want in quotes are taken as they stand, since a shell eats quotes: slo.cells.long/*.ttft.
    """
    if "\n" in text or "\r" in text:
        return None
    text = text.strip()
    try:
        table = tomllib.loads(f"{text} = 0")
    except ValueError:
        parts = [part.strip() for part in text.split(".")]
        return parts if all(parts) and not set(text) & set("\"'") else None
    path = []
    while isinstance(table, dict):
        if len(table) != 1:
            return None
        (name, table), *_ = table.items()
        path.append(name)
    return path


def parse_value(text: str) -> Any:
    """A TOML value, else the text as a string."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text
