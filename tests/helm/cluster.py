"""A cluster of one machine: rendered pods run as they are told to, in a network of their own.

As processes, with the paths of the image replaced by those of this checkout, or as containers of the image itself.
Names of services are names of this machine (`ip netns exec` puts /etc/netns/NAME/hosts in the place of /etc/hosts).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.helm.chart import ROOT, Document, documents, one, pods, rendered

IMAGES = {"master": "full", "test": "full"}  # the rest has target `swarm`


class Cluster:
    """The pods of one release; what they keep is below `folder`."""

    def __init__(self, folder: Path, network: str, image: str = "") -> None:
        self.folder, self.network, self.image = folder, network, image
        self.started: list[subprocess.Popen[str]] = []
        self.pods: dict[str, Document] = {}
        for name in ("results", "scenario"):
            (folder / name).mkdir()
            (folder / name).chmod(0o777)

    def install(self, *arguments: str) -> None:
        """Render a release: its pods, its services' names, its scenario files."""
        found = documents(rendered(*arguments))
        self.pods = pods(found)
        names = [document["metadata"]["name"] for document in found if document["kind"] == "Service"]
        hosts = Path("/etc/netns") / self.network / "hosts"
        hosts.write_text("127.0.0.1 localhost\n" + "".join(f"127.0.0.1 {name}\n" for name in names))
        for name, text in one(found, "ConfigMap", "-test")["data"].items():
            (self.folder / "scenario" / name).write_text(text)

    def start(self, role: str, name: str) -> subprocess.Popen[str]:
        """One pod of a role, under a name of its own."""
        (container,) = self.pods[role]["spec"]["containers"]
        said = self.termination(name)
        said.touch()
        said.chmod(0o666)
        environment = {each["name"]: each.get("value", name) for each in container["env"]}  # POD_NAME by reference
        words = [word.replace("$(POD_NAME)", name) for word in container["args"]]
        if self.image:
            command, known = [*self._contained(container, role, said, environment), *words], {}
        else:
            command = ["ip", "netns", "exec", self.network, sys.executable, "-m", "tokenswarm", *map(self._here, words)]
            known = {key: self._here(value, said) for key, value in environment.items()}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        place = self.folder / "results"
        self.started.append(
            subprocess.Popen(command, cwd=place, env={**os.environ, **known}, start_new_session=True, **pipes)
        )
        return self.started[-1]

    def _here(self, word: str, said: Path | None = None) -> str:
        """A word with this machine's paths for those of the image and of its mounts."""
        places = {"/app/": f"{ROOT}/", "/results": f"{self.folder}/results", "/scenario/": f"{self.folder}/scenario/"}
        for path, here in places.items():
            word = word.replace(path, here) if word.startswith(path) or f"={path}" in word else word
        return str(said) if said and word == "/dev/termination-log" else word

    def _contained(self, container: Document, role: str, said: Path, environment: dict[str, Any]) -> list[str]:
        """As the kubelet would: user, read-only root, no capabilities, mounts; a memory limit needs a cgroup to own."""
        confined, mounts = container["securityContext"], {each["mountPath"] for each in container["volumeMounts"]}
        assert confined["readOnlyRootFilesystem"]
        assert confined["capabilities"] == {"drop": ["ALL"]}
        user = f"{confined['runAsUser']}:{confined['runAsGroup']}"
        kept = [f"{self.folder / path.strip('/')}:{path}" for path in sorted(mounts - {"/tmp"})]
        hosts = f"/etc/netns/{self.network}/hosts:/etc/hosts:ro"
        return [
            "podman", "run", "--rm", "--user", user, "--read-only", "--cap-drop=all", "--no-hosts",
            "--security-opt=no-new-privileges", f"--network=ns:/run/netns/{self.network}", "--tmpfs=/tmp",
            f"--workdir={container['workingDir']}",
            *(f"--volume={each}" for each in (*kept, f"{said}:/dev/termination-log", hosts)),
            *(f"--env={name}={value}" for name, value in environment.items()),
            f"{self.image}:{IMAGES.get(role, 'swarm')}",
        ]  # fmt: skip

    def ready(self, role: str, within_s: float = 60.0) -> None:
        """Wait until the pod's own readiness probe is content."""
        (container,) = self.pods[role]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        port = ports[container["readinessProbe"]["tcpSocket"]["port"]]
        deadline = time.monotonic() + within_s
        while self.ask(f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)").returncode:
            assert time.monotonic() < deadline, f"{role} does not listen at {port}"
            time.sleep(0.2)

    def ask(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run some Python in the network of the pods."""
        command = ["ip", "netns", "exec", self.network, sys.executable, "-c", code]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    def results(self, name: str) -> Path:
        """Where a pod's run is, on its volume."""
        return self.folder / "results" / name

    def termination(self, name: str) -> Path:
        """A pod's termination message."""
        return self.folder / f"{name}.termination"

    def stop(self) -> None:
        """End what still runs, by its id."""
        for process in self.started:
            if process.poll() is None:
                process.terminate()
        for process in self.started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=20)
            if process.poll() is None:
                process.kill()


@contextlib.contextmanager
def network(name: str) -> Iterator[str]:
    """A network namespace with its own names, removed at the end; skips where none may be made."""
    hosts = Path("/etc/netns") / name
    try:
        hosts.mkdir(parents=True)
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(hosts, ignore_errors=True)
        pytest.skip(f"network namespaces cannot be made here: {error}")
    try:
        yield name
    finally:
        _ip("netns", "delete", name)
        shutil.rmtree(hosts, ignore_errors=True)


def _ip(*arguments: str) -> Sequence[str]:
    subprocess.run(["ip", *arguments], capture_output=True, check=True)
    return arguments
