"""Every combination of the flags that decide together, and for each of them a draw of those that decide alone.

Helm starts in 0.09 s and renders a chart in 0.016 s, so one helm renders many: as subcharts of one chart, by aliases.
"""

from __future__ import annotations

import itertools
import json
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from tests.helm.chart import CHART, RELEASE, rendered

Flags = dict[str, Any]
TOGETHER: dict[str, tuple[Any, ...]] = {
    "mode": ("job", "nightly", "interactive"), "workers.count": (0, 2), "simulator.enabled": (True, False),
    "metrics.enabled": (True, False), "gpuExporter.kind": ("off", "daemonset", "snippet"),
    "networkPolicy.enabled": (True, False), "scenario.inline": ("", 'name = "x"'),
}  # fmt: skip
ALONE: dict[str, tuple[Any, ...]] = {
    "metrics.serviceMonitor": (True, False), "metrics.podMonitor": (True, False),
    "metrics.prometheusRule": (True, False), "metrics.dashboards": (True, False), "disruptionBudget": (True, False),
    "results.persistent": (True, False), "results.existingClaim": ("", "mine"), "results.copyTo": ("", "s3://b/runs"),
    "pinned": (True, False), "mesh": (True, False), "serviceAccount": ("", "mine"),
    "nightly.webhookSecret": ("", "chat"), "metrics.credentialsSecret": ("", "push"),
    "target.podLabels": ({}, {"app": "llm"}), "image.pullSecrets": ([], ["pull"]), "priorityClass": ("", "high"),
    "secrets": ([], [{"env": "KEY", "secret": "s", "key": "k"}]),
    "secretFiles": ([], [{"secret": "s", "path": "/etc/s"}]),
}  # fmt: skip
AT_ONCE = 72  # subcharts in one chart
DASHBOARDS = len(list((CHART / "dashboards").glob("*.json")))


def combinations() -> list[Flags]:
    """All of TOGETHER that the schema allows, each with a draw of ALONE by a fixed seed."""
    draw = random.Random(8)
    products = (dict(zip(TOGETHER, values, strict=True)) for values in itertools.product(*TOGETHER.values()))
    allowed = [one for one in products if one["mode"] != "interactive" or one["workers.count"]]
    return [one | {name: draw.choice(values) for name, values in ALONE.items()} for one in allowed]


def nested(flags: Flags) -> dict[str, Any]:
    """Dotted keys as values.yaml has them."""
    values: dict[str, Any] = {}
    for name, value in flags.items():
        *path, last = name.split(".")
        place = values
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return values


def render_all(found: list[Flags], folder: Path, version: int) -> list[list[str]]:
    """For each combination its documents as text, named as if it were a release of its own."""
    texts = []
    for first in range(0, len(found), AT_ONCE):
        texts += _render(found[first : first + AT_ONCE], folder / f"{version}-{first}" / "many", version)
    return texts


def _render(found: list[Flags], chart: Path, version: int) -> list[list[str]]:
    shutil.copytree(CHART, chart / "charts" / "tokenswarm", ignore=shutil.ignore_patterns("ci"))
    aliases = [f"alias{at:03}" for at in range(len(found))]
    needs = [{"name": "tokenswarm", "version": "0.1.0", "alias": alias} for alias in aliases]
    (chart / "Chart.yaml").write_text(
        yaml.safe_dump({"apiVersion": "v2", "name": "many", "version": "0.1.0", "dependencies": needs})
    )
    values = {alias: nested(flags) for alias, flags in zip(aliases, found, strict=True)}
    (chart / "values.yaml").write_text(json.dumps(values))
    parts: dict[str, list[str]] = {alias: [] for alias in aliases}
    for part in rendered(version=version, chart=chart).split("\n---\n"):
        alias = next((alias for alias in aliases if f"-{alias}-" in part), None)
        if alias:  # the rest is comments
            parts[alias].append(part.replace(f"{RELEASE}-{alias}", "x").replace(alias, "tokenswarm"))
    return list(parts.values())


def expected(flags: Flags) -> Counter[str]:
    """How many documents of each kind a combination makes; said here a second time, on purpose."""
    page, workers = flags["mode"] == "interactive", bool(flags["workers.count"])
    runs = {"job": "Job", "nightly": "CronJob", "interactive": "Deployment"}[flags["mode"]]
    simulated, gpu = flags["simulator.enabled"], flags["gpuExporter.kind"]
    policies = flags["networkPolicy.enabled"] * (1 + workers + 2 * simulated + (gpu == "daemonset"))
    kinds = Counter({runs: 1 + workers})
    kinds += Counter({"Deployment": simulated, "Pod": simulated, "DaemonSet": gpu == "daemonset"})
    kinds["Service"] = (workers or page or flags["metrics.enabled"]) + page + simulated + (gpu == "daemonset")
    kinds["ConfigMap"] = (
        simulated + bool(flags["scenario.inline"]) + (gpu == "snippet") + DASHBOARDS * flags["metrics.dashboards"]
    )
    kinds["NetworkPolicy"] = policies
    kinds["PodDisruptionBudget"] = flags["disruptionBudget"] * (1 + workers)
    kinds["PersistentVolumeClaim"] = flags["results.persistent"] and not flags["results.existingClaim"]
    kinds["ServiceMonitor"] = flags["metrics.serviceMonitor"] * (flags["metrics.enabled"] + (gpu == "daemonset"))
    kinds["PodMonitor"] = flags["metrics.podMonitor"] * flags["metrics.enabled"]
    kinds["PrometheusRule"] = flags["metrics.prometheusRule"]
    return Counter({kind: int(count) for kind, count in kinds.items() if count})
