"""Values: each is described, checked by the schema, and refused with the schema's words when it is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, HELMS, helm
from tests.helm.values_table import values, with_table

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))


def leaves(node: Any, at: str = "") -> set[str]:
    """Dotted keys of all values; one whose keys are the user's own is a leaf."""
    if not isinstance(node, dict) or not node or at in ("gpuExporter.nodeSelector", "metrics.dashboardLabels"):
        return {at}
    return set().union(*(leaves(value, f"{at}.{key}" if at else key) for key, value in node.items()))


def known(schema: Any, at: str = "") -> set[str]:
    """Dotted keys that the schema knows."""
    if "properties" not in schema:
        return {at}
    assert schema["additionalProperties"] is False, at
    return set().union(*(known(one, f"{at}.{key}" if at else key) for key, one in schema["properties"].items()))


def test_every_value_is_described_and_known() -> None:
    """values.yaml, its descriptions and the strict schema have the same keys (`global` is helm's own)."""
    assert {value.key for value in values()} == leaves(DEFAULTS)
    assert known(SCHEMA) - {"global"} == leaves(DEFAULTS)


def test_the_readme_has_the_table() -> None:
    """It is made from values.yaml: python -m tests.helm.values_table."""
    readme = (CHART / "README.md").read_text(encoding="utf-8")

    assert with_table(readme) == readme
    assert readme.count("\n| `") == len(values())


WRONG = [
    ("mode=daily", ("mode", "job")),
    ("wrokers.count=3", ("wrokers",)),
    ("workers.replicas=3", ("replicas",)),
    ("workers.count=-1", ("workers", "count")),
    ("workers.count=two", ("workers", "count", "integer")),
    ("mode=interactive,workers.count=0", ("workers", "count")),
    ("workers.memory=2 GB", ("workers", "memory", "pattern")),
    ("gracePeriod=5", ("gracePeriod")),
    ("nightly.schedule=nightly", ("schedule", "pattern")),
    ("nightly.keep=0", ("keep")),
    ("results.copyTo=s3://key:secret@bucket/runs", ("copyTo", "pattern")),
    ("secrets[0].env=LLM_API_KEY,secrets[0].value=sk-1", ("secrets", "value")),
    ("simulator.profile=large", ("profile", "small")),
    ("gpuExporter.kind=on", ("gpuExporter", "kind")),
]


@pytest.mark.parametrize("version", HELMS)
def test_wrong_values_are_refused_by_name(version: int) -> None:
    """Each is refused with the path of the value and what it must be; no secret can be given as a value."""
    for wrong, said in WRONG:
        done = helm("template", "x", CHART, "--set", wrong, version=version)
        assert done.returncode != 0, wrong
        for word in said:
            assert word in done.stderr, (wrong, done.stderr)
