"""The image: what it is made of is locked; built (TOKENSWARM_IMAGE=NAME, by `make image`), it is small and tame."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.helm.chart import ROOT

IMAGE = os.environ.get("TOKENSWARM_IMAGE", "")
built = pytest.mark.skipif(not IMAGE, reason="make image, then TOKENSWARM_IMAGE=NAME: minutes of building")
LIMITS_MB = {"swarm": 600, "full": 1100}


def locked(name: str) -> dict[str, set[str]]:
    """package==version and its marker -> hashes."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.findall(r"^([\w.-]+==\S+)(.*)$", text, re.MULTILINE)
    return {package: set(re.findall(r"sha256:\w+", rest)) for package, rest in found}


def test_the_image_has_the_versions_that_are_tested() -> None:
    """Every package of the image's lock file is in the tests' one, by the same hashes; no tool of developers is."""
    here, image = locked("requirements.lock"), locked("requirements-image.lock")

    assert image.items() <= here.items()
    assert len(image) > 60
    assert all(image.values())
    assert not {"ruff", "mypy", "playwright", "hypothesis"} & {package.split("==")[0] for package in image}


def podman(*arguments: str) -> str:
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def inside(target: str, script: str) -> str:
    """Run a script in the image as a restricted pod would, without a network."""
    confined = ("--rm", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--network=none")
    return podman("run", *confined, "--tmpfs=/tmp", "--entrypoint=sh", f"{IMAGE}:{target}", "-c", script)


@built
@pytest.mark.parametrize("target", LIMITS_MB)
def test_it_is_small_and_harmless(target: str) -> None:
    """Unpacked size; nobody's user; no compiler, no installer; nothing of the build's registry; every verb answers."""
    size = int(podman("image", "inspect", "--format={{.Size}}", f"{IMAGE}:{target}"))
    assert size < LIMITS_MB[target] * 1e6
    assert inside(target, "id -u; id -g").split() == ["10001", "10001"]
    assert inside(target, "command -v gcc cc g++ ld make pip; ls /opt/venv/bin | grep -c ^pip; true").split() == ["0"]
    assert inside(target, "cat /etc/pip.conf /opt/venv/pip.conf 2>/dev/null; true") == ""
    for verb in ("master", "worker", "run", "nightly", "report", "simulate", "gpu-exporter"):
        assert podman("run", "--rm", "--read-only", "--tmpfs=/tmp", f"{IMAGE}:{target}", verb, "--help")


@built
def test_only_the_full_one_can_report() -> None:
    """What only reports need is not on workers."""
    ask = "/opt/venv/bin/python -c 'import {}' 2>/dev/null && echo yes || echo no"
    for package in ("pandas", "scipy", "altair", "vl_convert"):
        assert inside("full", ask.format(package)).strip() == "yes"
        assert inside("swarm", ask.format(package)).strip() == "no"
    assert inside("swarm", ask.format("locust, pyarrow, shapes._boot, exporters.push")).strip() == "yes"
