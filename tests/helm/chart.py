"""The chart as real helm renders it: documents, pods, and what their containers are told."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "helm" / "tokenswarm"
HELMS = {4: ROOT / ".venv" / "helm" / "helm4", 3: ROOT / ".venv" / "helm" / "helm3"}
CI = sorted((CHART / "ci").glob("*-values.yaml"))
RELEASE = "night"
Document = dict[str, Any]


def helm(verb: str, *arguments: str | Path, version: int = 4) -> subprocess.CompletedProcess[str]:
    """Run helm to its end."""
    binary = HELMS[version]
    assert binary.exists(), f"{binary} is missing: make .venv/helm/helm4"
    return subprocess.run([binary, verb, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def rendered(*arguments: str | Path, version: int = 4, chart: Path = CHART) -> str:
    """All documents of a release, as YAML."""
    done = helm("template", RELEASE, chart, "--namespace", "load", *arguments, version=version)
    assert done.returncode == 0, done.stderr
    return done.stdout


def documents(text: str) -> list[Document]:
    """The documents of a text, without those that are empty."""
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def template_of(document: Document) -> Document | None:
    """The pod that a document makes: itself, or its template."""
    if document["kind"] == "Pod":
        return document
    spec = document.get("spec", {})
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    template: Document | None = spec.get("template") if isinstance(spec, dict) else None
    return template


def pods(found: list[Document]) -> dict[str, Document]:
    """Role -> its pod."""
    made = [pod for pod in map(template_of, found) if pod]
    return {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod for pod in made}


def containers(pod: Document) -> Iterator[Document]:
    """All containers of a pod."""
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]


def one(found: list[Document], kind: str, name: str = "") -> Document:
    """The one document of a kind whose name ends so."""
    (document,) = (doc for doc in found if doc["kind"] == kind and doc["metadata"]["name"].endswith(name))
    return document
