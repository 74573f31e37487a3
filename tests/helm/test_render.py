"""Real helm 4 and 3: what they render is what Kubernetes takes, in every combination, and as much as is expected."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.prometheus_operator.v1 import PodMonitor, PrometheusRule, ServiceMonitor

from tests.helm.chart import CHART, CI, HELMS, documents, helm, rendered
from tests.helm.combinations import ALONE, TOGETHER, combinations, expected, render_all


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read each schema once: it would be read from disk for every document."""
    monkeypatch.setattr(kubernetes_validate.utils, "schema_contents", read_schema)


read_schema = functools.cache(kubernetes_validate.utils.schema_contents)
OLDEST, NEWEST = "1.25", "1.37"  # Chart.yaml's kubeVersion, and the newest whose schemas there are
CRDS = {"ServiceMonitor": ServiceMonitor, "PodMonitor": PodMonitor, "PrometheusRule": PrometheusRule}
NOTE = "[INFO] Chart.yaml: icon is recommended"


def validated(texts: set[str]) -> Counter[str]:
    """Have each document judged by Kubernetes' own schemas, or its operator's types; how many of each kind."""
    kinds: Counter[str] = Counter()
    for document in itertools.chain.from_iterable(map(documents, texts)):
        kinds[document["kind"]] += 1
        if document["kind"] in CRDS:
            CRDS[document["kind"]].model_validate(document, strict=False, extra="forbid")
            continue
        for version in (OLDEST, NEWEST):
            assert kubernetes_validate.validate(document, version, strict=True) == version
    return kinds


@pytest.mark.parametrize("version", HELMS)
def test_lint_is_content(version: int) -> None:
    """`helm lint --strict` of the defaults and of every file in ci/: nothing but the wish for an icon."""
    for values in ([], *(["--values", path] for path in CI)):
        done = helm("lint", CHART, "--strict", *values, version=version)
        assert done.returncode == 0, done.stdout
        assert [line for line in done.stdout.splitlines() if line.startswith("[")] == [NOTE]


def test_every_feature_renders_alike(tmp_path: Path) -> None:
    """Every file in ci/ and the defaults: helm 3 and 4 give the same documents, all of them valid."""
    texts: set[str] = set()
    for values in ([], *(["--values", path] for path in CI)):
        four, three = (rendered(*values, version=version) for version in (4, 3))
        assert documents(four) == documents(three)
        texts |= set(four.split("\n---\n"))

    kinds = validated(texts)
    assert len(CI) >= 10
    assert kinds.total() == len(texts)
    assert set(CRDS) <= set(kinds)
    assert {"Job", "CronJob", "Deployment", "DaemonSet", "Pod", "PersistentVolumeClaim"} <= set(kinds)


def test_the_oldest_version_is_the_one_that_the_chart_asks_for() -> None:
    """kubeVersion promises what is validated here."""
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"] == f">={OLDEST}.0-0"
    assert kubernetes_validate.latest_version().startswith(f"{NEWEST}.")


def test_the_draws_hold_every_three_values_at_once() -> None:
    """Whatever three flags one takes, each combination of their values is among those that are rendered."""
    found, flags = combinations(), TOGETHER | ALONE
    never = {("mode", "interactive"), ("workers.count", 0)}  # the schema refuses it
    for three in itertools.combinations(flags, 3):
        seen = {tuple(map(repr, (one[name] for name in three))) for one in found}
        wanted = {
            tuple(map(repr, values))
            for values in itertools.product(*(flags[name] for name in three))
            if not never <= set(zip(three, map(str_or_number, values), strict=True))
        }
        assert wanted <= seen, three


def str_or_number(value: object) -> object:
    return value if isinstance(value, str | int) else repr(value)


@pytest.mark.timeout(300)
def test_every_combination_is_valid_and_complete(tmp_path: Path) -> None:
    """Each makes the objects that it is expected to make, alike in helm 3; each that differs is judged once."""
    found = combinations()
    texts, three = (render_all(found, tmp_path, version) for version in (4, 3))
    for flags, parts in zip(found, texts, strict=True):
        kinds = Counter(line.removeprefix("kind: ") for part in parts for line in part.splitlines() if kind_of(line))
        assert kinds == expected(flags), flags

    distinct = {part for parts in texts for part in parts}
    assert {part.strip() for part in distinct} == {part.strip() for parts in three for part in parts}
    assert len(found) == 240
    assert sum(map(len, texts)) > 2400
    assert validated(distinct).total() == len(distinct)


def kind_of(line: str) -> bool:
    """Whether a line names a document's kind."""
    return line.startswith("kind: ")
