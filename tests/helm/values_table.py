"""The table of the chart's values for its README: key, default and what values.yaml says of it.

python -m tests.helm.values_table        writes it into helm/tokenswarm/README.md
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import yaml

from tests.helm.chart import CHART

BEGIN, END = "<!-- values: made by `python -m tests.helm.values_table` -->\n", "<!-- /values -->\n"


class Value(NamedTuple):
    """A key of the values, dotted; its default as JSON; what it is."""

    key: str
    default: str
    words: str


def values() -> list[Value]:
    """Every key under a line `# -- words`, in the file's order."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    defaults, found, path, words = yaml.safe_load(text), [], [], ""
    for line in text.splitlines():
        if said := re.fullmatch(r" *# -- (.*)", line):
            words = said[1]
        elif key := re.match(r"( *)([A-Za-z]\w*):", line):
            path = [*path[: len(key[1]) // 2], key[2]]
            if words:
                found.append(Value(".".join(path), json.dumps(_at(defaults, path)), words))
            words = ""
    return found


def _at(values: object, path: list[str]) -> object:
    for part in path:
        values = values[part]  # type: ignore[index]
    return values


def table() -> str:
    """As Markdown."""
    rows = [f"| `{value.key}` | `{value.default}` | {value.words} |\n" for value in values()]
    return "".join(["| value | default | what it is |\n", "|---|---|---|\n", *rows])


def with_table(readme: str) -> str:
    """A README with the table between its marks."""
    before, _, rest = readme.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    path = CHART / "README.md"
    path.write_text(with_table(path.read_text(encoding="utf-8")), encoding="utf-8")
